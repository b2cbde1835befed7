"""One way to compute one statistic, measured in a process of its own: WAY SIZE OUTPUT.

Cells are a disk of H3 cells around a place in Germany with random counts; points are a random pattern in the plane. Each way
begins with these in memory, and builds its weights itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h3.api.basic_int as h3
import numpy as np
import pandas as pd
import pointpats
import pyarrow as pa
import shapely
from esda import Moran
from esda.getisord import G_Local
from libpysal.graph import Graph
from numpy.typing import NDArray

from benchmarks.measuring import measure
from dataflows.prepared.statistics import cell_statistics, point_patterns
from dataflows.prepared.statistics.point_patterns import PointPattern
from dataflows.run import build_driver

CENTRE = h3.latlng_to_cell(51.0, 10.0, 5)
PERMUTATIONS = 99
SEED = 20_261_128
SIDE_M, FARTHEST_M = 500_000.0, 100_000.0

OUR_CELLS, ESDA = "ours: Moran, Gi*", "esda: Moran, Gi*"
OUR_POINTS, POINTPATS = "ours: Ripley's K", "pointpats: Ripley's K"


def disk(size: int) -> list[int]:
    """Cells of the least disk with ``size`` cells, ascending."""
    radius = int(np.ceil((np.sqrt(12 * size - 3) - 3) / 6))
    return sorted(h3.grid_disk(CENTRE, radius))


def counts(n: int) -> NDArray[np.int64]:
    """Sites of each cell: few have many."""
    return np.random.default_rng(SEED).negative_binomial(0.5, 0.1, n)


def study(cells: list[int], sites: NDArray[np.int64], *, area: str = "DEU", rate: float = 0.05) -> pa.Table:
    """Rows of ``prep_study_cells``, one measure that varies; cells of 1 km²."""
    n = len(cells)
    return pa.table(
        {
            "area": [area] * n,
            "resolution": np.full(n, 5, np.uint8),
            "cell": np.array(cells, np.uint64),
            "n_installations": sites.astype(np.int64),
            "capacity_mw": np.zeros(n),
            "cell_area_km2": np.ones(n),
            "permutations": np.full(n, PERMUTATIONS, np.int32),
            "seed": np.full(n, 1, np.int32),
            "false_discovery_rate": np.full(n, rate),
        }
    )


def points(n: int) -> NDArray[np.float64]:
    """Places in a square, in metres."""
    return np.random.default_rng(SEED).uniform(0, SIDE_M, (n, 2))


def distances() -> NDArray[np.float64]:
    """For which K is wanted, metres."""
    return np.linspace(0, FARTHEST_M, point_patterns.N_DISTANCES + 1)[1:]


def our_cells(size: int) -> dict[str, NDArray[np.float64]]:
    """Our dataflow."""
    cells = disk(size)
    table = study(cells, counts(len(cells)))
    made = build_driver(cell_statistics).execute(["global_moran", "hotspots"], inputs={"study_cells": table})
    (moran,) = made["global_moran"].to_pylist()
    return {"moran": np.array([moran["value"], moran["z_score"]]), "gi_star": made["hotspots"]["gi_star_z"].to_numpy()}


def esda(size: int) -> dict[str, NDArray[np.float64]]:
    """esda, neighbours by the h3 package."""
    cells = disk(size)
    position = {cell: number for number, cell in enumerate(cells)}
    pairs = [
        (number, position[other]) for cell, number in position.items() for other in h3.grid_ring(cell, 1) if other in position
    ]
    of, others = np.array(pairs).T
    graph = Graph.from_adjacency(pd.DataFrame({"focal": of, "neighbor": others, "weight": 1.0}))
    values = counts(len(cells)).astype(float)
    moran = Moran(values, graph, permutations=PERMUTATIONS)
    return {
        "moran": np.array([moran.I, moran.z_rand]),
        "gi_star": G_Local(values, graph, transform="B", star=True, permutations=0).Zs,
    }


def our_points(size: int) -> dict[str, NDArray[np.float64]]:
    """Our dataflow; the window is the points' bounding box, as in pointpats."""
    places = points(size)
    pattern = PointPattern(
        "made", shapely.box(*places.min(axis=0), *places.max(axis=0)), places, distances(), PERMUTATIONS, SEED
    )
    made = build_driver(point_patterns).execute(["observed_k", "simulated_k"], overrides={"chosen_pattern": pattern})
    return {"k": made["observed_k"], "k_simulated": made["simulated_k"].mean(axis=0)}


def by_pointpats(size: int) -> dict[str, NDArray[np.float64]]:
    """The test of pointpats: K of the points and of as many random patterns in their bounding box."""
    np.random.seed(SEED)
    found = pointpats.k_test(points(size), support=distances(), n_simulations=PERMUTATIONS, keep_simulations=True)
    # It divides by n², which is biased
    return {"k": found.statistic * size / (size - 1), "k_simulated": found.simulations.mean(axis=0) * size / (size - 1)}


WAYS: dict[str, Callable[[int], dict[str, NDArray[np.float64]]]] = {
    OUR_CELLS: our_cells,
    ESDA: esda,
    OUR_POINTS: our_points,
    POINTPATS: by_pointpats,
}


def main() -> None:
    way, size, output = sys.argv[1:]
    found: dict[str, NDArray[np.float64]] = {}

    def computed() -> dict[str, Any]:
        found.update(WAYS[way](int(size)))
        return {}

    def kept() -> dict[str, Any]:
        np.savez(Path(output), **found)
        return {"n": max(len(values) for values in found.values())}

    measure(computed, kept)


if __name__ == "__main__":
    main()
