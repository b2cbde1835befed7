"""Mosaics of made scenes, against the same with plain loops."""

from __future__ import annotations

from datetime import UTC, date, datetime

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dataflows.cubes.pixels.quality import SCENE_CLASSIFICATION
from dataflows.cubes.pixels.reflectance import Coefficients
from dataflows.cubes.region.mosaic import BLOCK_BYTES, Method, block_edge, clear_values, composed, solar_day

SHAPE = (4, 2, 3, 5)  # scene, band, y, x


@settings(max_examples=25)
@given(
    values=hnp.arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32)),
    hidden=hnp.arrays(np.bool_, (SHAPE[0], *SHAPE[2:])),
    days=st.lists(st.integers(1, 3), min_size=4, max_size=4),
    ranks=st.permutations(range(4)),
    method=st.sampled_from(Method),
)
def test_composed(values, hidden, days, ranks, method):
    values = np.where(hidden[:, None], np.float32(np.nan), values)
    lazy = [da.from_array(scene, chunks=(1, 2, 5)) for scene in values]
    found = composed(lazy, [date(2025, 1, day) for day in days], ranks, method).compute(scheduler="synchronous")
    assert found.shape == (SHAPE[1] + 2, *SHAPE[2:])
    for y, x in np.ndindex(SHAPE[2:]):
        first_of_day: dict[int, int] = {}
        for scene in sorted(range(4), key=lambda scene: ranks[scene]):
            if not hidden[scene, y, x]:
                first_of_day.setdefault(days[scene], scene)
        *bands, count, origin = found[:, y, x]
        assert count == len(first_of_day)
        if not first_of_day:
            assert np.isnan(bands).all()
            assert origin == -1
        elif method is Method.MEDIAN:
            np.testing.assert_allclose(bands, np.median(values[list(first_of_day.values()), :, y, x], axis=0), rtol=1e-6)
            assert origin == -1
        else:
            best = min(first_of_day.values(), key=lambda scene: ranks[scene])
            np.testing.assert_array_equal(bands, values[best, :, y, x])
            assert origin == best


def test_clear_values():
    numbers = np.array([[[1000, 2000, np.nan, 4000]], [[1500, 2500, 3500, 4500]]], np.float32)
    classes = np.array([[4, 9, 4, 5]], np.uint8)  # vegetation, cloud, vegetation, not vegetated
    calibration = [Coefficients(1e-4, -0.1), Coefficients(1e-4, 0.0)]
    found = clear_values(da.from_array(numbers), da.from_array(classes), SCENE_CLASSIFICATION[0], calibration).compute()
    np.testing.assert_allclose(found[:, 0, [0, 3]], [[0.0, 0.3], [0.15, 0.45]], atol=1e-7)
    assert np.isnan(found[:, 0, 1:3]).all()
    bare = clear_values(da.from_array(numbers), None, None, calibration).compute()
    assert np.isnan(bare[:, 0]).tolist() == [[False, False, True, False]] * 2


def test_blocks_of_all_scenes_fit():
    for scenes, bands in ((1, 1), (12, 5), (60, 5), (400, 5)):
        assert scenes * bands * block_edge(scenes, bands) ** 2 * 4 <= BLOCK_BYTES
    assert block_edge(1, 1) == 512
    assert block_edge(10**6, 13) == 64


@pytest.mark.parametrize(("hour", "longitude", "day"), [(23, 150, 2), (1, -120, 31), (12, 0, 1)])
def test_the_day_by_the_sun(hour, longitude, day):
    assert solar_day(datetime(2025, 1, 1, hour, tzinfo=UTC), longitude).day == day
