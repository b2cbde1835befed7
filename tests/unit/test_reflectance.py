"""Scale and offset by collection and processing baseline, as the agencies' specifications state them."""

from __future__ import annotations

import numpy as np
import pytest

from dataflows.cubes.pixels.reflectance import baseline, calibrated, coefficients
from dataflows.cubes.pixels.scenes import _band


@pytest.mark.parametrize(
    ("text", "expected"),
    [("05.09", (5, 9)), ("N0400", (4, 0)), ("0301", (3, 1)), (" 04.00", (4, 0)), ("", None), (None, None), ("new", None)],
)
def test_baselines_are_read(text, expected):
    assert baseline(text) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        # earth-search v1 sentinel-2-c1-l2a: as published, stated in the item
        ({"processing_baseline": "05.10", "stated_scale": 1e-4, "stated_offset": -0.1}, (1e-4, -0.1)),
        # Planetary Computer: nothing is stated
        ({"processing_baseline": "05.11"}, (1e-4, -0.1)),
        ({"processing_baseline": "04.00"}, (1e-4, -0.1)),
        ({"processing_baseline": "03.01"}, (1e-4, 0.0)),
        ({}, (1e-4, 0.0)),
        # earth-search v1 sentinel-2-l2a: taken off already, and stated all the same
        (
            {"processing_baseline": "05.09", "boa_offset_applied": True, "stated_scale": 1e-4, "stated_offset": -0.1},
            (1e-4, 0.0),
        ),
        ({"processing_baseline": "05.09", "boa_offset_applied": True}, (1e-4, 0.0)),
        ({"processing_baseline": "05.09", "boa_offset_applied": False}, (1e-4, -0.1)),
    ],
)
@pytest.mark.parametrize("band", ["red", "swir16", "B8A"])
def test_hazard_sentinel2_offset_is_taken_off_once(facts, expected, band):
    for collection in ("sentinel-2-l2a", "sentinel-2-c1-l2a", "sentinel-2-l1c", "Sentinel2_L2A"):
        assert coefficients(collection, band, **facts) == pytest.approx(expected)


def test_what_is_no_reflectance_of_sentinel2_keeps_its_own_calibration():
    assert coefficients("sentinel-2-l2a", "aot", processing_baseline="05.09", stated_scale=1e-3, stated_offset=0) == (1e-3, 0)
    assert coefficients("sentinel-2-l2a", "scl", processing_baseline="05.09") == (1, 0)


def test_landsat_collection_2():
    for facts in ({}, {"stated_scale": 2.75e-5, "stated_offset": -0.2}):
        assert coefficients("landsat-c2-l2", "red", **facts) == pytest.approx((2.75e-5, -0.2))
    assert coefficients("landsat-c2-l2", "lwir11") == pytest.approx((0.00341802, 149.0))
    assert coefficients("landsat-c2-l1", "red") == (1, 0)


def test_other_collections_are_taken_as_they_are():
    assert coefficients("naip", "red") == (1, 0)
    assert coefficients("naip", "red", stated_scale=0.5, stated_offset=3) == (0.5, 3)


@pytest.mark.parametrize(("collection", "nodata"), [("sentinel-2-l2a", 0), ("landsat-c2-l2", 0), ("naip", None)])
def test_hazard_fill_is_known_where_the_catalog_does_not_state_it(collection, nodata):
    unknown = dict.fromkeys(("nodata", "proj_transform", "checksum"))
    asset = {"collection": collection, "href": "a.tif", "asset_key": "red", **unknown}
    assert _band(asset, 1).nodata == nodata
    assert _band({**asset, "nodata": 7.0}, 1).nodata == 7


@pytest.mark.parametrize("pixels", [(5,), (2, 3)])
@pytest.mark.parametrize("scenes", [(), (4,)])
@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_every_number_gets_the_scale_of_its_band_and_the_offset_of_its_scene(scenes, pixels, dtype):
    random = np.random.default_rng(1)
    numbers = random.integers(0, 30_000, (*scenes, 2, *pixels)).astype(dtype)
    scale, offset = np.array([1e-4, 2.75e-5]), random.uniform(-0.2, 0, (*scenes, 2))
    found = calibrated(numbers, scale, offset)
    assert found.dtype == np.float64
    for at in np.ndindex(numbers.shape):
        band = at[: len(scenes) + 1]
        assert found[at] == float(numbers[at]) * scale[band[-1]] + offset[band]


def test_what_was_not_observed_stays_so():
    found = calibrated(np.array([[np.nan, 10_000.0]]), np.array([1e-4]), np.array([-0.1]))
    np.testing.assert_array_equal(found, [[np.nan, 0.9]])
