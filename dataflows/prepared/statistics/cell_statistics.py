"""Cells of studied areas → whether PV clusters at all (Moran's I), and where (Getis and Ord's Gi*).

Draw it with ``eopv dag cell_statistics -o dag.svg``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from esda import Moran
from esda.getisord import G_Local
from hamilton.function_modifiers import tag
from numpy.typing import NDArray
from scipy import stats

from dataflows.prepared.statistics import schemas
from dataflows.prepared.statistics.studied_cells import StudiedCells, neighbour_graph, studied

ENVELOPE = (0.025, 0.975)
# Of large areas fewer permutations do: Moran's I of so many cells is normally distributed, so that z_score says it all
PERMUTED_VALUES = 5_000_000
LEAST_PERMUTATIONS = 99
# Windows of chance that those of an area are compared with: p-values down to 2e-5, two-sided
RANDOM_WINDOWS = 100_000
SHUFFLED_AT_ONCE = 1_000_000


@tag(layer="prepared")
def studies(study_cells: pa.Table) -> list[StudiedCells]:
    """Cells by area and resolution."""
    return studied(study_cells)


@tag(layer="prepared")
def global_moran(studies: list[StudiedCells]) -> pa.Table:
    """Moran's I of each area, resolution and measure, under row-standardised weights of touching cells.

    ``z_score`` and ``p_value`` (two-sided) are those of the randomisation assumption (Cliff and Ord 1981), ``p_simulated`` is
    the pseudo-p of esda, one-sided towards what was found.
    """
    rows = [row for study in studies for row in _moran(study)]
    return pa.Table.from_pylist(rows, schema=schemas.AREA_STATISTICS)


@tag(layer="prepared")
def hotspots(studies: list[StudiedCells]) -> pa.Table:
    """Gi* of each cell and measure (Ord and Getis 1995), with the false discovery rate held (Benjamini and Hochberg 1995).

    ``p_value`` (two-sided) is that of permutations: how often as many cells, drawn from all of the area, hold as much, or as
    little. Where most cells are empty, Gi* is far from normally distributed, and p-values of its z-score are far too small.
    """
    found = [table for study in studies for table in _hotspots(study)]
    return pa.concat_tables(found) if found else schemas.HOTSPOTS.empty_table()


def _moran(study: StudiedCells) -> Iterator[dict[str, Any]]:
    graph, connected = neighbour_graph(study.cells)
    for measure, values in study.varying_measures():
        if np.ptp(values[connected]) == 0:
            continue
        n = int(connected.sum())
        permutations = min(study.permutations, max(LEAST_PERMUTATIONS, PERMUTED_VALUES // n))
        with _seeded(study.seed):
            moran = Moran(values[connected], graph, permutations=permutations)
        low, high = np.quantile(moran.sim, ENVELOPE)
        yield {
            "statistic": "moran_i",
            "area": study.area,
            "measure": measure,
            "resolution": study.resolution,
            "value": float(moran.I),
            "expected": float(moran.EI),
            "z_score": float(moran.z_rand),
            "p_value": float(moran.p_rand),
            "p_simulated": float(moran.p_sim),
            "simulated_low": float(low),
            "simulated_high": float(high),
            "n": n,
            "n_simulations": permutations,
            "seed": study.seed,
        }


def _hotspots(study: StudiedCells) -> Iterator[pa.Table]:
    graph, connected = neighbour_graph(study.cells)
    n_neighbours = np.zeros(len(study.cells), np.int32)
    n_neighbours[connected] = graph.cardinalities.to_numpy()
    for measure, values in study.varying_measures():
        z, p, q = (np.full(len(values), np.nan) for _ in range(3))
        if np.ptp(values[connected]) > 0:
            # A cell whose neighbours are all the others has no variance
            with np.errstate(divide="ignore", invalid="ignore"):
                z[connected] = G_Local(values[connected], graph, transform="B", star=True, permutations=0).Zs
            z[~np.isfinite(z)] = np.nan
        known = ~np.isnan(z)
        if known.any():
            held = np.full(len(values), np.nan)
            held[connected] = values[connected] + graph.sparse @ values[connected]
            p[known] = _chances(held[known], n_neighbours[known] + 1, values[connected], study.seed)
            q[known] = stats.false_discovery_control(p[known], method="bh")
        yield pa.table(
            {
                "area": [study.area] * len(z),
                "measure": [measure] * len(z),
                "resolution": np.full(len(z), study.resolution, np.uint8),
                "cell": study.cells,
                "value": values,
                "n_neighbours": n_neighbours,
                "gi_star_z": _known(z),
                "p_value": _known(p),
                "q_value": _known(q),
                "class": _classes(z, q, study.false_discovery_rate),
            },
            schema=schemas.HOTSPOTS,
        )


def _chances(
    sums: NDArray[np.float64], sizes: NDArray[np.int32], values: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """How likely chance gives sums as far out.

    Args:
        sums: (n,), of windows.
        sizes: (n,), cells of each window.
        values: (m,), of all cells, which chance deals out anew: windows of a size then all have one distribution.
        seed: of the generator.

    Returns:
        (n,), two-sided, never 0: what was found counts as one of the permutations (Phipson and Smyth 2010).
    """
    random = np.random.default_rng(seed)
    # What was added up in another order is equal nevertheless
    least = 1e-9 * np.abs(values).max()
    of_size = {int(size): np.flatnonzero(sizes == size) for size in np.unique(sizes)}
    drawn = dict.fromkeys(of_size, 0)
    above, below = np.zeros((2, len(sums)))
    rows = max(1, SHUFFLED_AT_ONCE // len(values))
    while any(number < RANDOM_WINDOWS for number in drawn.values()):
        dealt = random.permuted(np.broadcast_to(values, (rows, len(values))), axis=1)
        for size, cells in of_size.items():
            windows = dealt[:, : len(values) // size * size].reshape(-1, size)[: RANDOM_WINDOWS - drawn[size]]
            simulated = np.sort(windows.sum(axis=1))
            above[cells] += len(simulated) - np.searchsorted(simulated, sums[cells] - least, side="left")
            below[cells] += np.searchsorted(simulated, sums[cells] + least, side="right")
            drawn[size] += len(simulated)
    return np.minimum(1, 2 * (1 + np.minimum(above, below)) / (1 + RANDOM_WINDOWS))


def _classes(z: NDArray[np.float64], q: NDArray[np.float64], rate: float) -> NDArray[np.str_]:
    significant = np.nan_to_num(q, nan=1) <= rate
    return np.where(significant, np.where(z > 0, "hot", "cold"), "none")


def _known(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """For a while, NumPy's global generator, which esda permutes with, starts from a seed."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
