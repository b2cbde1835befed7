"""``eopv plot``: pictures of what is in the lake."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from db import settings
from eopv.console import out


class Name(StrEnum):
    """Pictures; those of dataflows.publish.figures, without its imports."""

    PV_H3 = "pv_h3"
    GROWTH = "growth"
    COVERAGE = "coverage"
    OVERLAP = "overlap"
    CAPACITY = "capacity"
    YIELD = "yield"


def plot(
    picture: Annotated[Name, typer.Argument(help="What to draw.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help=".png or .svg; default: <picture>.png, here.")] = None,
    resolution: Annotated[int | None, typer.Option(help="H3 resolution (pv_h3); default: the finest that can be seen.")] = None,
    country: Annotated[str | None, typer.Option(help="ISO 3166-1 alpha-3 code (growth); default: all countries.")] = None,
    as_of: Annotated[str | None, typer.Option(help="A snapshot id or a time: the lake as it was.")] = None,
) -> None:
    """Draw PV by H3 cell, growth, coverage and overlap of the datasets, capacities, or yield, as PNG or SVG."""
    from dataflows.publish.figures import Options, Picture  # Matplotlib takes a second to import
    from dataflows.publish.figures import plot as drawn

    file = output or Path(f"{picture.value}.png")
    drawn(Picture(picture), file, settings(), Options(resolution, country), as_of=as_of)
    out.print(str(file), markup=False, soft_wrap=True)
