"""The pixels of a grid that polygons cover, and how much of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataflows.cubes.pixels.masks import Cells, covered_cells
from dataflows.cubes.pixels.windows import Lattice
from dataflows.cubes.rasters.grid import Grid


def cells_in(grid: Grid, polygons: NDArray[np.object_]) -> Cells:
    """Covered pixels, by row and column of the grid; what lies outside of it is left out.

    Args:
        grid: north-up.
        polygons: valid ones in the grid's CRS, shape (n,).

    Raises:
        CubeError: the grid is rotated.
    """
    lattice = Lattice.of(grid)
    cells = covered_cells(polygons, lattice)
    height, width = lattice.resolution
    row = cells.row + round((grid.transform.f - lattice.origin[0]) / height)
    column = cells.column + round((lattice.origin[1] - grid.transform.c) / width)
    inside = (row >= 0) & (row < grid.shape[0]) & (column >= 0) & (column < grid.shape[1])
    return Cells(row[inside], column[inside], cells.fraction[inside], cells.shape[inside])
