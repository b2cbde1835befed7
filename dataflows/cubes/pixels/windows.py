"""Which square windows of a scene's grid show an installation.

The rule:

1. An installation that fits has one window, whose pixel (size // 2, size // 2) holds the centroid of its outline.
2. One that does not fit around its centroid is tiled: windows side by side without overlap, as few as cover its bounding box,
   centred on that box; those that its outline does not meet are left out. They are numbered by rows from the north-west.

Windows lie on whole pixels of the grid, and may reach beyond the edge of a scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from dataflows.cubes.rasters.grid import TOLERANCE_PX, Grid
from db.errors import CubeError

DEFAULT_SIZE = 128


@dataclass(frozen=True)
class Lattice:
    """The pixel lattice of a grid without its extent: scenes on one lattice share their pixels.

    Attributes:
        epsg: code of the CRS.
        resolution: height and width of a pixel in metres.
        origin: y and x of a pixel corner, the one nearest to (0, 0) from above, in metres: 0 ≤ origin < resolution.
    """

    epsg: int
    resolution: tuple[float, float]
    origin: tuple[float, float]

    @classmethod
    def of(cls, grid: Grid) -> Self:
        """The lattice that a north-up grid is a part of.

        Raises:
            CubeError: the grid is rotated.
        """
        if not grid.is_north_up:
            raise CubeError(
                f"The grid {tuple(grid.transform[:6])} is rotated; chips are cut from north-up grids.",
                remedy="Read this collection through open_region, which warps.",
            )
        resolution = grid.resolution
        corner = (grid.transform.f, grid.transform.c)
        return cls(grid.epsg, resolution, tuple(map(_phase, corner, resolution)))

    def transform(self, top: float, left: float) -> Affine:
        """Affine of a window by its north-west corner in metres."""
        height, width = self.resolution
        return Affine(width, 0.0, float(left), 0.0, -height, float(top))


def _phase(corner: float, resolution: float) -> float:
    phase = corner % resolution
    # A corner a rounding error below a multiple of the resolution is that multiple
    return 0.0 if min(phase, resolution - phase) <= TOLERANCE_PX * resolution else round(phase, 9)


@dataclass(frozen=True)
class Windows:
    """Windows of several installations on one lattice; all arrays have shape (windows,).

    Attributes:
        site: index of the installation.
        number: index of the window within its installation, from 0.
        top: northern edge in metres.
        left: western edge in metres.
    """

    site: NDArray[np.int64]
    number: NDArray[np.int16]
    top: NDArray[np.float64]
    left: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.site)


def windows(outlines: NDArray[np.object_], lattice: Lattice, size: int = DEFAULT_SIZE) -> Windows:
    """The windows of installations, in the order of the installations.

    Args:
        outlines: polygons in the lattice's CRS, shape (n,); empty ones get no window.
        lattice: pixel lattice that the windows lie on.
        size: pixels along an edge.

    Returns:
        At least one window for each outline that is not empty.
    """
    height, width = lattice.resolution
    y0, x0 = lattice.origin
    there = np.flatnonzero(~shapely.is_empty(outlines))
    shapes = outlines[there]
    x, y = shapely.get_coordinates(shapely.centroid(shapes)).reshape(-1, 2).T
    west, south, east, north = shapely.bounds(shapes).reshape(-1, 4).T
    # In pixels of the lattice: columns count eastwards, rows southwards
    left = np.floor((x - x0) / width) - size // 2
    top = np.floor((y0 - y) / height) - size // 2
    first_column, last_column = (west - x0) / width, (east - x0) / width
    first_row, last_row = (y0 - north) / height, (y0 - south) / height
    fits = (left <= first_column) & (last_column <= left + size) & (top <= first_row) & (last_row <= top + size)
    tiled = [
        _tiling(shapes[index], lattice, size, (first_row[index], last_row[index]), (first_column[index], last_column[index]))
        for index in np.flatnonzero(~fits)
    ]
    counts = np.ones(len(there), np.int64)
    counts[~fits] = [len(corners) for corners in tiled]
    site = np.repeat(np.arange(len(there)), counts)
    number = np.arange(len(site)) - np.repeat(np.cumsum(counts) - counts, counts)
    corners = np.stack([top, left], axis=1)[site]
    if tiled:
        corners[~fits[site]] = np.concatenate(tiled)
    return Windows(there[site], number.astype(np.int16), y0 - corners[:, 0] * height, x0 + corners[:, 1] * width)


def _tiling(
    shape: shapely.Geometry, lattice: Lattice, size: int, rows: tuple[float, float], columns: tuple[float, float]
) -> NDArray[np.float64]:
    """Rows and columns of the first pixels of the windows that tile one outline, shape (windows, 2)."""
    height, width = lattice.resolution
    y0, x0 = lattice.origin
    starts = [_starts(*extent, size) for extent in (rows, columns)]
    corners = np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, 2)
    shapely.prepare(shape)
    north, west = y0 - corners[:, 0] * height, x0 + corners[:, 1] * width
    inside = shapely.box(west, north - size * height, west + size * width, north)
    # Sharing a mere edge is no reason for a window
    return corners[shapely.intersects(shape, inside) & ~shapely.touches(shape, inside)]


def _starts(first: float, last: float, size: int) -> NDArray[np.float64]:
    """First pixels of the fewest windows that cover an extent, which they are centred on as far as whole pixels allow."""
    first, last = np.floor(first), np.ceil(last)
    n = max(1, int(np.ceil((last - first) / size)))
    return np.floor((first + last - n * size) / 2) + size * np.arange(n)
