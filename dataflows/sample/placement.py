"""Where sites stand: scattered around towns, never nearer to one another than a clearance."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from dataflows.sample.region import HALF_EXTENT_M
from db.errors import SettingsError

CLEARANCE_M = 60.0
"""Least distance between two estates (a site alone, adjacent plants, the phases of one plant)."""

SPREAD_GROWTH = 1.25
MAX_ROUNDS = 200
MAX_FILL = 0.15
"""Share of the region beyond which random places are not found in reasonable time."""


def place(
    radius_m: NDArray[np.float64], anchor_m: NDArray[np.float64], spread_m: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Centres of disjoint discs, normally scattered around their anchors; what finds no room is scattered wider.

    Args:
        radius_m: n radii.
        anchor_m: (n, 2), the towns.
        spread_m: n standard deviations of the distance from the anchor along each axis.
        rng: the random stream.

    Returns:
        (n, 2) centres in ``LOCAL_CRS``, the squares around the discs at least ``CLEARANCE_M`` apart.

    Raises:
        SettingsError: the region is too small for them.
    """
    half_m = radius_m + CLEARANCE_M / 2
    if (fill := (half_m**2).sum() / HALF_EXTENT_M**2) > MAX_FILL:
        raise SettingsError(
            f"{len(radius_m)} estates would fill {fill:.0%} of the region; {MAX_FILL:.0%} is the most.",
            remedy="Generate fewer sites.",
        )
    centres = np.full((len(radius_m), 2), np.nan)
    # the largest first: they are the hardest to find room for
    pending = np.argsort(-radius_m, kind="stable")
    placed = np.array([], dtype=int)
    spread_m = spread_m.copy()
    for _ in range(MAX_ROUNDS):
        trial = anchor_m[pending] + rng.normal(size=(len(pending), 2)) * spread_m[pending, None]
        free = (np.abs(trial) + half_m[pending, None] <= HALF_EXTENT_M).all(axis=1)
        squares = _squares(trial, half_m[pending])
        free[shapely.STRtree(_squares(centres[placed], half_m[placed])).query(squares, predicate="intersects")[0]] = False
        one, other = shapely.STRtree(squares).query(squares, predicate="intersects")
        free[one[one > other]] = False
        centres[pending[free]] = trial[free]
        placed = np.concatenate([placed, pending[free]])
        pending = pending[~free]
        if not len(pending):
            return centres
        spread_m[pending] = np.minimum(spread_m[pending] * SPREAD_GROWTH, HALF_EXTENT_M)
    raise SettingsError(f"No room for {len(pending)} of {len(radius_m)} estates.", remedy="Generate fewer sites.")


def _squares(centres: NDArray[np.float64], half_m: NDArray[np.float64]) -> NDArray[np.object_]:
    x, y = centres.T
    return shapely.box(x - half_m, y - half_m, x + half_m, y + half_m)
