"""Windows of installations on a scene's pixel lattice."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.cubes.pixels.outlines import DEFAULT_AREA_M2, area_m2_per_mw, disc_radius_m, outlines
from dataflows.cubes.pixels.windows import Lattice, windows
from dataflows.cubes.rasters.grid import Grid
from db.errors import CubeError

GRID = Grid(32633, Affine(10.0, 0.0, 399_960.0, 0.0, -10.0, 5_100_000.0), (10_980, 10_980))
LATTICE = Lattice.of(GRID)
UNKNOWN = np.array([np.nan])


def shapes(*geometries: shapely.Geometry) -> np.ndarray:
    found = np.empty(len(geometries), np.object_)
    found[:] = geometries
    return found


def boxes(found, size: int) -> np.ndarray:
    return shapely.box(found.left, found.top - 10 * size, found.left + 10 * size, found.top)


def test_a_site_that_fits_has_its_centroid_in_the_middle_pixel():
    site = shapely.box(450_003, 5_000_004, 450_503, 5_000_304)
    found = windows(shapes(site), LATTICE, 128)
    assert len(found) == 1
    column, row = ~LATTICE.transform(found.top[0], found.left[0]) @ (site.centroid.x, site.centroid.y)
    assert (int(column), int(row)) == (64, 64)
    assert (found.left[0] - GRID.transform.c) % 10 == 0
    assert (GRID.transform.f - found.top[0]) % 10 == 0


def test_a_site_that_does_not_fit_is_tiled_without_overlap_or_gap():
    # An L: the window in the north-east is empty and left out
    site = shapely.union(
        shapely.box(450_000, 5_000_000, 450_400, 5_002_000), shapely.box(450_000, 5_000_000, 452_000, 5_000_400)
    )
    found = windows(shapes(site), LATTICE, 100)
    cells = boxes(found, 100)
    assert list(found.number) == [0, 1, 2]
    assert shapely.union_all(cells).covers(site)
    assert sum(shapely.area(cells)) == pytest.approx(shapely.union_all(cells).area)


def test_a_site_off_its_centroid_but_no_larger_than_the_window_needs_one_window():
    # The centroid lies near the large end, the thin tail reaches out of the window around it
    site = shapely.union(
        shapely.box(450_000, 5_000_000, 450_200, 5_000_200), shapely.box(450_200, 5_000_090, 450_900, 5_000_095)
    )
    found = windows(shapes(site), LATTICE, 96)
    assert len(found) == 1
    assert boxes(found, 96)[0].covers(site)


@settings(max_examples=60)
@given(
    x=st.floats(200_000, 800_000),
    y=st.floats(10_000, 9_000_000),
    w=st.floats(1, 5000),
    h=st.floats(1, 5000),
    size=st.sampled_from([16, 65, 128]),
    phase=st.floats(0, 9.9),
)
def test_windows_cover_their_site_on_whole_pixels(x, y, w, h, size, phase):
    grid = Grid(32633, Affine(10.0, 0.0, 399_960.0 + phase, 0.0, -10.0, 5_100_000.0 - phase), (10, 10))
    site = shapely.box(x, y, x + w, y + h)
    found = windows(shapes(site), Lattice.of(grid), size)
    cells = boxes(found, size)
    assert shapely.difference(site, shapely.union_all(cells)).area < 1e-6 * site.area
    assert len(found) <= (np.ceil(w / 10 / size) + 1) * (np.ceil(h / 10 / size) + 1)
    steps = np.concatenate([(found.left - grid.transform.c) / 10, (found.top - grid.transform.f) / 10])
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)


def test_scenes_whose_pixels_coincide_share_a_lattice():
    beside = Grid(32633, Affine(10.0, 0.0, 499_980.0, 0.0, -10.0, 5_200_020.0 - 1e-7), (100, 100))
    shifted = Grid(32633, Affine(10.0, 0.0, 399_963.0, 0.0, -10.0, 5_100_000.0), (10_980, 10_980))
    assert Lattice.of(beside) == LATTICE
    assert Lattice.of(shifted) != LATTICE
    assert Lattice.of(shifted).origin == (0.0, 3.0)


def test_a_rotated_grid_is_refused():
    with pytest.raises(CubeError, match="rotated"):
        Lattice.of(Grid(32633, Affine.rotation(10) @ GRID.transform, (10, 10)))


def test_windows_keep_the_order_of_sites_and_skip_empty_ones():
    large, small = shapely.box(450_000, 5_000_000, 453_000, 5_000_100), shapely.box(460_000, 5_000_000, 460_100, 5_000_100)
    found = windows(shapes(small, shapely.Polygon(), large, small), LATTICE, 128)
    assert list(found.site) == [0, 2, 2, 2, 3]
    assert list(found.number) == [0, 0, 1, 2, 0]


def test_no_sites_no_windows():
    assert len(windows(shapes(), LATTICE, 128)) == 0


def test_outlines_are_reprojected_as_pyproj_does():
    polygon = shapely.box(14.1, 45.9, 14.11, 45.905)
    (outline,) = outlines(shapes(polygon), UNKNOWN, UNKNOWN, 32633)
    corners = pyproj.Transformer.from_crs(4326, 32633, always_xy=True).transform(*polygon.exterior.xy)
    np.testing.assert_allclose(np.array(outline.exterior.xy), corners)


@pytest.mark.parametrize(
    ("area", "capacity", "expected"),
    [(40_000, 5, 40_000), (np.nan, 5, 100_000), (0, 5, 100_000), (np.nan, np.nan, DEFAULT_AREA_M2), (-1, 0, DEFAULT_AREA_M2)],
)
def test_a_point_becomes_a_disc_of_the_area_that_is_known(area, capacity, expected):
    assert area_m2_per_mw() == 20_000
    (outline,) = outlines(shapes(shapely.Point(15.0, 46.0)), np.array([area]), np.array([capacity]), 32633)
    assert outline.area == pytest.approx(expected, rel=3e-3)
    assert np.pi * disc_radius_m(np.array([area]), np.array([capacity]))[0] ** 2 == pytest.approx(expected)


def test_an_outline_across_the_antimeridian_is_one_in_its_zone():
    halves = shapely.MultiPolygon([shapely.box(179.999, 10, 180, 10.001), shapely.box(-180, 10, -179.999, 10.001)])
    (outline,) = outlines(shapes(halves), UNKNOWN, UNKNOWN, 32601)
    west, _, east, _ = outline.bounds
    assert east - west == pytest.approx(219.3, abs=2)  # 0.002° on the parallel, slanting a little


def test_an_invalid_polygon_is_repaired_and_an_empty_geometry_stays_empty():
    bow_tie = shapely.Polygon([(15, 46), (15.01, 46.01), (15.01, 46), (15, 46.01)])
    found = outlines(shapes(bow_tie, shapely.Polygon(), None), np.full(3, np.nan), np.full(3, np.nan), 32633)
    assert found[0].is_valid
    assert found[0].geom_type == "MultiPolygon"
    assert shapely.is_empty(found[1:]).all()


@pytest.mark.parametrize("epsg", [4326, 2272])
def test_a_crs_that_does_not_measure_in_metres_is_refused(epsg):
    with pytest.raises(CubeError, match="metres"):
        outlines(shapes(shapely.Point(15, 46)), UNKNOWN, UNKNOWN, epsg)
