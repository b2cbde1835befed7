"""Canonical observations as Parquet files: what a benchmark gives to the resolution and takes from the real lake.

Such a file has the columns of ``prepared.prep_pv_observations``; ``geometry`` is WKB. The generators write only what they know
(:data:`MINIMUM`), the rest is completed in one place, here.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import duckdb

from dataflows.elt import PROJECT_DIR
from db.sql import identifier, literal

TABLE = "lake.prepared.prep_pv_observations"

MINIMUM = ("dataset", "source_feature_id", "geometry", "level")

# What a generated observation has where its generator says nothing
COMPLETED = {
    "observation_id": "md5(concat_ws('|', dataset, source_feature_id))",
    "external_ids": "map()",
    "geometry_kind": "case st_dimension(geometry) when 0 then 'point' when 2 then 'polygon' end",
    "geometry_status": "'valid'",
    "centroid_lon_deg": "((st_x(middle) + 180) % 360 + 360) % 360 - 180",
    "centroid_lat_deg": "st_y(middle)",
    "area_m2": "case when st_dimension(geometry) = 2 then st_area_spheroid(geometry) end",
    **{
        f"h3_r{resolution}": f"h3_latlng_to_cell(st_y(middle), ((st_x(middle) + 180) % 360 + 360) % 360 - 180, {resolution})"
        for resolution in (5, 8, 10, 12)
    },
    "licence": "'CC0-1.0'",
    "commercial_use": "'yes'",
    "trust": "'normal'",
    "vintage": "'generated'",
    "source_file": "'generated'",
    "source_sha256": "''",
    "source_row": "row_number() over ()",
    "ingested_at": "timestamptz '2026-01-01 00:00:00+00'",
    "ingest_run_id": "'generated'",
}


@cache
def columns() -> dict[str, str]:
    """Name and DuckDB type of each column, as the project's own macro ``no_observations`` states them."""
    macro = (PROJECT_DIR / "macros" / "observation.sql").read_text(encoding="utf-8").partition("macro no_observations()")[2]
    return {**dict(re.findall(r'"(\w+)": "([^"]+)"', macro)), "duplicate_of": "varchar"}


def replace_by(con: duckdb.DuckDBPyConnection, file: Path) -> int:
    """Make the file's rows the observations of the lake; returns their number."""
    con.execute(f"CREATE OR REPLACE TABLE {TABLE} AS {_canonical(con, file)}")
    return _count(con)


def append(con: duckdb.DuckDBPyConnection, file: Path) -> int:
    """Add the file's rows to the observations of the lake; returns the number of all."""
    con.execute(f"INSERT INTO {TABLE} BY NAME {_canonical(con, file)}")
    return _count(con)


def export(con: duckdb.DuckDBPyConnection, file: Path, query: str = f"FROM {TABLE}") -> Path:
    """Write observations that a query yields as such a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    con.execute(
        f"COPY (SELECT * REPLACE (st_aswkb(geometry)::blob AS geometry) FROM ({query}))"
        f" TO {literal(str(part))} (FORMAT parquet, COMPRESSION zstd)"
    )
    part.rename(file)
    return file


def _canonical(con: duckdb.DuckDBPyConnection, file: Path) -> str:
    source = f"read_parquet({literal(str(file))})"
    given = {row[0] for row in con.execute(f"DESCRIBE FROM {source}").fetchall()}
    if missing := set(MINIMUM) - given:
        raise ValueError(f"{file} lacks {', '.join(sorted(missing))}")
    values = ", ".join(
        f"({identifier(name) if name in given else COMPLETED.get(name, 'null')})::{kind} AS {identifier(name)}"
        for name, kind in columns().items()
    )
    # As staging does: across the antimeridian the planar centroid is right between 0° and 360°
    return f"""
        SELECT {values} FROM (
            SELECT *, CASE WHEN st_xmax(geometry) - st_xmin(geometry) > 180
                THEN st_centroid(st_transform(geometry, 'EPSG:4326', '+proj=longlat +datum=WGS84 +lon_wrap=180'))
                ELSE st_centroid(geometry) END AS middle
            FROM (SELECT * REPLACE (st_geomfromwkb(geometry) AS geometry) FROM {source})
        )"""


def _count(con: duckdb.DuckDBPyConnection) -> int:
    (rows,) = con.execute(f"SELECT count(*) FROM {TABLE}").fetchone() or (0,)
    return rows
