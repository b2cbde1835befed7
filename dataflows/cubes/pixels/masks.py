"""Covered fraction of pixels: how much of each pixel of a chip is panel field, exact to the polygon (exactextract).

Two masks are made of a chip. The own one is the installation's share, which statistics are weighted with. The joint one is that
of every installation of the lake within the chip: a neighbour is no background to a segmentation model. Outlines that overlap
are united first, so that no pixel is covered more than once.

Every outline is rasterised once, however many chips show it; chips take their pixels from the sorted list of covered cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyproj
import shapely
from exactextract import exact_extract
from exactextract.feature import JSONFeature, JSONFeatureSource
from exactextract.raster import NumPyRasterSource
from exactextract.writer import Writer
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dataflows.cubes.pixels.windows import Lattice


class _Cells(Writer):
    """Keeps the cells of each feature and their coverage as arrays; exactextract's own writers turn them into lists."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []

    def add_operation(self, operation: object) -> None:
        """Called by exactextract for each operation; the two are known."""

    def write(self, feature: object) -> None:
        """Called by exactextract for each feature, in order."""
        row = JSONFeature()
        feature.copy_to(row)  # type: ignore[attr-defined]
        properties = row.feature["properties"]
        self.cells.append((properties["cell_id"], properties["coverage"]))

    def features(self) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """What exactextract returns."""
        return self.cells


@dataclass(frozen=True)
class Cells:
    """Pixels of a lattice that something covers, and how much of each; arrays have shape (cells,).

    Attributes:
        row: southwards from the lattice's origin.
        column: eastwards from the lattice's origin.
        fraction: 0 to 1.
        shape: index of what covers it.
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    fraction: NDArray[np.float64]
    shape: NDArray[np.int64]


def extents(top: NDArray[np.float64], left: NDArray[np.float64], lattice: Lattice, size: int) -> NDArray[np.object_]:
    """Windows as boxes in the lattice's CRS, shape (windows,)."""
    height, width = lattice.resolution
    return shapely.box(left, top - size * height, left + size * width, top)


def covered_cells(shapes: NDArray[np.object_], lattice: Lattice) -> Cells:
    """The pixels that each shape covers.

    Args:
        shapes: valid polygons in the lattice's CRS, shape (n,).
        lattice: pixel lattice.
    """
    some = np.flatnonzero(shapely.area(shapes) > 0)
    if len(some) == 0:
        nothing = np.empty(0, np.int64)
        return Cells(nothing, nothing, nothing.astype(np.float64), nothing)
    height, width = lattice.resolution
    west, south, east, north = shapely.total_bounds(shapes[some])
    first_row, last_row = (int(np.floor((lattice.origin[0] - y) / height)) for y in (north, south))
    first_column, last_column = (int(np.floor((x - lattice.origin[1]) / width)) for x in (west, east))
    rows, columns = last_row - first_row + 2, last_column - first_column + 2
    # One raster without content around all shapes, a pixel more on each side: exactextract asks it for nothing but its grid
    left, top = lattice.origin[1] + (first_column - 1) * width, lattice.origin[0] - (first_row - 1) * height
    rows, columns = rows + 1, columns + 1
    crs = pyproj.CRS.from_epsg(lattice.epsg).to_wkt()
    zeros = np.broadcast_to(np.uint8(0), (rows, columns))
    raster = NumPyRasterSource(zeros, left, top - rows * height, left + columns * width, top, srs_wkt=crs)
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)} for shape in shapes[some]]
    found = exact_extract(raster, JSONFeatureSource(features, srs_wkt=crs), ["cell_id", "coverage"], output=_Cells())
    row, column = np.divmod(np.concatenate([np.asarray(cells, np.int64) for cells, _ in found]), columns)
    return Cells(
        row + first_row - 1,
        column + first_column - 1,
        np.concatenate([np.asarray(covered) for _, covered in found]),
        np.repeat(some, [len(cells) for cells, _ in found]),
    )


def _window_cells(
    cells: Cells, top: NDArray[np.float64], left: NDArray[np.float64], lattice: Lattice, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For every covered pixel of every window: its place in an array (windows, size, size), and the index of the cell."""
    height, width = lattice.resolution
    first_row = np.rint((lattice.origin[0] - top) / height).astype(np.int64)
    first_column = np.rint((left - lattice.origin[1]) / width).astype(np.int64)
    # Rows and columns of a UTM zone at 1 cm fit into 31 bits each
    key = (cells.row << 32) + cells.column
    order = np.argsort(key, kind="stable")
    key = key[order]
    begins = ((first_row[:, None] + np.arange(size)) << 32) + first_column[:, None]
    low, high = np.searchsorted(key, begins.ravel()), np.searchsorted(key, (begins + size).ravel())
    count = high - low
    line = np.repeat(np.arange(len(count)), count)
    at = np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count) + low[line]
    place = line * size + (key[at] - begins.ravel()[line])
    return place, order[at]


def masks(
    own: NDArray[np.int64],
    shapes: NDArray[np.object_],
    top: NDArray[np.float64],
    left: NDArray[np.float64],
    lattice: Lattice,
    size: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The share of each pixel of a window that its own shape covers, and that all shapes cover together.

    Args:
        own: for each window the index of its own shape, -1 for none; shape (n,).
        shapes: valid polygons in the lattice's CRS; those of the windows and those around them. Shape (m,).
        top: northern edges in metres, on the lattice; shape (n,).
        left: western edges in metres, on the lattice; shape (n,).
        lattice: pixel lattice of the windows.
        size: pixels along an edge of a window.

    Returns:
        Two arrays of 0 to 1, shape (n, size, size); rows go south.
    """
    boxes = extents(top, left, lattice, size)
    box, met = shapely.STRtree(shapes).query(boxes, predicate="intersects")
    here, number = np.unique(met, return_inverse=True)
    clipped = _clipped(shapes[here], boxes, box, number)
    cells = covered_cells(clipped, lattice)

    alone = np.zeros((len(top), size * size), np.float32)
    of_window = np.searchsorted(here, own)
    of_window[(own < 0) | (of_window == len(here))] = -1
    of_window[of_window >= 0] = np.where(here[of_window[of_window >= 0]] == own[of_window >= 0], of_window[of_window >= 0], -1)
    place, cell = _window_cells(cells, top, left, lattice, size)
    owned = cells.shape[cell] == of_window[place // (size * size)]
    alone.reshape(-1)[place[owned]] = cells.fraction[cell[owned]]

    label, joined = _overlapping(clipped)
    united = [shapely.union_all(clipped[label == each]) for each in np.unique(label[joined])]
    together = np.zeros(len(top) * size * size)
    single = ~joined[cells.shape[cell]]
    np.add.at(together, place[single], cells.fraction[cell[single]])
    if united:
        whole = covered_cells(np.array([*united, None], np.object_)[:-1], lattice)
        place, cell = _window_cells(whole, top, left, lattice, size)
        np.add.at(together, place, whole.fraction[cell])
    joint = np.clip(together, 0, 1).astype(np.float32).reshape(-1, size, size)
    return np.clip(alone, 0, 1).reshape(-1, size, size), joint


def _clipped(
    shapes: NDArray[np.object_], boxes: NDArray[np.object_], box: NDArray[np.int64], shape: NDArray[np.int64]
) -> NDArray[np.object_]:
    """Shapes without what lies outside the windows that meet them: a plant of many chips may be a small part of this batch."""
    west, south, east, north = shapely.bounds(boxes[box]).reshape(-1, 4).T
    limits = np.stack([np.full(len(shapes), fill) for fill in (np.inf, np.inf, -np.inf, -np.inf)])
    np.minimum.at(limits[0], shape, west)
    np.minimum.at(limits[1], shape, south)
    np.maximum.at(limits[2], shape, east)
    np.maximum.at(limits[3], shape, north)
    outside = np.flatnonzero(~shapely.covers(shapely.box(*limits), shapes)) if len(shapes) else []
    clipped = shapes.copy()
    for index in outside:
        # GEOS clips to a rectangle much faster than it intersects
        clipped[index] = shapely.clip_by_rect(shapes[index], *limits[:, index])
    return clipped


def _overlapping(shapes: NDArray[np.object_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A label that shapes share which overlap, directly or not, and whether a shape overlaps any other."""
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    links = coo_array((np.ones(len(one), np.bool_), (one, other)), shape=(len(shapes), len(shapes)))
    label = connected_components(links, directed=False)[1].astype(np.int64)
    return label, np.bincount(label, minlength=1)[label] > 1
