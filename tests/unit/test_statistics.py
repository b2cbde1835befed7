"""Statistics against exactextract and SciPy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.cubes.pixels.masks import masks
from dataflows.cubes.pixels.statistics import WeightedStatistics, combined, plain, weighted, weighted_by_zone, weighted_median
from dataflows.cubes.pixels.windows import Lattice
from dataflows.cubes.rasters.grid import Grid

SIZE = 40
LATTICE = Lattice.of(Grid.of(32633, (10, 0, 0, 0, -10, 0), (1, 1)))


def values_of(seed: int, holes: float = 0.2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(0.3, 0.2, (3, SIZE, SIZE))
    values[rng.random(values.shape) < holes] = np.nan
    return values


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), radius=st.floats(5, 300), x=st.floats(0, 400), y=st.floats(0, 400))
def test_weighted_statistics_equal_exactextract(seed, radius, x, y):
    shape = shapely.Point(x, 400 - y).buffer(radius, quad_segs=3)
    mask = masks(np.array([0]), np.array([shape], object), np.array([400.0]), np.array([0.0]), LATTICE, SIZE)[0][0]
    values = values_of(seed)
    found = weighted(values.reshape(3, -1), mask.ravel())
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)}
    for index in range(3):
        raster = NumPyRasterSource(values[index], 0, 0, 400, 400, nodata=np.nan)
        ((row,),) = [exact_extract(raster, feature, ["mean", "stdev", "min", "max", "count"])]
        expected = row["properties"]
        assert found.weight[index] == pytest.approx(expected["count"], abs=1e-4)
        if expected["count"] == 0:
            assert np.isnan(found.mean[index])
            continue
        for name in ("mean", "stdev", "min", "max"):
            assert getattr(found, name)[index] == pytest.approx(expected[name], abs=1e-6)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000), lengths=st.lists(st.integers(0, 40), min_size=1, max_size=8), holes=st.sampled_from([0, 0.5])
)
def test_zones_together_are_each_zone_alone(seed, lengths, holes):
    rng = np.random.default_rng(seed)
    values, coverage = rng.normal(0.3, 0.2, (sum(lengths), 3)), rng.uniform(1e-3, 1, sum(lengths))
    values[rng.random(values.shape) < holes] = np.nan
    found = weighted_by_zone(values, coverage, np.array(lengths))
    edges = np.cumsum([0, *lengths])
    for zone, (a, b) in enumerate(pairwise(edges)):
        for column in range(3):
            kept = ~np.isnan(values[a:b, column])
            alone, weights = values[a:b, column][kept], coverage[a:b][kept]
            assert found.weight[zone, column] == pytest.approx(weights.sum())
            if not kept.any():
                assert np.isnan([found.mean[zone, column], found.stdev[zone, column], found.min[zone, column]]).all()
                continue
            mean = np.average(alone, weights=weights)
            assert found.mean[zone, column] == pytest.approx(mean)
            assert found.stdev[zone, column] == pytest.approx(
                np.sqrt(np.average((alone - mean) ** 2, weights=weights)), abs=1e-9
            )
            assert (found.min[zone, column], found.max[zone, column]) == (alone.min(), alone.max())


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    radius=st.floats(5, 300),
    x=st.floats(0, 400),
    y=st.floats(0, 400),
    levels=st.sampled_from([3, 40, None]),
)
def test_the_weighted_median_equals_exactextract(seed, radius, x, y, levels):
    shape = shapely.Point(x, 400 - y).buffer(radius, quad_segs=3)
    mask = masks(np.array([0]), np.array([shape], object), np.array([400.0]), np.array([0.0]), LATTICE, SIZE)[0][0]
    values = values_of(seed)
    # Digital numbers: many pixels have one value
    values = values if levels is None else np.round(values * levels) / levels
    found = weighted_median(values.reshape(3, -1), mask.ravel())
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)}
    for index in range(3):
        raster = NumPyRasterSource(values[index], 0, 0, 400, 400, nodata=np.nan)
        (row,) = exact_extract(raster, feature, ["median", "count"])
        expected = row["properties"]
        if expected["count"] == 0:
            assert np.isnan(found[index])
        else:
            assert found[index] == pytest.approx(expected["median"], abs=1e-6)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, SIZE * SIZE), min_size=1, max_size=6))
def test_statistics_of_parts_combine_to_those_of_the_whole(seed, cuts):
    values, weights = values_of(seed, 0.5).reshape(3, -1), np.random.default_rng(seed).random(SIZE * SIZE)
    whole = weighted(values, weights)
    edges = [0, *sorted(cuts), SIZE * SIZE]
    parts = [weighted(values[:, a:b], weights[a:b]) for a, b in pairwise(edges)]
    stacked = WeightedStatistics(*(np.stack([getattr(part, name) for part in parts]) for name in vars(whole)))
    joint = combined(stacked, np.zeros(len(parts), np.int64), 1)
    for name in vars(whole):
        np.testing.assert_allclose(getattr(joint, name)[0], getattr(whole, name), rtol=1e-10, atol=1e-12)


def test_nothing_covered_or_nothing_valid_is_no_number():
    nothing = weighted(np.full((2, 5), np.nan), np.ones(5))
    uncovered = weighted(np.ones((2, 5)), np.zeros(5))
    for found in (nothing, uncovered):
        assert found.weight.tolist() == [0, 0]
        assert np.isnan([found.mean, found.stdev, found.min, found.max]).all()


def test_large_values_that_differ_little_keep_their_digits():
    values = 1e8 + np.arange(100, dtype=float) / 1e3
    found = weighted(values[None], np.ones(100))
    assert found.stdev[0] == pytest.approx(np.std(values - 1e8), rel=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_plain_statistics_equal_scipy(dtype):
    numbers = np.random.default_rng(1).gamma(2, 20, 5000).astype(dtype)
    found = plain(numbers)
    exact = numbers.astype(np.float64)
    assert (found.n_pixels, found.min, found.max) == (5000, exact.min(), exact.max())
    assert found.mean == pytest.approx(exact.mean(), rel=1e-12)
    assert found.variance == pytest.approx(exact.var(), rel=1e-10)
    assert found.skewness == pytest.approx(scipy.stats.skew(exact), rel=1e-9)
    counts = np.unique(numbers, return_counts=True)[1]
    assert found.entropy_bits == pytest.approx(scipy.stats.entropy(counts, base=2), rel=1e-10)


def test_plain_statistics_of_one_value_and_of_none():
    flat = plain(np.full(9, 7, np.uint8))
    assert (flat.mean, flat.variance, flat.entropy_bits) == (7, 0, 0)
    assert np.isnan(flat.skewness)
    none = plain(np.empty(0, np.uint8))
    assert none.n_pixels == 0
    assert np.isnan(none.mean)
