"""Writes a query in each format, in batches, so that a large table never stands in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from pyogrio.errors import DataLayerError, DataSourceError
from pyogrio.raw import write_arrow

from dataflows.publish.formats import DRIVERS, ExportFormat
from dataflows.raw import geoparquet
from db.errors import PublishError
from db.sql import identifier, literal

BATCH_ROWS = 20_000
CRS = "EPSG:4326"
VIEW = "eopv_exported"

# Decimals of a degree in GeoJSON: RFC 7946 advises against more than these for what maps show; a ninth is 0.1 mm
GEOJSON_DECIMALS = 9

DEFAULT_MINZOOM, DEFAULT_MAXZOOM = 0, 12
GREATEST_ZOOM = 22  # of GDAL's driver

_OGR_TYPES = {
    "POINT": "Point",
    "LINESTRING": "LineString",
    "POLYGON": "Polygon",
    "MULTIPOINT": "MultiPoint",
    "MULTILINESTRING": "MultiLineString",
    "MULTIPOLYGON": "MultiPolygon",
}


@dataclass(frozen=True)
class Query:
    """What to write.

    Attributes:
        attributes: select list without the geometry.
        geometry: SQL of the geometry, or ``None``.
        source: FROM and WHERE.
        title: of the layer.
    """

    attributes: tuple[str, ...]
    geometry: str | None
    source: str
    title: str


@dataclass(frozen=True)
class Shapes:
    """Which geometries there are.

    Attributes:
        kinds: DuckDB's names.
        missing: rows with no geometry, or an empty one.
        has_z: whether one has heights.
    """

    kinds: frozenset[str]
    missing: int
    has_z: bool

    @property
    def layer(self) -> tuple[str, bool]:
        """OGR's type of the layer, and whether single shapes have to become multiple ones."""
        kinds, suffix = set(self.kinds), " Z" if self.has_z else ""
        if len(kinds) == 1:
            return _OGR_TYPES.get(kinds.pop(), "Unknown") + suffix, False
        for single, multiple in (("POLYGON", "MULTIPOLYGON"), ("LINESTRING", "MULTILINESTRING"), ("POINT", "MULTIPOINT")):
            if kinds == {single, multiple}:
                return _OGR_TYPES[multiple] + suffix, True
        return "Unknown", False


def shapes(con: duckdb.DuckDBPyConnection, query: Query) -> Shapes:
    """Look at the geometries of a query."""
    found = con.execute(
        "SELECT ST_GeometryType(g)::VARCHAR, coalesce(bool_or(ST_HasZ(g)), false), count(*),"
        " (g IS NULL OR ST_IsEmpty(g)) AS missing"
        f" FROM (SELECT {query.geometry} AS g FROM {query.source}) GROUP BY ALL"
    ).fetchall()
    return Shapes(
        frozenset(kind for kind, _, _, missing in found if not missing),
        sum(count for _, _, count, missing in found if missing),
        any(has_z for _, has_z, _, _ in found),
    )


def write(con: duckdb.DuckDBPyConnection, query: Query, kind: ExportFormat, path: Path, zooms: tuple[int, int]) -> int:
    """Write a query to a file.

    Args:
        con: connection, in the transaction to read in.
        query: what to write.
        kind: format.
        path: of a file that is not there yet.
        zooms: least and greatest zoom of tiles (PMTiles).

    Returns:
        Rows written.

    Raises:
        PublishError: GDAL cannot write it.
    """
    if kind is ExportFormat.CSV:
        return _write_csv(con, query, path)
    if kind is ExportFormat.GEOPARQUET:
        return _write_geoparquet(con, query, path)
    return _write_ogr(con, query, kind, path, zooms)


def _write_csv(con: duckdb.DuckDBPyConnection, query: Query, path: Path) -> int:
    columns = list(query.attributes)
    if query.geometry is not None:
        # A point that is in the shape, which a centroid need not be
        place = f"CASE WHEN NOT ST_IsEmpty({query.geometry}) THEN ST_PointOnSurface({query.geometry}) END"
        columns += [
            f"ST_X({place}) AS lon_deg",
            f"ST_Y({place}) AS lat_deg",
            f"ST_AsText({query.geometry}) AS geometry",
        ]
    copied = con.execute(
        f"COPY (SELECT {', '.join(columns)} FROM {query.source}) TO {literal(str(path))} (FORMAT csv, HEADER)"
    ).fetchone()
    return int(copied[0]) if copied else 0


def _write_geoparquet(con: duckdb.DuckDBPyConnection, query: Query, path: Path) -> int:
    selected = ", ".join([*query.attributes, f"{query.geometry} AS geometry"])
    # It ends with the connection; after an error, the transaction would not let it be dropped
    con.execute(f"CREATE OR REPLACE TEMP VIEW {VIEW} AS SELECT {selected} FROM {query.source}")
    geoparquet.export(con, identifier("temp", "main", VIEW), path, query.title)
    (count,) = con.execute("SELECT num_rows FROM parquet_file_metadata(?)", [str(path)]).fetchone() or (0,)
    return int(count)


def _write_ogr(con: duckdb.DuckDBPyConnection, query: Query, kind: ExportFormat, path: Path, zooms: tuple[int, int]) -> int:
    there = shapes(con, query)
    layer_type, promote = there.layer
    geometry = f"ST_Multi({query.geometry})" if promote else query.geometry
    selected = ", ".join(
        [*query.attributes, f"ST_AsWKB(CASE WHEN NOT ST_IsEmpty({query.geometry}) THEN {geometry} END)::BLOB AS geometry"]
    )
    where = f" WHERE {query.geometry} IS NOT NULL AND NOT ST_IsEmpty({query.geometry})" if kind is ExportFormat.PMTILES else ""
    inner = f"SELECT {selected} FROM (FROM {query.source}){where}"
    (count,) = con.execute(f"SELECT count(*) FROM (FROM {query.source}){where}").fetchone() or (0,)
    reader = con.execute(inner).to_arrow_reader(BATCH_ROWS)
    dataset_options, layer_options = _options(kind, query, there, zooms)
    try:
        write_arrow(
            reader,
            path,
            layer=query.title,
            driver=DRIVERS[kind],
            geometry_name="geometry",
            geometry_type=layer_type,
            crs=CRS,
            dataset_options=dataset_options,
            layer_options=layer_options,
        )
    except (DataLayerError, DataSourceError) as error:
        raise PublishError(f"GDAL cannot write {kind}: {error}.", remedy="Try another format.") from error
    return int(count)


def _options(kind: ExportFormat, query: Query, there: Shapes, zooms: tuple[int, int]) -> tuple[dict[str, Any], dict[str, Any]]:
    match kind:
        case ExportFormat.GEOJSON:
            # Winding by the right-hand rule, no crs member, bounding boxes
            return {}, {"RFC7946": "YES", "COORDINATE_PRECISION": GEOJSON_DECIMALS, "WRITE_BBOX": "YES"}
        case ExportFormat.FLATGEOBUF:
            # Its index has no place for features without a geometry
            return {}, {"SPATIAL_INDEX": "NO" if there.missing else "YES"}
        case ExportFormat.PMTILES:
            return {"MINZOOM": zooms[0], "MAXZOOM": zooms[1], "NAME": query.title}, {}
        case _:
            return {}, {}
