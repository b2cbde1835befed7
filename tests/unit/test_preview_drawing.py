"""Colours of a preview: one stretch for all dates, that of the ground."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dataflows.cubes.chip.site import SiteChips
from dataflows.cubes.history.versions import is_build_tag
from dataflows.cubes.preview import CLIPPED_PCT, NO_DATA_GREY, figure, true_colour
from db.errors import CubeError

BANDS = ("blue", "green", "red")


def site(values: np.ndarray, usable: np.ndarray, bands: tuple[str, ...] = BANDS) -> SiteChips:
    dates = len(values)
    times = np.datetime64("2025-03-05T10:00", "us") + np.arange(dates) * np.timedelta64(30, "D")
    own = np.zeros(values.shape[-2:], np.float32)
    own[2:5, 2:6] = 0.4
    transform = np.array([10.0, 0, 500_000, 0, -10, 5_000_000])
    items = np.array([f"S{n}" for n in range(dates)], object)
    return SiteChips("pv-a", "made-l2a/epsg-32633", bands, items, times, values, usable, own, transform)


def test_clouds_and_missing_pixels_do_not_change_the_stretch():
    rng = np.random.default_rng(3)
    ground = rng.uniform(0.05, 0.3, (3, 3, 8, 9)).astype(np.float32)
    usable = np.ones((3, 8, 9), bool)
    usable[1, :4] = False
    usable[2, 0] = False
    values = ground.copy()
    values[1, :, :4] = 1.4
    values[2, :, 0] = np.nan
    seen = np.moveaxis(values, 1, -1)[usable]
    low, high = np.percentile(seen, (CLIPPED_PCT, 100 - CLIPPED_PCT))
    found = true_colour(site(values, usable))
    expected = np.clip((np.moveaxis(values, 1, -1)[..., ::-1] - low) / (high - low), 0, 1)
    np.testing.assert_allclose(found[usable], expected[usable], atol=1e-5)
    assert (found[1, :4] == 1).all()
    assert (found[2, 0] == np.float32(NO_DATA_GREY)).all()


@settings(max_examples=50)
@given(
    arrays.arrays(np.float32, (2, 3, 4, 5), elements=st.floats(-1, 2, width=32) | st.just(np.nan)),
    arrays.arrays(bool, (2, 4, 5)),
)
def test_any_pixels_have_colours(values: np.ndarray, usable: np.ndarray):
    found = true_colour(site(values, usable))
    assert found.shape == (2, 4, 5, 3)
    assert (found >= 0).all()
    assert (found <= 1).all()


@pytest.mark.parametrize("dates", [1, 6, 7, 13])
def test_any_number_of_dates_has_a_panel_each(dates: int):
    values = np.full((dates, 3, 8, 9), 0.2, np.float32)
    drawn = figure(site(values, np.ones((dates, 8, 9), bool)))
    strip, below = drawn.subfigs
    assert sum(bool(axes.images) for axes in strip.axes) == dates
    # Three bands without near infrared have no curve
    assert not below.axes[0].lines


def test_a_site_without_a_scene_has_no_picture():
    with pytest.raises(CubeError, match="no scene"):
        figure(site(np.empty((0, 3, 8, 9), np.float32), np.empty((0, 8, 9), bool)))


def test_tags_of_builds_are_told_from_those_that_were_given():
    assert is_build_tag("20261121T105114Z-K4SW6QDHECNE0D5GTV70")
    for tag in ("paper", "20261121", "20261121T105114Z", "20261121T105114Z-K4SW6QDHECNE0D5GTV70-b"):
        assert not is_build_tag(tag)
