"""Training, validation and test parts whose places lie apart: whole H3 cells go to one part.

Neighbouring sites look alike and share pixels; parts drawn site by site would test a model on what it was trained on (Roberts
et al. 2017, Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic structure, Ecography
40(8), https://doi.org/10.1111/ecog.02881).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from types import MappingProxyType

import h3.api.basic_int as h3
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from db.errors import CubeError

FRACTIONS: Mapping[str, float] = MappingProxyType({"train": 0.7, "val": 0.15, "test": 0.15})

# Cells of 253 km² on average: https://h3geo.org/docs/core-library/restable
RESOLUTION = 5

# Mean radius R1 of GRS 80: Moritz 2000, Geodetic Reference System 1980, https://doi.org/10.1007/s001900050278
EARTH_RADIUS_M = 6_371_008.8

_DRAW_BITS = 53


def blocks(cells: NDArray[np.uint64], resolution: int = RESOLUTION) -> NDArray[np.uint64]:
    """The coarser H3 cells that cells belong to.

    Args:
        cells: H3 cells of one or several resolutions, any shape.
        resolution: of the result.

    Returns:
        Same shape.

    Raises:
        CubeError: a number is no H3 cell, or its cell is coarser than what is asked for.
    """
    distinct, place = np.unique(cells, return_inverse=True)
    parents = np.empty(len(distinct), np.uint64)
    for index, cell in enumerate(distinct.tolist()):
        if not h3.is_valid_cell(cell) or not 0 <= resolution <= h3.get_resolution(cell):
            raise CubeError(
                f"{cell} is no H3 cell that lies in one of resolution {resolution}.",
                remedy="Give cells of the chips' own resolution (8) or coarser ones.",
            )
        parents[index] = h3.cell_to_parent(cell, resolution)
    return parents[place].reshape(np.shape(cells))


def draws(blocks: NDArray[np.uint64], seed: int = 0) -> NDArray[np.float64]:
    """A number in [0, 1) for every block, by its cell and the seed alone (BLAKE2b); on every machine the same.

    Args:
        blocks: shape (n,).
        seed: another one gives other numbers.
    """
    distinct, place = np.unique(blocks, return_inverse=True)
    key = seed.to_bytes(16, "little", signed=True)
    hashes = [hashlib.blake2b(cell.to_bytes(8, "little"), digest_size=8, key=key).digest() for cell in distinct.tolist()]
    whole = np.frombuffer(b"".join(hashes), "<u8") >> np.uint64(64 - _DRAW_BITS)
    return np.ldexp(whole.astype(np.float64), -_DRAW_BITS)[place]


def assigned(
    blocks: NDArray[np.uint64], fractions: Mapping[str, float] = FRACTIONS, *, seed: int = 0, balanced: bool = False
) -> NDArray[np.int64]:
    """The part of every sample; samples of one block are in one part.

    Args:
        blocks: H3 cell of every sample, shape (n,).
        fractions: name and share of every part, in order; they add up to 1.
        seed: another one gives another division.
        balanced: by default a block's part follows from its cell and the seed alone, so that it stays where it is when others
            come or go; shares are then near the asked ones where there are many blocks. Balanced, blocks are dealt in the order
            of their draws by their number of samples: no share is off by more than the share of the largest block, but new
            samples may move blocks from one part to another.

    Returns:
        Index into ``fractions``, shape (n,).

    Raises:
        CubeError: the fractions are none.
    """
    shares = _checked(fractions)
    drawn = draws(blocks, seed)
    if balanced and len(blocks):
        distinct, place, sizes = np.unique(blocks, return_inverse=True, return_counts=True)
        order = np.lexsort((distinct, draws(distinct, seed)))
        ends = np.cumsum(sizes[order])
        middles = np.empty(len(distinct))
        middles[order] = (ends - sizes[order] / 2) / len(blocks)
        drawn = middles[place]
    bounds = np.cumsum(shares)
    # The sum may be a rounding error below 1
    return np.minimum(np.searchsorted(bounds, drawn, side="right"), int(np.flatnonzero(shares)[-1]))


def within_reach(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], part: NDArray[np.int64], reach_m: float
) -> NDArray[np.bool_]:
    """Samples that are nearer than a distance to one of a later part.

    Args:
        longitude: degrees (EPSG:4326), shape (n,).
        latitude: the same.
        part: of every sample, shape (n,).
        reach_m: metres; made 1 % longer, as the Earth is taken for a sphere.

    Returns:
        Shape (n,); the last part has none.
    """
    lon, lat = np.radians(longitude), np.radians(latitude)
    # Straight through the Earth: nearer than along its surface, by less than a millimetre at the size of a chip
    places = EARTH_RADIUS_M * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    found = np.zeros(len(part), np.bool_)
    for number in np.unique(part)[:-1]:
        own = part == number
        nearest, _ = KDTree(places[part > number]).query(places[own], distance_upper_bound=reach_m * 1.01)
        found[own] = np.isfinite(nearest)
    return found


def _checked(fractions: Mapping[str, float]) -> NDArray[np.float64]:
    shares = np.array(list(fractions.values()), np.float64)
    if (
        not len(shares)
        or not np.isfinite(shares).all()
        or (shares < 0).any()
        or not math.isclose(shares.sum(), 1, abs_tol=1e-9)
    ):
        raise CubeError(
            f"The fractions {dict(fractions)} are not shares of 1.",
            remedy="Give names and shares that add up to 1, such as {'train': 0.7, 'val': 0.15, 'test': 0.15}.",
        )
    return shares
