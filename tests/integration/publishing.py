"""A publisher for tests: files in a mirror folder, their manifest entry, and the lake that they are landed in."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd
import pandas as pd
import shapely

from dataflows.raw import landing
from dataflows.raw.ingest import DatasetOutcome, Options, ingest_dataset
from dataflows.raw.run_identity import Run
from db import Settings
from ingest.manifest import Dataset


def entry(key: str, kind: str, /, *, dataset: Mapping[str, Any] | None = None, **distribution: Any) -> Dataset:
    """A manifest entry with one distribution, which only the mirror has."""
    return Dataset.model_validate(
        {
            "key": key,
            "title": key,
            "url": f"https://example.invalid/{key}",
            "citation": key,
            "licence": {"id": "CC0-1.0", "commercial": "yes"},
            "vintage": "1",
            "level": "plant",
            "geometry_kind": "mixed",
            "distributions": [
                {"name": "published", "format": kind, "source": {"repository": "mirror"}, **distribution},
            ],
            **(dataset or {}),
        }
    )


# 2 mm: DuckDB's PROJ is older than GeoPandas's, and their series for authalic latitudes differ by that much
TOLERANCE_DEG = 2e-8


@dataclass
class Publisher:
    """Writes files into a mirror and lands them over one connection, as one dataset a key."""

    settings: Settings
    mirror: Path
    con: duckdb.DuckDBPyConnection
    runs: list[Run] = field(default_factory=list)

    def folder(self, key: str) -> Path:
        """Where the dataset's files go."""
        folder = self.mirror / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def ingest(self, dataset: Dataset, **options: Any) -> DatasetOutcome:
        """Through the real DAG into the real lake, as a run of its own."""
        landing.VERSIONS.ensure(self.con)
        self.runs.append(Run.start("tests"))
        chosen = {"mirror": str(self.mirror), "offline": True, "export": False, **options}
        return ingest_dataset(dataset, self.con, Options(self.settings, **chosen), self.runs[-1])

    def land(self, dataset: Dataset, **options: Any) -> gpd.GeoDataFrame:
        """:meth:`ingest`, which has to succeed, and the landed rows in their published order."""
        outcome = self.ingest(dataset, **options)
        assert outcome.status == "landed", outcome
        return self.read(dataset.key)

    def read(self, key: str) -> gpd.GeoDataFrame:
        """The landed rows in their published order; the geometry as DuckDB's own WKB has it."""
        rows = self.con.sql(
            f'SELECT * REPLACE (ST_AsWKB(geometry) AS geometry) FROM lake.landing."{key}" ORDER BY source_file, source_row'
        )
        values = rows.to_arrow_table().to_pydict()
        geometry = shapely.from_wkb(values.pop("geometry"))
        # Python's own values: pandas would turn what is missing into NaN, and integers beside it into floats
        frame = pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in values.items()})
        return gpd.GeoDataFrame(frame, geometry=geometry, crs="EPSG:4326")

    def outcomes(self, key: str) -> list[dict[str, Any]]:
        """Recorded steps of the dataset's last run, in their order."""
        cursor = self.con.execute(
            "SELECT * FROM lake.landing.ingest_outcomes WHERE dataset = ? AND run_id = ? ORDER BY started_at",
            [key, self.runs[-1].run_id],
        )
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def snapshot(self) -> int:
        """Id of the lake's newest snapshot."""
        return self.con.execute("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone()[0]

    def tables(self) -> set[str]:
        """Names of the landing tables."""
        found = self.con.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'landing'"
        ).fetchall()
        return {name for (name,) in found}


def write_geojson(path: Path, features: Iterable[tuple[Mapping[str, Any], Any]], *, crs: str | None = None) -> Path:
    """A GeoJSON file of ``(properties, shapely or GeoJSON geometry)`` pairs, with or without the old ``crs`` member."""
    collection: dict[str, Any] = {"type": "FeatureCollection"}
    if crs is not None:
        collection["crs"] = {"type": "name", "properties": {"name": crs}}
    collection["features"] = [
        {
            "type": "Feature",
            "properties": dict(properties),
            "geometry": shape if shape is None or isinstance(shape, dict) else json.loads(shapely.to_geojson(shape)),
        }
        for properties, shape in features
    ]
    path.write_text(json.dumps(collection), encoding="utf-8")
    return path


def write_csv(path: Path, rows: Iterable[Iterable[object]], *, encoding: str = "utf-8", delimiter: str = ",") -> Path:
    """A CSV file, header first."""
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return path
