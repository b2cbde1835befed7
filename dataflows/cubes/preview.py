"""A picture of an installation's chips: one true-colour image a date with its outline, above the curve of its NDVI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dataflows.cubes.chip.site import SiteChips, groups_with, site_chips
from dataflows.cubes.repository import store
from dataflows.cubes.repository.storage import CubeName
from dataflows.cubes.repository.store import AsOf
from db.errors import CubeError
from db.settings import Settings

TRUE_COLOUR = ("red", "green", "blue")
INDEX = "ndvi"
PER_ROW = 6
PANEL_INCHES = 2.1
DPI = 120

# Share of the pixels that may be darker than black, and brighter than white
CLIPPED_PCT = 2
OUTLINE = "#ffd400"
CURVE = "#1b7837"
NO_DATA_GREY = 0.75


@dataclass(frozen=True)
class Preview:
    """What was drawn.

    Attributes:
        file: the PNG.
        installation_id: of what.
        group: of the chips.
        dates: number of images.
    """

    file: Path
    installation_id: str
    group: str
    dates: int


def write_preview(
    lake: Settings, installation_id: str, file: Path, *, collection: str | None = None, as_of: AsOf | None = None
) -> Preview:
    """Draw an installation's chips into a PNG file, which appears when it is complete.

    Args:
        lake: settings.
        installation_id: the id, or its first characters.
        file: to write; its folder exists.
        collection: of which; the group with the most scenes of the installation when omitted.
        as_of: version of the chips.

    Raises:
        CubeNotFoundError: there are no chips of it.
        CubeError: the folder is missing, or the bands do not make a picture.
    """
    session = store.open_readonly(CubeName.CHIPS, as_of, lake=lake)
    path, name, _ = groups_with(session, installation_id, collection)[0]
    site = site_chips(session, path, name)
    if not file.parent.is_dir():
        raise CubeError(f"There is no folder {file.parent}.", remedy="Make it, or write elsewhere with -o.")
    part = file.with_name(f".{file.name}.{uuid4().hex}.part")
    try:
        FigureCanvasAgg(figure(site)).print_png(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return Preview(file, name, path, len(site.times))


def figure(site: SiteChips) -> Figure:
    """The strip of dates, and the curve where the bands allow it.

    Raises:
        CubeError: one of red, green and blue is missing, or there is no date.
    """
    if missing := [band for band in TRUE_COLOUR if band not in site.bands]:
        raise CubeError(
            f"{site.path} has no {' and no '.join(missing)}: no true colour.", remedy="Build chips with red, green and blue."
        )
    if len(site.times) == 0:
        raise CubeError(f"{site.path} has no scene of {site.installation_id!r}.", remedy="Build chips of other months.")
    columns = min(PER_ROW, len(site.times))
    rows = -(-len(site.times) // columns)
    drawing = Figure(
        figsize=(max(columns, 3) * PANEL_INCHES, (rows * 1.18 + 1.3) * PANEL_INCHES), layout="constrained", dpi=DPI
    )
    strip, below = drawing.subfigures(2, 1, height_ratios=(rows * 1.18, 1.3))
    panels = strip.subplots(rows, columns, squeeze=False).ravel()
    for panel, image, taken, share in zip(panels, true_colour(site), site.times, site.clear_share, strict=False):
        panel.imshow(image, interpolation="nearest")
        _outlined(panel, site.own)
        panel.set_title(f"{taken.astype('datetime64[D]')}\n{share:.0%} clear", fontsize=8)
    for panel in panels:
        panel.set_axis_off()
    collection, _, code = site.path.rpartition("/epsg-")
    edge_m = abs(site.transform[0]) * site.own.shape[1]
    strip.suptitle(f"{site.installation_id} · {collection} · EPSG:{code} · {edge_m:,.0f} m wide", fontsize=9)
    _curve(below.subplots(), site)
    return drawing


def true_colour(site: SiteChips) -> NDArray[np.float32]:
    """Images of red, green and blue from 0 to 1, shape (time, y, x, 3); all dates share one stretch, so that they compare.

    The stretch is that of the pixels that show the ground: a cloud would make the rest of its date, or of all dates, black.
    """
    colours = np.stack([site.values[:, site.bands.index(band)] for band in TRUE_COLOUR], axis=-1)
    shown = colours[site.usable & np.isfinite(colours).all(axis=-1)]
    if not len(shown):
        shown = colours[np.isfinite(colours).all(axis=-1)]
    low, high = np.percentile(shown, (CLIPPED_PCT, 100 - CLIPPED_PCT)) if len(shown) else (0.0, 1.0)
    stretched = np.clip((colours - low) / max(float(high - low), 1e-6), 0, 1)
    return np.where(np.isfinite(stretched), stretched, NO_DATA_GREY).astype(np.float32)


def _outlined(panel: Axes, own: NDArray[np.float32]) -> None:
    """The outline at half a pixel's cover; of what covers no pixel by half, at half of what it covers most."""
    level = min(0.5, float(own.max()) / 2)
    if level > 0:
        panel.contour(own, levels=[level], colors=OUTLINE, linewidths=0.9)


def _curve(axes: Axes, site: SiteChips) -> None:
    if not {"nir", "red"} <= set(site.bands):
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no near infrared: no NDVI", ha="center", va="center", fontsize=9)
        return
    found = site.index(INDEX)
    seen = np.isfinite(found.mean)
    times, mean, stdev = site.times[seen], found.mean[seen], found.stdev[seen]
    axes.fill_between(times, mean - stdev, mean + stdev, color=CURVE, alpha=0.18, linewidth=0)
    axes.plot(times, mean, color=CURVE, marker="o", markersize=4, linewidth=1.3)
    for taken in site.times[~seen]:
        axes.axvline(taken, color="0.6", linewidth=0.8, linestyle=":")
    axes.set_ylabel("NDVI, mean ± stdev", fontsize=8)
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    # Dates of which nothing of the site is clear keep their place on the axis
    margin = np.timedelta64(5, "D")
    axes.set_xlim(site.times.min() - margin, site.times.max() + margin)
