"""Many datasets side by side: each lands or fails on its own, and the records of the run are right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import geopandas as gpd
import numpy as np
import pytest
import shapely
import yaml
from publishing import Publisher, entry, write_geojson
from shapely.geometry import Point

from dataflows.raw.ingest import DatasetOutcome, Options
from dataflows.raw.ingest_run import ingest
from dataflows.raw.run_identity import Run
from db import Settings, connect
from db.settings import REPOSITORY_ROOT
from ingest.manifest import Dataset, Manifest

GOOD = [f"good_{number}" for number in range(9)]
STEPS = ["fetch", "unpack", "read", "land"]
ROUNDS = 3


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """A mirror and the settings of a lake that the runs open themselves."""
    return Publisher(Settings(home=tmp_path / "home", _env_file=None), tmp_path / "mirror", None)


def write_points(path: Path, column: str, rows: int) -> None:
    numbers = np.arange(rows)
    gpd.GeoDataFrame({column: numbers}, geometry=shapely.points(numbers % 180, 1), crs="EPSG:4326").to_parquet(path)


def published(publisher: Publisher, rows: int, vintage: str) -> list[Dataset]:
    """Nine good datasets with attributes of their own, and four that fail in different steps."""
    versioned = {"dataset": {"vintage": vintage}}
    for key in GOOD:
        frame = gpd.GeoDataFrame(
            {f"only_in_{key}": np.arange(rows)}, geometry=shapely.points(np.arange(rows) % 180, 1), crs=4326
        )
        frame.to_parquet(publisher.folder(key) / "a.parquet")
    point = [({"a": 1}, Point(1, 2))]
    for key in ("bad_crs", "bad_rows"):
        write_geojson(publisher.folder(key) / "a.geojson", point)
    (publisher.folder("bad_file") / "a.geojson").write_text("no JSON")
    bad = [
        entry("bad_crs", "geojson", crs="EPSG:3857"),
        entry("bad_rows", "geojson", expected_rows=2),
        entry("bad_file", "geojson"),
        entry("bad_missing", "geojson"),
    ]
    good = [entry(key, "geoparquet", **versioned) for key in GOOD]
    return [*good[:3], *bad, *good[3:]]


BAD = {"bad_crs": "crs", "bad_rows": "schema", "bad_file": "read", "bad_missing": "not_held"}


def check_good(con: duckdb.DuckDBPyConnection, outcome: DatasetOutcome, run: Run, rows: int) -> None:
    """Its own columns, all rows, and the snapshot that the outcome names is the dataset's own."""
    found = con.execute(f"SELECT * FROM lake.landing.{outcome.dataset}")
    assert found.description[0][0] == f"only_in_{outcome.dataset}"
    assert len(found.fetchall()) == rows
    query = "SELECT commit_extra_info FROM lake.snapshots() WHERE snapshot_id = ?"
    extra = json.loads(con.execute(query, [outcome.snapshot]).fetchone()[0])
    assert (extra["dataset"], extra["run_id"]) == (outcome.dataset, run.run_id)


def test_failures_do_not_lose_the_others_and_nothing_gets_mixed_up(publisher: Publisher) -> None:
    for number in range(ROUNDS):
        rows = 100 * (number + 1)
        datasets = published(publisher, rows, str(number))
        run = Run.start("tests")
        outcomes = ingest(datasets, Options(publisher.settings, mirror=str(publisher.mirror), workers=4, run=run))
        assert [outcome.dataset for outcome in outcomes] == [dataset.key for dataset in datasets]
        kinds = {outcome.dataset: outcome.error_kind for outcome in outcomes if outcome.status == "failed"}
        assert kinds == BAD
        landed = [outcome for outcome in outcomes if outcome.status == "landed"]
        assert sorted(outcome.dataset for outcome in landed) == GOOD
        with connect(read_only=True, lake=publisher.settings) as con:
            for outcome in landed:
                check_good(con, outcome, run, rows)
            recorded = con.execute(
                "SELECT dataset, list(step ORDER BY started_at), list(error_kind) FILTER (status = 'failed')"
                " FROM lake.landing.ingest_outcomes WHERE run_id = ? GROUP BY dataset",
                [run.run_id],
            ).fetchall()
            versions = con.execute("SELECT dataset, count(*) FROM lake.landing.dataset_versions GROUP BY ALL").fetchall()
        assert {key: steps for key, steps, _ in recorded if key in GOOD} == dict.fromkeys(GOOD, STEPS)
        assert {key: failed for key, _, failed in recorded if failed} == {key: [kind] for key, kind in BAD.items()}
        assert dict(versions) == dict.fromkeys(GOOD, number + 1)
    assert sorted(path.stem for path in publisher.settings.geoparquet_dir.iterdir()) == GOOD


def test_a_planned_dataset_fails_with_its_reason(publisher: Publisher) -> None:
    planned = entry("planned", "geojson", dataset={"status": "planned", "reason": "Images only."})
    (outcome,) = ingest([planned], Options(publisher.settings, mirror=str(publisher.mirror)))
    assert (outcome.status, outcome.error_kind) == ("failed", "dataset_planned")
    assert "Images only." in outcome.error


def test_a_rolled_back_landing_leaves_no_files(publisher: Publisher) -> None:
    rows = 20_000  # too many to be kept in the catalog
    frame = gpd.GeoDataFrame({"a": np.arange(rows)}, geometry=shapely.points(np.arange(rows) % 180, 1), crs=4326)
    frame.to_parquet(publisher.folder("large") / "a.parquet")
    (outcome,) = ingest(
        [entry("large", "geoparquet", expected_rows=1)], Options(publisher.settings, mirror=str(publisher.mirror))
    )
    assert outcome.error_kind == "schema"
    left = [path.name for path in publisher.settings.data_dir.rglob("*") if path.is_file() and "large" in str(path)]
    assert left == []


@pytest.fixture
def manifest(publisher: Publisher, tmp_path: Path) -> Path:
    write_geojson(publisher.folder("fine") / "a.geojson", [({"a": 1}, Point(1, 2))])
    (publisher.folder("broken") / "a.geojson").write_text("no JSON")
    datasets = {key: entry(key, "geojson") for key in ("fine", "broken")}
    path = tmp_path / "manifest.yml"
    path.write_text(yaml.safe_dump(Manifest(datasets=datasets).model_dump(mode="json", exclude_defaults=True)))
    return path


@pytest.mark.parametrize(("keys", "code"), [(["fine"], 0), (["broken", "fine"], 1)])
def test_as_a_script(publisher: Publisher, manifest: Path, keys: list[str], code: int) -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "dataflows.raw.doi_vectors", *keys),
            *("--mirror", str(publisher.mirror), "--manifest", str(manifest)),
        ],
        cwd=REPOSITORY_ROOT,
        env=os.environ | {"EOPV_HOME": str(publisher.settings.home)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == code, ran.stderr
    assert "fine: landed, 1 rows" in ran.stderr
    with connect(read_only=True, lake=publisher.settings) as con:
        assert con.execute("SELECT count(*) FROM lake.landing.fine").fetchone() == (1,)
