"""Adds a dataset to the project: everything that a new one needs is YAML and one macro call."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pyogrio
import yaml

from db.errors import ManifestError
from db.settings import REPOSITORY_ROOT
from db.sql import literal
from ingest.manifest import KEY_PATTERN, Format, load_manifest

# Each list stands last in its file, so that a new dataset is a line at the end
LISTS = {
    "eo-pv-elt/dbt_project.yml": "    - {key}\n",
    "eo-pv-elt/models/raw/sources.yml": "      - name: {key}\n",
    "eo-pv-elt/models/raw/raw.yml": (
        "  - name: raw_{key}\n"
        "    description: One row a feature of `{key}` as published, with provenance and the manifest's facts (`dataset_…`).\n"
    ),
    "eo-pv-elt/models/staging/staging.yml": (
        "  - name: stg_{key}\n"
        "    description: One row a feature of `{key}` as a canonical observation.\n"
        "    columns: *observation\n"
    ),
}

STAGING = """{{{{ observation(
    "{key}",
    source_feature_id=none,
    reported_area_m2="null",
    capacity_mw="null",
    installed_year="null",
    name="null",
    operator="null",
) }}}}
{{#- Published columns: {columns}. Write e.g. capacity_mw=quantity("Power_kW", "kW"), name=text("site"). -#}}
"""


def scaffold(
    key: str, *, title: str, url: str, kind: Format, file: Path | None = None, root: Path = REPOSITORY_ROOT
) -> list[Path]:
    """Add manifest entry, raw view, staging model and documentation of a new dataset.

    Args:
        key: becomes ``landing.<key>``, ``raw_<key>`` and ``stg_<key>``.
        title: of the dataset.
        url: of the published file.
        kind: published format.
        file: a copy of the file, whose columns are then listed beside the mapping.
        root: the repository.

    Returns:
        The files that were created or changed.

    Raises:
        ManifestError: the key is malformed or taken; nothing has been written then.
    """
    manifest_path = root / "ingest" / "doi_manifest.yml"
    if not re.fullmatch(KEY_PATTERN, key):
        raise ManifestError(
            f"{key!r} is not a dataset key.", remedy="Use lower-case letters, digits and '_', e.g. esp_ree_pv_2025."
        )
    if key in load_manifest(manifest_path).datasets:
        raise ManifestError(f"Dataset {key!r} is in the manifest already.", remedy="Choose another key, or edit the entry.")
    entry = yaml.safe_dump({key: _entry(title, url, kind)}, sort_keys=False, allow_unicode=True, width=120)
    additions = {manifest_path: "\n" + "".join(f"  {line}\n" for line in entry.splitlines())}
    additions |= {root / name: template.format(key=key) for name, template in LISTS.items()}
    created = {
        root / "eo-pv-elt" / "models" / "raw" / f"raw_{key}.sql": f"{{{{ raw_dataset('{key}') }}}}\n",
        root / "eo-pv-elt" / "models" / "staging" / f"stg_{key}.sql": STAGING.format(key=key, columns=_columns(file, kind)),
    }
    contents = {path: path.read_text(encoding="utf-8").rstrip("\n") + "\n" + text for path, text in additions.items()}
    for path, text in (contents | created).items():
        part = path.with_name(f".{path.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    load_manifest(manifest_path)
    return [*contents, *created]


def _entry(title: str, url: str, kind: Format) -> dict[str, object]:
    distribution: dict[str, object] = {
        "name": kind.value.replace("_", "-"),
        "format": kind.value,
        "source": {"repository": "direct", "urls": [url]},
    }
    if kind is Format.CSV:
        distribution |= {"crs": "EPSG:4326", "points": {"x": "longitude", "y": "latitude"}}
    if kind is Format.JSON_COORDINATES:
        distribution |= {"crs": "EPSG:4326"}
    return {
        "title": title,
        "url": url,
        "citation": title,
        "licence": {"id": "LicenseRef-unstated", "commercial": "unknown"},
        "vintage": "unstated",
        "level": "plant",
        "geometry_kind": "mixed",
        "distributions": [distribution],
    }


def _columns(file: Path | None, kind: Format) -> str:
    if file is None:
        return "see 'eopv sql \"DESCRIBE landing.<key>\"' once it has landed"
    if kind in (Format.CSV, Format.GEOPARQUET):
        reader = "read_csv" if kind is Format.CSV else "read_parquet"
        with duckdb.connect() as con:
            return ", ".join(con.sql(f"FROM {reader}({literal(str(file))}) LIMIT 0").columns)
    if kind is Format.JSON_COORDINATES:
        return "none"
    return ", ".join(pyogrio.read_info(file)["fields"])
