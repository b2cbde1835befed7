"""Formats of exports, and what each can hold of DuckDB's types."""

from __future__ import annotations

import re
from enum import StrEnum

from dataflows.publish import cutting
from dataflows.publish.source import Column, Source
from db.errors import PublishError


class ExportFormat(StrEnum):
    """How a table is written."""

    GEOPARQUET = "geoparquet"
    FLATGEOBUF = "flatgeobuf"
    GEOJSON = "geojson"
    GPKG = "gpkg"
    CSV = "csv"
    PMTILES = "pmtiles"


SUFFIXES = {
    ExportFormat.GEOPARQUET: ".parquet",
    ExportFormat.FLATGEOBUF: ".fgb",
    ExportFormat.GEOJSON: ".geojson",
    ExportFormat.GPKG: ".gpkg",
    ExportFormat.CSV: ".csv",
    ExportFormat.PMTILES: ".pmtiles",
}
DRIVERS = {
    ExportFormat.FLATGEOBUF: "FlatGeobuf",
    ExportFormat.GEOJSON: "GeoJSON",
    ExportFormat.GPKG: "GPKG",
    ExportFormat.PMTILES: "PMTiles",
}

# Formats that are drawn without a look at the lake's conventions, and the one whose standard forbids to cross the antimeridian
CUT = frozenset({ExportFormat.GEOJSON, ExportFormat.PMTILES})

_NESTED = re.compile(r"\[\d*\]$|^(STRUCT|MAP|UNION)\(|^(JSON|VARIANT)$")
_AS_BIGINT = frozenset({"UINTEGER"})
_AS_INTEGER = frozenset({"TINYINT", "UTINYINT", "USMALLINT"})
_AS_IS = frozenset({"BOOLEAN", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "VARCHAR", "DATE"})


def geometry_sql(source: Source, kind: ExportFormat) -> str | None:
    """SQL of the geometry to write; that of H3 cells is made. ``None`` for a table without (CSV only).

    Raises:
        PublishError: there is none and the format needs one.
    """
    if source.geometry is not None:
        return cutting.expression(source.geometry.sql) if kind in CUT else source.geometry.sql
    if source.cell is not None:
        return cutting.expression(f"ST_GeomFromWKB(h3_cell_to_boundary_wkb({source.cell.sql}))")
    if kind is ExportFormat.CSV:
        return None
    raise PublishError(
        f"{source.name} has no geometry and no H3 cell, which {kind} needs.",
        remedy=f"Write csv (-f csv), or 'eopv sql -f parquet -o FILE \"FROM {source.name}\"'.",
    )


def attribute_sql(column: Column, kind: ExportFormat) -> str:
    """SQL of an attribute in a type that the format has.

    GeoParquet has all types. Elsewhere H3 cells are written in hexadecimal, the form of every H3 library, lists and other
    nested values as JSON, integers beyond 64 bits with sign as text, so that no digit is lost.
    """
    if column.is_geometry:
        return f"ST_AsText({column.sql}) AS {column.sql}"
    if kind is ExportFormat.GEOPARQUET:
        return column.sql
    return f"{_representable(column, kind)} AS {column.sql}"


def _representable(column: Column, kind: ExportFormat) -> str:
    name, of = column.sql, column.kind
    if column.is_cell:
        return f"h3_h3_to_string({name})"
    if _NESTED.search(of):
        return f"to_json({name})::VARCHAR"
    if kind is ExportFormat.CSV or of in _AS_IS:
        return name
    if of in _AS_BIGINT:
        return f"{name}::BIGINT"
    if of in _AS_INTEGER:
        return f"{name}::INTEGER"
    if of.startswith("DECIMAL"):
        return f"{name}::DOUBLE"
    if of == "TIMESTAMP WITH TIME ZONE":
        return name
    if of.startswith("TIMESTAMP"):
        return f"{name}::TIMESTAMP"
    if of == "BLOB":
        return f"hex({name})"
    return f"{name}::VARCHAR"
