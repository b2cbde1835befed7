"""A dataset is added to a copy of the project with YAML and one macro call, and arrives in the curated layer."""

from __future__ import annotations

import shutil
from pathlib import Path

from publishing import Publisher, write_geojson
from shapely.geometry import box

from dataflows.elt import run_dbt
from dataflows.raw.ingest import Options
from dataflows.raw.ingest_run import ingest
from dataflows.scaffold import scaffold
from db import Settings, connect
from db.settings import REPOSITORY_ROOT
from ingest.manifest import Format, load_manifest

MAPPING = {
    "source_feature_id=none": 'source_feature_id=text("ref")',
    'reported_area_m2="null"': 'reported_area_m2=quantity("size", "ha")',
    'capacity_mw="null"': 'capacity_mw=quantity("power", "kW")',
    'installed_year="null"': 'installed_year=year("built")',
    'name="null"': 'name=text("label")',
}


def test_a_new_dataset_needs_no_python(tmp_path: Path) -> None:
    root, key = tmp_path / "project", "esp_test_pv_2026"
    shutil.copytree(REPOSITORY_ROOT / "eo-pv-elt", root / "eo-pv-elt", ignore=shutil.ignore_patterns("target", "logs"))
    (root / "ingest").mkdir()
    for name in ("profiles.yml", "ingest/doi_manifest.yml"):
        shutil.copy(REPOSITORY_ROOT / name, root / name)
    lake = Settings(home=tmp_path / "home", _env_file=None)
    publisher = Publisher(lake, tmp_path / "mirror", None)
    properties = {"ref": "A-007", "size": 2.5, "power": "1,500", "built": 2019, "label": " Planta  Solar "}
    file = write_geojson(publisher.folder(key) / "sites.geojson", [(properties, box(-3.7, 40.4, -3.69, 40.41))])

    touched = scaffold(
        key, title="Test", url="https://example.invalid/sites.geojson", kind=Format.GEOJSON, file=file, root=root
    )
    assert not [path for path in touched if path.suffix == ".py"]
    model = root / "eo-pv-elt" / "models" / "staging" / f"stg_{key}.sql"
    text = model.read_text(encoding="utf-8")
    assert all(name in text for name in properties)
    for scaffolded, completed in MAPPING.items():
        assert scaffolded in text
        text = text.replace(scaffolded, completed)
    model.write_text(text, encoding="utf-8")

    dataset = load_manifest(root / "ingest" / "doi_manifest.yml")[key]
    (outcome,) = ingest([dataset], Options(lake, mirror=str(publisher.mirror), offline=True))
    assert outcome.status == "landed", outcome
    # What lies beyond is the same for every dataset
    arguments = ("--select", "+pv_observations", "--indirect-selection", "buildable")
    results = run_dbt("build", lake, arguments=arguments, root=root)
    assert [result for result in results if result.failed] == []
    assert any(key in result.name and result.kind == "test" for result in results)
    with connect(read_only=True, lake=lake) as con:
        found = con.execute(
            "SELECT source_feature_id, reported_area_m2, capacity_mw, installed_year, name, geometry_status, dataset"
            " FROM curated.pv_observations"
        ).fetchall()
    assert found == [("A-007", 25000.0, 1.5, 2019, "Planta Solar", "valid", key)]
