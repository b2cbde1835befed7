"""Areas → H3 cells that cover them: cells within, whose points need no geometry, and cells on the border, whose points do.

Within is what is proved so in the plane of longitude and latitude, where ``ST_Contains`` and GeoPandas decide: the area
contains the box around everything that can be filed under the cell (``cell_boxes``). H3's own containment modes prove nothing:
finer cells stick out of coarser ones, and the edges of cells are geodesics, those of areas straight lines in degrees.
Draw it with ``eopv dag area_cover -o dag.svg``.
"""

from __future__ import annotations

from typing import NamedTuple

import h3.api.basic_int as h3
import h3ronpy
import numpy as np
import pyarrow as pa
import shapely
from hamilton.function_modifiers import tag
from numpy.typing import NDArray

from dataflows.prepared.cell_boxes import cell_boxes
from dataflows.prepared.polygons import polygons_of


class Cells(NamedTuple):
    """Pairs of an area (its row) and a cell of one resolution."""

    area: NDArray[np.intp]
    cell: NDArray[np.uint64]
    is_interior: NDArray[np.bool_]


@tag(layer="prepared")
def polygons(areas: pa.Table) -> NDArray[np.object_]:
    """Geometries of the areas, prepared for many questions."""
    return polygons_of(areas)


@tag(layer="prepared")
def cells_by_resolution(polygons: NDArray[np.object_], coarsest_resolution: int, finest_resolution: int) -> dict[int, Cells]:
    """Of each resolution the cells that are within an area, and at the finest one those on its border too."""
    coarsest = [cell for base in h3.get_res0_cells() for cell in h3.cell_to_children(base, coarsest_resolution)]
    cell = np.array(coarsest, np.uint64)
    area, met = shapely.STRtree(cell_boxes(cell)).query(polygons)
    pairs = area, cell[met]
    found = {}
    for resolution in range(coarsest_resolution, finest_resolution + 1):
        cells = _meeting(polygons, *pairs)
        undecided = ~cells.is_interior
        if resolution == finest_resolution:
            found[resolution] = cells
        else:
            found[resolution] = Cells(*(column[cells.is_interior] for column in cells))
            pairs = _children(cells.area[undecided], cells.cell[undecided], resolution + 1)
    return found


@tag(layer="prepared")
def cover(areas: pa.Table, cells_by_resolution: dict[int, Cells]) -> pa.Table:
    """A row an area and cell: ``cell``, ``resolution``, ``area_id``, ``level``, ``is_interior``; ordered by the cell."""
    resolution = np.repeat(list(cells_by_resolution), [len(cells.cell) for cells in cells_by_resolution.values()])
    area, cell, is_interior = (np.concatenate(columns) for columns in zip(*cells_by_resolution.values(), strict=True))
    order = np.lexsort((area, cell))
    return pa.table(
        {
            "cell": cell[order],
            "resolution": resolution[order].astype(np.uint8),
            "area_id": areas["area_id"].take(pa.array(area[order])),
            "level": areas["level"].take(pa.array(area[order])),
            "is_interior": is_interior[order],
        }
    )


def _meeting(polygons: NDArray[np.object_], area: NDArray[np.intp], cell: NDArray[np.uint64]) -> Cells:
    """Those of the pairs whose cell has anything of the area, and whether it is within."""
    distinct, position = np.unique(cell, return_inverse=True)
    boxes = cell_boxes(distinct)
    meets = shapely.intersects(polygons[area], boxes[position])
    area, cell, position = area[meets], cell[meets], position[meets]
    return Cells(area, cell, shapely.contains_properly(polygons[area], boxes[position]))


def _children(area: NDArray[np.intp], cell: NDArray[np.uint64], resolution: int) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
    children = pa.array(h3ronpy.change_resolution_list(pa.array(cell), resolution))
    return np.repeat(area, np.diff(children.offsets)), children.flatten().to_numpy()
