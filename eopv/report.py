"""``eopv report``: one page that shows what is in the lake."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from db import settings
from eopv.console import out


def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("report.html"),
    as_of: Annotated[str | None, typer.Option(help="A snapshot id or a time: the lake as it was.")] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Solar sites in this lake",
) -> None:
    """Write one HTML page with a map, tables, provenance and quality. It needs no network: open it from the disk, send it."""
    from dataflows.publish.report.page import write_report  # Bokeh takes a second to import

    file = write_report(settings(), output, as_of=as_of, title=title)
    out.print(f"{file} ({file.stat().st_size / 1e6:.1f} MB)", markup=False, soft_wrap=True)
