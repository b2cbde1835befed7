"""Maps: PV by H3 cell, and energy yield by site, on an equal-area projection that is centred on what is shown."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import h3
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from dataflows.publish import places
from dataflows.publish.charts import MAP, nothing
from db.errors import PublishError
from db.lake import has_table

# Hexagons whose edge is less than this share of the map's longer side are dust in a picture
LEAST_EDGE_SHARE = 1 / 90
INCHES = 9.0
MARGIN = 0.06

# Beyond, one azimuthal map would show places on the far side: the whole world is drawn instead
FAR_DEG = 80.0
WORLD = "+proj=eqearth +datum=WGS84"
BOUNDARY = "0.45"


@dataclass(frozen=True)
class Projection:
    """An equal-area projection.

    Attributes:
        crs: of pyproj.
        name: in words, for the picture.
    """

    crs: CRS
    name: str

    def project(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Longitude and latitude in degrees as kilometres; shape (n, 2) to (n, 2), what cannot be shown as NaN."""
        to = Transformer.from_crs("EPSG:4326", self.crs, always_xy=True)
        xy = np.stack(to.transform(coordinates[:, 0], coordinates[:, 1]), axis=1) / 1000
        return np.where(np.isfinite(xy), xy, np.nan)


def around(coordinates: NDArray[np.float64]) -> Projection:
    """A projection for places: Lambert's azimuthal one around their middle, or Equal Earth for the world.

    The middle is that of the places' directions from the centre of the earth, so that the antimeridian is no border.

    Args:
        coordinates: longitude and latitude in degrees, shape (n, 2).
    """
    lon, lat = np.radians(coordinates).T
    directions = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    x, y, z = middle = directions.mean(axis=0)
    length = float(np.linalg.norm(middle))
    farthest = 180.0 if length < 1e-6 else np.degrees(np.arccos(np.clip(directions @ middle / length, -1, 1))).max()
    if farthest > FAR_DEG:
        return Projection(CRS.from_proj4(WORLD), "Equal Earth")
    lon_0, lat_0 = np.degrees(np.arctan2(y, x)), np.degrees(np.arcsin(z / length))
    crs = CRS.from_proj4(f"+proj=laea +lon_0={lon_0:.4f} +lat_0={lat_0:.4f} +datum=WGS84")
    return Projection(crs, f"Lambert azimuthal equal-area around {lat_0:.1f}°, {lon_0:.1f}°")


def draw(figure: Figure, con: duckdb.DuckDBPyConnection, resolution: int | None) -> None:
    """Cells of ``curated.pv_h3``, coloured by their sites and by their capacity."""
    counts = places.resolutions(con)
    if not counts:
        raise nothing("curated.pv_h3 is missing or empty", "Run 'eopv build'.")
    if resolution is None:
        resolution = _visible(con, list(counts))
    elif resolution not in counts:
        raise PublishError(f"curated.pv_h3 has no resolution {resolution}.", remedy=f"It has {', '.join(map(str, counts))}.")
    cells = places.cells(con, resolution)
    rings, owner = places.outlines(cells.shapes)
    projection = around(np.concatenate(rings))
    hexagons = [projection.project(ring) for ring in rings]
    figure.set_size_inches(*_size(hexagons, panels=2))
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    kinds = (("n_installations", "Sites in a cell"), ("capacity_mw", "Capacity in a cell, MW (AC)"))
    for axes, (column, label) in zip(panels, kinds, strict=True):
        values = cells.table[column].to_numpy(zero_copy_only=False).astype(float)[owner]
        _hexagons(axes, hexagons, values, label)
        _boundaries(axes, con, projection)
        _frame(axes, hexagons)
    figure.suptitle(f"PV by H3 cell, resolution {resolution}", fontsize=11)
    figure.supxlabel(f"km, {projection.name}; colours are logarithmic, grey: none known", fontsize=7)


def _visible(con: duckdb.DuckDBPyConnection, resolutions: list[int]) -> int:
    """The finest resolution whose cells can be seen on a map of all of them."""
    rings, _ = places.outlines(places.cells(con, min(resolutions)).shapes)
    projection = around(np.concatenate(rings))
    west, east, south, north = _limits([projection.project(ring) for ring in rings])
    least_km = max(east - west, north - south) * LEAST_EDGE_SHARE
    return max(
        [res for res in resolutions if h3.average_hexagon_edge_length(res, unit="km") >= least_km], default=min(resolutions)
    )


def draw_yield(figure: Figure, con: duckdb.DuckDBPyConnection) -> None:
    """Annual specific yield of sites (``curated.pv_energy_yield``)."""
    if not has_table(con, "curated", "pv_energy_yield"):
        raise nothing("curated.pv_energy_yield has not been built", "Run 'eopv build'.")
    rows = con.execute(
        """
        SELECT s.centroid_lon_deg, s.centroid_lat_deg, y.specific_yield_kwh_kwp
        FROM lake.curated.pv_energy_yield AS y JOIN lake.curated.pv_installations AS s USING (installation_id)
        WHERE y.month IS NULL AND y.specific_yield_kwh_kwp IS NOT NULL AND s.centroid_lon_deg IS NOT NULL
        ORDER BY installation_id
        """
    ).fetchall()
    if not rows:
        raise nothing("no yield is known of any site", "Bring irradiance with 'eopv context ingest', and build.")
    found = np.array(rows, dtype=float)
    projection = around(found[:, :2])
    xy = projection.project(found[:, :2])
    figure.set_size_inches(*_size([xy], panels=1))
    axes = figure.subplots()
    _boundaries(axes, con, projection)
    dots = axes.scatter(xy[:, 0], xy[:, 1], c=found[:, 2], cmap=MAP, s=14, linewidths=0.3, edgecolors="white")
    figure.colorbar(dots, ax=axes, fraction=0.04, pad=0.02).set_label("Specific yield, kWh per kWp and year", fontsize=8)
    _frame(axes, [xy])
    axes.set_title(f"Annual yield of {len(found):,} sites", fontsize=11)
    figure.supxlabel(f"km, {projection.name}", fontsize=7)


def _hexagons(axes: Axes, hexagons: list[NDArray[np.float64]], values: NDArray[np.float64], label: str) -> None:
    known = values > 0
    unknown = PolyCollection([ring for ring, is_known in zip(hexagons, known, strict=True) if not is_known], facecolors="0.8")
    axes.add_collection(unknown)
    if not known.any():
        axes.set_title(f"{label}: none known", fontsize=9)
        return
    low, high = values[known].min(), values[known].max()
    drawn = PolyCollection(
        [ring for ring, is_known in zip(hexagons, known, strict=True) if is_known],
        array=values[known],
        cmap=MAP,
        norm=LogNorm(low, max(high, low * 1.01)),
        edgecolors="white",
        linewidths=0.2,
    )
    axes.add_collection(drawn)
    bar = axes.figure.colorbar(drawn, ax=axes, orientation="horizontal", fraction=0.05, pad=0.03)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    steps = [digit * 10.0**exponent for exponent in range(-4, 9) for digit in (1, 2, 5)]
    bar.set_ticks([step for step in steps if low <= step <= high], minor=False)
    bar.ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    bar.minorticks_off()


def _boundaries(axes: Axes, con: duckdb.DuckDBPyConnection, projection: Projection) -> None:
    lines = [projection.project(ring) for ring in places.boundaries(con)]
    axes.add_collection(LineCollection(lines, colors=BOUNDARY, linewidths=0.5), autolim=False)


def _limits(shapes: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """West, east, south, north with a margin, in kilometres; never narrower than 10 km."""
    points = np.concatenate(shapes)
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    margin = np.maximum((high - low) * MARGIN, 5.0)
    return np.stack([low - margin, high + margin], axis=1).ravel()


def _size(shapes: list[NDArray[np.float64]], panels: int) -> tuple[float, float]:
    west, east, south, north = _limits(shapes)
    shape = np.clip((north - south) / (east - west), 0.3, 2.0)
    width = INCHES * (0.8 if panels == 1 else 1.3)
    return width, width / panels * shape + 1.4


def _frame(axes: Axes, shapes: list[NDArray[np.float64]]) -> None:
    west, east, south, north = _limits(shapes)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)
    axes.set_facecolor("0.97")
