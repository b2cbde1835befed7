"""Exports a table or view of the lake to a file of another format, with licence and citation beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from dataflows.publish import aggregates, commercial, cutting, sidecar
from dataflows.publish.descriptions import describe, unit
from dataflows.publish.files import write_text, written_whole
from dataflows.publish.formats import SUFFIXES, ExportFormat, attribute_sql, geometry_sql
from dataflows.publish.source import Column, Source, find
from dataflows.publish.writers import DEFAULT_MAXZOOM, DEFAULT_MINZOOM, GREATEST_ZOOM, Query, shapes, write
from db import connect
from db.arrow_functions import provide
from db.connection import AsOf
from db.errors import PublishError
from db.query import refused
from db.settings import Settings


@dataclass(frozen=True)
class Request:
    """What to export.

    Attributes:
        table: ``schema.table``, or a table of the layer ``curated``.
        kind: format.
        file: to write; ``<table>.<suffix>`` in the current folder when omitted.
        where: SQL condition of the rows.
        columns: names; all when empty. The geometry is always written.
        as_of: snapshot id or time of the lake.
        commercial: only what may be used commercially.
        minzoom: least zoom of tiles (PMTiles).
        maxzoom: greatest.
    """

    table: str
    kind: ExportFormat
    file: Path | None = None
    where: str | None = None
    columns: tuple[str, ...] = ()
    as_of: AsOf | None = None
    commercial: bool = False
    minzoom: int = DEFAULT_MINZOOM
    maxzoom: int = DEFAULT_MAXZOOM


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        file: the export.
        rows: in it.
        without_geometry: rows that tiles have no place for (PMTiles), or that have no geometry in the file.
        left_out: rows that restricted sources are behind; of sums that were computed again, installations.
        metadata: the sidecar.
    """

    file: Path
    rows: int
    without_geometry: int
    left_out: int
    metadata: dict[str, Any]


def export(request: Request, lake: Settings) -> Exported:
    """Write a table, ``<file>.metadata.json`` and ``<file>.CITATION.txt``.

    Everything is read from one snapshot. Marts for commercial use are added up again from permitted installations
    (:mod:`dataflows.publish.aggregates`). GeoParquet, FlatGeobuf, GeoPackage and CSV have geometries as stored; in GeoJSON and
    PMTiles they are cut at the antimeridian. Tables of H3 cells have the cells' outlines.

    Raises:
        PublishError: there is no such table, column or folder, the condition is not valid, or the format needs a geometry.
        NotSeparableError: ``commercial`` of a table whose rows mix sources.
        BuildError: ``commercial`` of a mart, and dbt cannot compile it.
    """
    if not 0 <= request.minzoom <= request.maxzoom <= GREATEST_ZOOM:
        raise PublishError(
            f"{request.minzoom} to {request.maxzoom} are no zooms.", remedy=f"0 ≤ minzoom ≤ maxzoom ≤ {GREATEST_ZOOM}."
        )
    made = aggregates.recipe(request.table, lake) if request.commercial else None
    with connect(read_only=True, as_of=request.as_of, lake=lake) as con:
        provide(con, cutting.FUNCTIONS)
        con.execute("BEGIN")
        try:
            return _exported(con, request, lake, made)
        except duckdb.Error as error:
            raise refused(error) from error


def _exported(con: duckdb.DuckDBPyConnection, request: Request, lake: Settings, made: aggregates.Recipe | None) -> Exported:
    source = find(con, request.table)
    summed = None if made is None else aggregates.recomputed(con, made)
    if summed is not None:
        source = summed.mart
    file = request.file or Path(f"{source.table}{SUFFIXES[request.kind]}")
    asked = _condition(con, source, request.where)
    restricted = commercial.restriction(con, source) if request.commercial and summed is None else None
    condition = asked if restricted is None else f"({asked}) AND ({restricted.condition})"
    columns = _columns(source, request.columns, frozenset() if restricted is None else restricted.without)
    attributes = [attribute_sql(column, request.kind) for column in columns if column != source.geometry]
    if restricted is not None:
        attributes = [
            commercial.without_restricted_parents(source, column, restricted, sql)
            for column, sql in zip([column for column in columns if column != source.geometry], attributes, strict=True)
        ]
    query = Query(tuple(attributes), geometry_sql(source, request.kind), f"{source.sql} WHERE {condition}", source.table)
    missing = 0 if query.geometry is None else shapes(con, query).missing
    content = {
        "table": source.name,
        "format": request.kind.value,
        "file": file.name,
        "where": request.where,
        "licence_filter": "commercial" if request.commercial else None,
        **_described(source, columns, lake),
        **(sidecar.provenance(con, source, condition) if summed is None else aggregates.provenance(con, summed)),
    }
    if summed is not None:
        content["proof"] = aggregates.proof(con, summed)
    if restricted is not None:
        content["proof"] = commercial.proof(con, source, restricted, asked)
    with written_whole(file, SUFFIXES[request.kind]) as part:
        count = write(con, query, request.kind, part, (request.minzoom, request.maxzoom))
        content |= {"rows": count, "rows_without_geometry": missing}
        # Those of an earlier export would speak of other rows
        write_text(sidecar.metadata_path(file), sidecar.as_json(content))
        write_text(sidecar.citation_path(file), sidecar.citation(source.name, content))
    return Exported(file, count, missing, content.get("proof", {}).get("rows_left_out", 0), content)


def _condition(con: duckdb.DuckDBPyConnection, source: Source, where: str | None) -> str:
    if where is None:
        return "true"
    # Parsed as one expression, so that nothing in it can end the parenthesis that it is put into
    con.sql(f"FROM {source.sql} LIMIT 0").filter(where)
    return f"({where}\n)"


def _columns(source: Source, names: tuple[str, ...], without: frozenset[str]) -> tuple[Column, ...]:
    chosen = tuple(column for column in source.chosen(names) if column.name not in without)
    if not chosen:
        raise PublishError(f"No column of {source.name} is left.", remedy="Name other --columns.")
    return chosen


def _described(source: Source, columns: tuple[Column, ...], lake: Settings) -> dict[str, Any]:
    texts = describe(source, lake)
    return {
        "description": texts.text,
        "columns": [
            {
                "name": column.name,
                "type": column.kind,
                "unit": unit(column.name),
                "description": texts.columns.get(column.name, ""),
            }
            for column in columns
        ],
    }
