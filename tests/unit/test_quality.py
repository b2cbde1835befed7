"""Classes of pixels from Sentinel-2's scene classification and Landsat's QA_PIXEL."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.cubes.pixels.quality import ATTRIBUTES, Quality, classification_of, classify, from_qa_pixel, from_scl, usable
from db.errors import CubeError


def test_scene_classification_by_name():
    # Names as ESA's product specification gives them
    expected = {
        0: "nodata",
        1: "defective",
        2: "clear",
        3: "shadow",
        4: "clear",
        5: "clear",
        6: "clear",
        7: "clear",
        8: "cloud",
        9: "cloud",
        10: "cloud",
        11: "snow",
    }
    found = from_scl(np.arange(12, dtype=np.uint8).reshape(3, 4))
    assert found.shape == (3, 4)
    assert [Quality(value).name.lower() for value in found.ravel()] == list(expected.values())


@pytest.mark.parametrize("value", [12, 255])
def test_what_is_no_scene_classification_is_refused(value):
    with pytest.raises(CubeError, match=str(value)):
        from_scl(np.array([4, value], np.uint8))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # Values and their meaning: USGS Landsat 8-9 C2 L2 Science Product Guide, table 6-4
        (1, Quality.NODATA),
        (21824, Quality.CLEAR),  # clear with lows set
        (21826, Quality.CLOUD),  # dilated cloud over land
        (21888, Quality.CLEAR),  # water with lows set
        (21890, Quality.CLOUD),  # dilated cloud over water
        (22280, Quality.CLOUD),  # high confidence cloud
        (23888, Quality.SHADOW),  # high confidence cloud shadow
        (23952, Quality.SHADOW),  # water with cloud shadow
        (30048, Quality.SNOW),  # high confidence snow or ice
        (54596, Quality.CLOUD),  # high confidence cirrus
    ],
)
def test_qa_pixel_by_the_agencys_table(value, expected):
    assert from_qa_pixel(np.array([value], np.uint16))[0] == expected


@given(st.integers(0, 65535))
def test_qa_pixel_fill_goes_before_cloud_before_shadow_before_snow(value):
    (found,) = from_qa_pixel(np.array([value], np.uint16))
    bits = f"{value:016b}"[::-1]
    if bits[0] == "1":
        expected = Quality.NODATA
    elif "1" in bits[1:4]:
        expected = Quality.CLOUD
    elif bits[4] == "1":
        expected = Quality.SHADOW
    elif bits[5] == "1":
        expected = Quality.SNOW
    else:
        expected = Quality.CLEAR
    assert found == expected


def test_nodata_goes_before_every_class_and_without_classes_pixels_are_unclassified():
    nodata = np.array([[True, False]])
    assert classify(np.array([[4, 9]], np.uint8), "scl", nodata).tolist() == [[Quality.NODATA, Quality.CLOUD]]
    assert classify(np.array([[64, 64]], np.uint16), "qa_pixel", nodata).tolist() == [[Quality.NODATA, Quality.CLEAR]]
    assert classify(None, None, nodata).tolist() == [[Quality.NODATA, Quality.UNCLASSIFIED]]


def test_only_clear_and_unclassified_pixels_are_usable():
    assert usable(np.arange(8, dtype=np.uint8)).tolist() == [False, False, True, False, False, False, False, True]


def test_hazard_what_was_never_written_says_that_it_is_missing():
    assert Quality.MISSING == 0
    assert ATTRIBUTES["flag_meanings"].split()[0] == "missing"
    assert len(ATTRIBUTES["flag_values"]) == len(ATTRIBUTES["flag_meanings"].split()) == len(Quality)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [(["red", "scl"], "scl"), (["B04", "SCL"], "SCL"), (["red", "qa_pixel", "qa_radsat"], "qa_pixel"), (["image"], None)],
)
def test_the_classifying_asset_is_found(keys, expected):
    assert classification_of(keys) == expected
