"""GeoParquet 1.1 export: what DuckLake's own Parquet files are not, because they carry no ``geo`` key."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj

from db.sql import identifier, literal

# Small enough that a reader's bbox filter skips most of the file, large enough to compress
ROW_GROUP_ROWS = 50_000
FINGERPRINT = "eopv_fingerprint"
EDGES = ("xmin", "ymin", "xmax", "ymax")
WORLD = "{'min_x': -180.0, 'min_y': -90.0, 'max_x': 180.0, 'max_y': 90.0}::BOX_2D"


def metadata(geometry_types: list[str], covering: str = "bbox") -> dict[str, object]:
    """The ``geo`` key of a file with one WKB column ``geometry`` in OGC:CRS84 and the bounding boxes that cover it.

    Source: https://geoparquet.org/releases/v1.1.0/
    """
    column = {
        "encoding": "WKB",
        "geometry_types": geometry_types,
        "crs": pyproj.CRS("OGC:CRS84").to_json_dict(),
        "covering": {"bbox": {edge: [covering, edge] for edge in EDGES}},
    }
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def export(lake: duckdb.DuckDBPyConnection, table: str, path: Path, fingerprint: str) -> Path:
    """Write a table as GeoParquet 1.1: Hilbert order, covering bounding boxes, zstd.

    Measures are left out, because GeoParquet 1.1 knows none; heights are kept.

    Args:
        lake: a connection.
        table: quoted name of a table with a column ``geometry`` (EPSG:4326, longitude first).
        path: target, replaced at once or not at all.
        fingerprint: of the table, for :func:`holds`.

    Returns:
        ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    names = lake.sql(
        f"SELECT DISTINCT ST_GeometryType(geometry)::VARCHAR || CASE WHEN ST_HasZ(geometry) THEN ' Z' ELSE '' END"
        f" FROM {table} WHERE geometry IS NOT NULL ORDER BY 1"
    ).fetchall()
    landed = lake.sql(f"FROM {table} LIMIT 0")
    # A published covering is replaced: it may be in another CRS. An attribute that is merely called so is kept.
    attributes = [
        name
        for name, kind in zip(landed.columns, map(str, landed.types), strict=True)
        if name != "geometry" and not (name.lower() == "bbox" and kind.startswith("STRUCT(xmin"))
    ]
    covering = "geometry_bbox" if "bbox" in map(str.lower, attributes) else "bbox"
    geo = json.dumps(metadata([_standard_name(name) for (name,) in names], covering))
    box = ", ".join(f"'{edge}': ST_{edge}(geometry)" for edge in EDGES)
    columns = ", ".join(identifier(name) for name in attributes)
    shape = (
        "CASE WHEN NOT ST_HasM(geometry) THEN geometry WHEN ST_HasZ(geometry) THEN ST_Force3DZ(geometry, 0)"
        " ELSE ST_Force2D(geometry) END"
    )
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        lake.execute(
            f"COPY (SELECT {columns}, {shape} AS geometry, CASE WHEN geometry IS NOT NULL THEN {{{box}}} END AS {covering}"
            f" FROM {table}"
            f" ORDER BY CASE WHEN NOT ST_IsEmpty(geometry) THEN ST_Hilbert(geometry, {WORLD}) END) TO {literal(str(part))}"
            f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS}, GEOPARQUET_VERSION 'NONE',"
            f" KV_METADATA {{geo: {literal(geo)}, {FINGERPRINT}: {literal(fingerprint)}}})"
        )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def holds(path: Path, fingerprint: str) -> bool:
    """Whether a file is the export of that landing, and not of an earlier or a later one."""
    if not path.exists():
        return False
    try:
        return (pq.read_metadata(path).metadata or {}).get(FINGERPRINT.encode()) == fingerprint.encode()
    except pa.ArrowInvalid:  # not Parquet: somebody else's file, or a damaged one
        return False


def _standard_name(name: str) -> str:
    """DuckDB's ``MULTIPOLYGON Z`` as the standard's ``MultiPolygon Z``."""
    kinds = {
        kind.upper(): kind
        for kind in ("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection")
    }
    kind, *dimension = name.split(" ")
    return " ".join([kinds[kind], *dimension])
