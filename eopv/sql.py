"""``eopv sql``: query the lake."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from db import connect
from db.query import ResultFormat, readable, relation, write
from eopv.console import out, table


def sql(
    query: Annotated[str | None, typer.Argument(help="A query; tables are schema.table, e.g. curated.pv_observations.")] = None,
    file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Take the query from a file.")] = None,
    result_format: Annotated[ResultFormat, typer.Option("--format", "-f", help="How to write it.")] = ResultFormat.TABLE,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; default: standard output.")] = None,
    as_of: Annotated[str | None, typer.Option(help="A snapshot id or a time: read the lake as it was.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show as a table; other formats give all.")] = 50,
) -> None:
    """Run a read-only query on the lake. Geometries come as WKT (csv, table), GeoJSON (json) or GeoParquet (parquet)."""
    if (query is None) == (file is None):
        raise typer.BadParameter("give a query, or a file with --file.")
    query = query if file is None else file.read_text(encoding="utf-8")
    with connect(read_only=True, as_of=as_of) as con:
        if result_format is not ResultFormat.TABLE or output is not None:
            kind = ResultFormat.CSV if result_format is ResultFormat.TABLE else result_format
            write(con, query, kind, output)
            return
        result = relation(con, query)
        if result is None:
            return
        text = readable(result)
        shown = text.fetchmany(limit + 1)
        # As stored: neither the separators nor the rounding that suit a report
        rows = [
            {name: None if value is None else str(value) for name, value in zip(text.columns, values, strict=True)}
            for values in shown[:limit]
        ]
        out.print(table(rows) if rows else "no rows")
        if len(shown) > limit:
            out.print(f"… more than {limit} rows; see --limit, or -f csv")
