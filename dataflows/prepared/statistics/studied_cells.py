"""H3 cells of a studied area, their measures and which of them touch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import h3ronpy
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from libpysal.graph import Graph
from numpy.typing import NDArray


@dataclass(frozen=True)
class StudiedCells:
    """The cells of an area at one resolution, in ascending order.

    Attributes:
        area: its name.
        resolution: of the cells.
        cells: H3 cells, shape (n,), dtype uint64.
        measures: by name, values of the cells, shape (n,).
        permutations: of Moran's I.
        seed: of these.
        false_discovery_rate: among hot and cold spots.
    """

    area: str
    resolution: int
    cells: NDArray[np.uint64]
    measures: dict[str, NDArray[np.float64]]
    permutations: int
    seed: int
    false_discovery_rate: float

    def varying_measures(self) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Measures that are not the same in every cell: of the others, no statistic is defined."""
        for name, values in self.measures.items():
            if np.ptp(values) > 0:
                yield name, values


def studied(table: pa.Table) -> list[StudiedCells]:
    """Rows of ``prep_study_cells`` → one object an area and resolution, in the order of both."""
    table = table.sort_by([("area", "ascending"), ("resolution", "ascending"), ("cell", "ascending")])
    groups = table.group_by(["area", "resolution"], use_threads=False).aggregate([("cell", "count")])
    studies, first = [], 0
    for group in groups.to_pylist():
        rows = table.slice(first, group["cell_count"])
        first += group["cell_count"]
        size = rows["cell_area_km2"].to_numpy()
        settings = {name: rows[name][0].as_py() for name in ("permutations", "seed", "false_discovery_rate")}
        measures = {
            "n_installations_per_km2": pc.cast(rows["n_installations"], pa.float64()).to_numpy() / size,
            "capacity_mw_per_km2": rows["capacity_mw"].to_numpy() / size,
        }
        cells = rows["cell"].to_numpy().astype(np.uint64)
        studies.append(StudiedCells(group["area"], group["resolution"], cells, measures, **settings))
    return studies


def touching(cells: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of each two cells that share an edge, in both orders.

    Args:
        cells: H3 cells of one resolution, ascending, each once, shape (n,).

    Returns:
        Positions of the one and of the other, shape (pairs,) each; ordered by both.
    """
    disks = pa.array(h3ronpy.grid_disk(pa.array(cells), 1)).cast(pa.list_(pa.uint64()))
    of = np.repeat(np.arange(len(cells)), np.diff(disks.offsets.to_numpy()))
    others = disks.flatten().to_numpy()
    position = np.minimum(np.searchsorted(cells, others), max(len(cells) - 1, 0))
    among = (cells[position] == others) & (position != of)
    order = np.lexsort((position[among], of[among]))
    return of[among][order], position[among][order]


def neighbour_graph(cells: NDArray[np.uint64]) -> tuple[Graph, NDArray[np.bool_]]:
    """Binary weights of the cells that have a neighbour, and which ones these are.

    A cell alone, on an islet, can neither agree nor disagree with neighbours; zeros in its stead would be data that nobody has.

    Args:
        cells: as for :func:`touching`.

    Returns:
        A graph of the connected cells, in order; a mask of them, shape (n,).
    """
    of, others = touching(cells)
    connected = np.zeros(len(cells), np.bool_)
    connected[of] = True
    number = np.cumsum(connected) - 1
    return Graph.from_arrays(number[of], number[others], np.ones(len(of))), connected
