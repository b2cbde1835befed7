"""Parts for training and testing: whole cells, stable, near the asked shares."""

from __future__ import annotations

import h3.api.basic_int as h3
import h3ronpy
import numpy as np
import pyarrow as pa
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.cubes.samples.splits import FRACTIONS, assigned, blocks, draws, within_reach
from db.errors import CubeError

CELLS = np.array(h3.grid_disk(h3.latlng_to_cell(48.1, 11.6, 8), 60), np.uint64)
HOME = h3.latlng_to_cell(48.1, 11.6, 5)
MANY = np.array(h3.grid_disk(HOME, 50), np.uint64)

choices = st.lists(st.integers(0, len(CELLS) - 1), min_size=1, max_size=300)
fractions = st.lists(st.floats(0.01, 1), min_size=1, max_size=5).map(
    lambda shares: {f"part{number}": share / sum(shares) for number, share in enumerate(shares)}
)


def test_blocks_are_the_parents_that_h3ronpy_finds():
    expected = np.asarray(pa.array(h3ronpy.change_resolution(pa.array(CELLS, pa.uint64()), 6)))
    np.testing.assert_array_equal(blocks(CELLS, 6), expected)


@settings(max_examples=60)
@given(choices, fractions, st.integers(-(2**63), 2**63), st.booleans())
def test_every_sample_is_in_one_part_and_so_is_every_block(chosen, shares, seed, balanced):
    of_block = blocks(CELLS[chosen], 6)
    part = assigned(of_block, shares, seed=seed, balanced=balanced)
    assert part.shape == of_block.shape
    assert set(part.tolist()) <= set(range(len(shares)))
    for block in set(of_block.tolist()):
        assert len(set(part[of_block == block].tolist())) == 1
    np.testing.assert_array_equal(assigned(of_block, shares, seed=seed, balanced=balanced), part)
    # The order in which samples come is of no account
    order = np.random.default_rng(0).permutation(len(of_block))
    np.testing.assert_array_equal(assigned(of_block[order], shares, seed=seed, balanced=balanced), part[order])


@settings(max_examples=40)
@given(choices, choices, fractions, st.integers(0, 1000))
def test_new_samples_move_no_block(before, added, shares, seed):
    old = blocks(CELLS[before], 6)
    new = blocks(CELLS[before + added], 6)
    np.testing.assert_array_equal(assigned(new, shares, seed=seed)[: len(old)], assigned(old, shares, seed=seed))


@pytest.mark.parametrize("seed", [0, 1, 20261121])
def test_many_blocks_come_near_the_shares(seed):
    part = assigned(MANY, FRACTIONS, seed=seed)
    for number, share in enumerate(FRACTIONS.values()):
        # Four standard deviations of a binomial distribution
        assert abs((part == number).mean() - share) < 4 * np.sqrt(share * (1 - share) / len(MANY))
    assert (assigned(MANY, FRACTIONS, seed=seed + 1) != part).mean() > 0.2


@settings(max_examples=60)
@given(choices, fractions, st.integers(0, 1000))
def test_balanced_shares_are_off_by_no_more_than_the_largest_block(chosen, shares, seed):
    of_block = blocks(CELLS[chosen], 6)
    part = assigned(of_block, shares, seed=seed, balanced=True)
    largest = np.unique(of_block, return_counts=True)[1].max() / len(of_block)
    for number, share in enumerate(shares.values()):
        assert abs((part == number).mean() - share) <= largest + 1e-9


def test_draws_are_even_and_follow_the_seed():
    drawn = draws(MANY, 7)
    assert 0 <= drawn.min() < drawn.max() < 1
    assert np.histogram(drawn, 10, (0, 1))[0].min() > len(MANY) / 10 * 0.8
    assert abs(np.corrcoef(drawn, draws(MANY, 8))[0, 1]) < 0.05
    assert draws(np.empty(0, np.uint64)).shape == (0,)


def test_a_part_of_share_0_stays_empty():
    assert set(assigned(MANY, {"none": 0.0, "all": 1.0, "nothing": 0.0}).tolist()) == {1}


@pytest.mark.parametrize(
    "shares", [{}, {"train": 0.7}, {"train": 1.5, "val": -0.5}, {"train": float("nan")}, {"train": 0.6, "val": 0.5}]
)
def test_fractions_that_are_none_are_refused(shares):
    with pytest.raises(CubeError, match="add up to 1"):
        assigned(MANY, shares)


def test_what_is_no_cell_or_too_coarse_is_refused():
    with pytest.raises(CubeError, match="17 is no H3 cell"):
        blocks(np.array([17], np.uint64), 5)
    with pytest.raises(CubeError, match="resolution 6"):
        blocks(np.array([HOME], np.uint64), 6)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([(11.6, 48.1), (179.999, -16.5), (25.0, 70.0)]))
def test_what_is_near_a_later_part_is_what_the_geodesic_says(seed, n, centre):
    rng = np.random.default_rng(seed)
    longitude, latitude = centre[0] + rng.uniform(-0.05, 0.05, n), centre[1] + rng.uniform(-0.05, 0.05, n)
    longitude = (longitude + 180) % 360 - 180
    part = rng.integers(0, 3, n)
    found = within_reach(longitude, latitude, part, 1000.0)
    geod = pyproj.Geod(ellps="WGS84")
    for one in range(n):
        later = np.flatnonzero(part > part[one])
        start = np.full(len(later), longitude[one]), np.full(len(later), latitude[one])
        nearest = min(geod.inv(*start, longitude[later], latitude[later])[2], default=np.inf)
        # A degree is up to 0.7 % longer or shorter than on the sphere
        if not 1000 <= nearest <= 1020:
            assert found[one] == (nearest < 1000)
