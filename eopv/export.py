"""``eopv export``: a table of the lake as a file for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from db import settings
from eopv.console import err, out


class Format(StrEnum):
    """Formats; those of dataflows.publish.formats, without its imports."""

    GEOPARQUET = "geoparquet"
    FLATGEOBUF = "flatgeobuf"
    GEOJSON = "geojson"
    GPKG = "gpkg"
    CSV = "csv"
    PMTILES = "pmtiles"


class Licence(StrEnum):
    """What the export may be used for."""

    COMMERCIAL = "commercial"


def export(
    table: Annotated[str, typer.Argument(help="A table or view: schema.table, or a table of curated.")],
    kind: Annotated[Format, typer.Option("--format", "-f", help="Format of the file.")] = Format.GEOPARQUET,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: the table's name, here.")
    ] = None,
    where: Annotated[str | None, typer.Option(help="SQL condition of the rows.")] = None,
    columns: Annotated[
        str, typer.Option(help="Columns, separated by commas; the geometry comes with them. Default: all.")
    ] = "",
    as_of: Annotated[str | None, typer.Option(help="A snapshot id or a time: the lake as it was.")] = None,
    licence: Annotated[
        Licence | None, typer.Option(help="commercial: only rows all of whose sources allow commercial use.")
    ] = None,
    minzoom: Annotated[int, typer.Option(help="Least zoom of tiles (pmtiles).")] = 0,
    maxzoom: Annotated[int, typer.Option(help="Greatest zoom of tiles (pmtiles).")] = 12,
) -> None:
    """Write a table as GeoParquet, FlatGeobuf, GeoJSON, GeoPackage, CSV or PMTiles.

    Beside the file stand <file>.metadata.json (columns, units, snapshot, datasets with licence, citation and DOI) and
    <file>.CITATION.txt. With --licence commercial the metadata shows which sources are behind the rows and what was left out.
    """
    from dataflows.publish.export import ExportFormat, Request
    from dataflows.publish.export import export as written  # GDAL takes a moment to import

    names = tuple(name.strip() for name in columns.split(",") if name.strip())
    request = Request(
        table, ExportFormat(kind), output, where, names, as_of, licence is Licence.COMMERCIAL, minzoom=minzoom, maxzoom=maxzoom
    )
    found = written(request, settings())
    if found.left_out:
        what = "installations" if "computed_from" in found.metadata["proof"] else "rows"
        err.print(f"{found.left_out:,} {what} were left out: restricted sources are behind them, see the metadata")
    if found.without_geometry:
        err.print(f"{found.without_geometry:,} rows have no geometry" + (" and no tile" if kind is Format.PMTILES else ""))
    for warning in found.metadata["warnings"]:
        err.print(warning, markup=False)
    out.print(f"{found.file} ({found.rows:,} rows)", markup=False, soft_wrap=True)
