"""Grids: when two are the same, and where one lies in another."""

from __future__ import annotations

from datetime import UTC

import numpy as np
import pytest
import rasterio.transform
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from dataflows.cubes.rasters.grid import TOLERANCE_PX, Grid
from dataflows.cubes.repository.conventions import (
    axis_attributes,
    decoded_times,
    encoded_times,
    grid_of,
    group_attributes,
    variable_name,
)
from db.errors import CubeError

UTM = Grid.of(32613, (10, 0, 399_960, 0, -10, 4_400_040), (10_980, 10_980))
DEGREES = Grid.of(4326, (1 / 3600, 0, -105, 0, -1 / 3600, 40), (3600, 3600))

offsets = st.integers(-20_000, 20_000)
grids = st.sampled_from([UTM, DEGREES])


def shifted(grid: Grid, columns: float, rows: float) -> Grid:
    return Grid(grid.epsg, grid.transform @ Affine.translation(columns, rows), grid.shape)


@given(grids, st.floats(-0.9, 0.9), st.floats(-0.4, 0.4))
def test_noise_below_the_tolerance_is_the_same_and_above_is_not(grid, share, more):
    assert shifted(grid, share * TOLERANCE_PX * 0.5, 0).same(grid)
    assert not shifted(grid, TOLERANCE_PX * (2 + more), 0).same(grid)
    assert not shifted(grid, 0, -TOLERANCE_PX * (2 + more)).same(grid)


@given(grids, st.floats(1e-9, 1e-3))
def test_another_resolution_shows_at_the_far_corner(grid, share):
    stretched = Grid(grid.epsg, grid.transform @ Affine.scale(1 + share), grid.shape)
    assert stretched.misfit_px(grid) == pytest.approx(np.hypot(*grid.shape) * share, rel=1e-3, abs=1e-8)


@given(grids, offsets, offsets, st.integers(1, 500), st.integers(1, 500))
def test_a_window_lies_where_it_was_cut(grid, row, column, rows, columns):
    window = grid.window(row, column, rows, columns)
    assert window.shape == (rows, columns)
    assert window.offset_in(grid) == (row, column)
    assert window.offset_in(grid.window(7, -3, 5, 5)) == (row - 7, column + 3)


@given(grids, offsets, st.floats(0.01, 0.99))
def test_a_window_between_pixels_lies_nowhere(grid, row, part):
    assert shifted(grid, part, row).offset_in(grid) is None


def test_another_crs_lies_nowhere():
    other = Grid(32614, UTM.transform, UTM.shape)
    assert UTM.offset_in(other) is None
    assert UTM.disagreement(other) == "EPSG:32613 is not EPSG:32614"
    assert "pixels are not" in UTM.disagreement(UTM.window(0, 0, 5, 5))


@pytest.mark.parametrize("grid", [UTM, DEGREES])
def test_centres_and_bounds_are_those_of_rasterio(grid):
    transform = Affine(*grid.transform[:6])
    xs, ys = rasterio.transform.xy(transform, [0, 17], [0, 23])
    np.testing.assert_allclose(grid.x[[0, 23]], xs, rtol=1e-14)
    np.testing.assert_allclose(grid.y[[0, 17]], ys, rtol=1e-14)
    assert tuple(grid.bounds.bbox) == pytest.approx(rasterio.transform.array_bounds(*grid.shape, transform), rel=1e-14)


def test_labels_tell_grids_apart_and_not_noise():
    assert UTM.label.startswith("epsg-32613/10-")
    assert shifted(UTM, 1e-7, 0).label == UTM.label
    others = [shifted(UTM, 1, 0), shifted(UTM, 0, 0.3), UTM.window(0, 0, 5, 5), Grid(32614, UTM.transform, UTM.shape)]
    assert len({UTM.label, *(other.label for other in others)}) == 5


@pytest.mark.parametrize(
    ("transform", "shape"),
    [
        ((10, 0, 0, 0, -10), (5, 5)),
        ((0, 0, 0, 0, 0, 0), (5, 5)),
        ((10, 0, 0, 0, -10, 0), (0, 5)),
        ((10, 0, 0, 0, -10, 0), (5,)),
    ],
)
def test_what_is_no_grid_is_refused(transform, shape):
    with pytest.raises(CubeError):
        Grid.of(32613, transform, shape)


def test_nine_numbers_are_six():
    assert Grid.of(32613, (*UTM.transform[:6], 0, 0, 1), UTM.shape) == UTM


@pytest.mark.parametrize("grid", [UTM, DEGREES])
def test_a_grid_comes_back_from_attributes(grid):
    assert grid_of(group_attributes(grid)) == grid


def test_axes_are_named_after_the_crs():
    assert axis_attributes(UTM)["x"]["standard_name"] == "projection_x_coordinate"
    assert axis_attributes(DEGREES)["x"]["standard_name"] == "longitude"
    assert axis_attributes(DEGREES)["y"]["units"] == "degrees_north"


@given(st.lists(st.datetimes(timezones=st.timezones()), max_size=5))
def test_times_come_back_to_the_microsecond(times):
    # In UTC: a time that a zone has twice equals no time of another zone, by Python's rules
    assert decoded_times(encoded_times(times)) == [time.astimezone(UTC) for time in times]


@pytest.mark.parametrize(
    ("asset", "name"),
    [("red", "red"), ("B04.tif", "B04.tif"), ("visual 10m/a", "visual_10m_a"), ("time", "asset_time"), ("..", "asset")],
)
def test_names_of_arrays(asset, name):
    assert variable_name(asset, {"time", "x"}) == name
