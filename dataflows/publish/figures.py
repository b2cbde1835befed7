"""Pictures of what is in the lake, drawn without a screen, the same bytes from the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import duckdb
import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from dataflows.publish import charts, density
from dataflows.publish.files import written_whole
from dataflows.publish.sidecar import snapshot
from db import connect
from db.connection import AsOf
from db.errors import PublishError
from db.query import refused
from db.settings import Settings

DPI = 150

# Ids in an SVG come from this and from what is drawn, not from chance
SVG_SALT = "eopv"
SVG_STYLE = {"svg.hashsalt": SVG_SALT, "svg.fonttype": "path"}


class Picture(StrEnum):
    """What can be drawn."""

    PV_H3 = "pv_h3"
    GROWTH = "growth"
    COVERAGE = "coverage"
    OVERLAP = "overlap"
    CAPACITY = "capacity"
    YIELD = "yield"


@dataclass(frozen=True)
class Options:
    """What may be chosen.

    Attributes:
        resolution: of the H3 cells; the finest with at most some thousand cells when omitted.
        country: ISO 3166-1 alpha-3 code, for growth; the world when omitted.
    """

    resolution: int | None = None
    country: str | None = None


Draw = Callable[[Figure, duckdb.DuckDBPyConnection, Options], None]

_DRAWN: dict[Picture, Draw] = {
    Picture.PV_H3: lambda figure, con, options: density.draw(figure, con, options.resolution),
    Picture.GROWTH: lambda figure, con, options: charts.growth(figure, con, options.country),
    Picture.COVERAGE: lambda figure, con, _: charts.coverage(figure, con),
    Picture.OVERLAP: lambda figure, con, _: charts.overlap(figure, con),
    Picture.CAPACITY: lambda figure, con, _: charts.capacity(figure, con),
    Picture.YIELD: lambda figure, con, _: density.draw_yield(figure, con),
}


def plot(picture: Picture, file: Path, lake: Settings, options: Options | None = None, *, as_of: AsOf | None = None) -> Path:
    """Draw a picture into a PNG or SVG file, by its suffix.

    Raises:
        PublishError: the suffix is another one, the folder is missing, or the lake has nothing to draw.
    """
    suffix = file.suffix.lower()
    if suffix not in (".png", ".svg"):
        raise PublishError(f"{file} is neither .png nor .svg.", remedy="Name such a file with -o.")
    figure = Figure(layout="constrained", dpi=DPI)
    with connect(read_only=True, as_of=as_of, lake=lake) as con, mpl.rc_context(SVG_STYLE):
        try:
            _DRAWN[picture](figure, con, options or Options())
        except duckdb.CatalogException as error:
            raise refused(error) from error
        figure.text(
            0.995, 0.003, f"EO-PV lakehouse, snapshot {snapshot(con)['id']}", ha="right", va="bottom", fontsize=6, color="0.35"
        )
        with written_whole(file, suffix) as part:
            if suffix == ".png":
                FigureCanvasAgg(figure).print_png(part)
            else:
                FigureCanvasSVG(figure).print_svg(part, metadata={"Date": None})
    return file
