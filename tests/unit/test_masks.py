"""Covered fractions against exact polygon areas (Shapely) and against exactextract's own coverage."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.cubes.pixels.masks import masks
from dataflows.cubes.pixels.windows import Lattice, windows
from dataflows.cubes.rasters.grid import Grid

LATTICE = Lattice.of(Grid(32633, Affine(10.0, 0.0, 0.0, 0.0, -10.0, 0.0), (1, 1)))
SIZE = 32
TOP, LEFT = np.array([5_000_320.0]), np.array([450_000.0])
WINDOW = shapely.box(450_000, 5_000_000, 450_320, 5_000_320)
CELLS = np.array(
    [
        [shapely.box(450_000 + 10 * x, 5_000_310 - 10 * y, 450_010 + 10 * x, 5_000_320 - 10 * y) for x in range(SIZE)]
        for y in range(SIZE)
    ]
)


def shapes(*geometries: shapely.Geometry) -> np.ndarray:
    found = np.empty(len(geometries), np.object_)
    found[:] = geometries
    return found


def fraction(shape: shapely.Geometry, *others: shapely.Geometry) -> np.ndarray:
    return masks(np.array([0]), shapes(shape, *others), TOP, LEFT, LATTICE, SIZE)[0][0]


def joint_fraction(*together: shapely.Geometry) -> np.ndarray:
    return masks(np.array([0]), shapes(*together), TOP, LEFT, LATTICE, SIZE)[1][0]


def by_intersection(shape: shapely.Geometry) -> np.ndarray:
    return shapely.area(shapely.intersection(CELLS, shape)) / 100


@pytest.mark.parametrize(
    "shape",
    [
        shapely.Polygon([(450_033, 5_000_041), (450_207, 5_000_099), (450_111, 5_000_244)]),
        shapely.box(450_050, 5_000_050, 450_250, 5_000_250).difference(shapely.Point(450_150, 5_000_150).buffer(47)),
        shapely.MultiPolygon(
            [shapely.box(450_003, 5_000_003, 450_017, 5_000_019), shapely.Point(450_200, 5_000_200).buffer(33)]
        ),
        shapely.box(449_000, 5_000_111, 450_123, 5_000_222),
        WINDOW.buffer(500),
        WINDOW,
        shapely.box(451_000, 5_000_000, 451_100, 5_000_100),
        shapely.box(450_320, 5_000_000, 450_400, 5_000_100),
    ],
    ids=["triangle", "hole", "two parts", "across the edge", "around", "exactly", "elsewhere", "touching"],
)
def test_fraction_is_the_area_of_the_intersection(shape):
    found = fraction(shape)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_intersection(shape), atol=2e-6)


@settings(max_examples=40)
@given(
    centre=st.tuples(st.floats(449_900, 450_420), st.floats(4_999_900, 5_000_420)),
    radius=st.floats(1, 250),
    corners=st.integers(1, 6),
)
def test_fraction_sums_to_the_area_within_the_window(centre, radius, corners):
    shape = shapely.Point(centre).buffer(radius, quad_segs=corners)
    found = fraction(shape)
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.sum(dtype=float) * 100 == pytest.approx(shape.intersection(WINDOW).area, abs=0.02)


def test_fraction_equals_exactextract_called_for_one_window():
    shape = shapely.Point(450_150.3, 5_000_170.7).buffer(88)
    raster = NumPyRasterSource(np.ones((SIZE, SIZE)), 450_000, 5_000_000, 450_320, 5_000_320)
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)}
    ((row),) = exact_extract(raster, feature, ["cell_id", "coverage"])
    expected = np.zeros(SIZE * SIZE)
    expected[row["properties"]["cell_id"]] = row["properties"]["coverage"]
    np.testing.assert_allclose(fraction(shape).ravel(), expected, atol=1e-6)


def test_a_polygon_across_chips_is_covered_once_in_all_of_them():
    site = shapely.Point(452_000, 5_003_000).buffer(1000)
    found = windows(shapes(site), LATTICE, SIZE)
    parts, _ = masks(np.zeros(len(found), int), shapes(site), found.top, found.left, LATTICE, SIZE)
    assert len(found) > 9
    assert parts.sum(dtype=float) * 100 == pytest.approx(site.area, rel=1e-6)


def test_hazard_overlapping_polygons_are_united_and_never_cover_a_pixel_twice():
    a, b = shapely.box(450_050, 5_000_050, 450_155, 5_000_155), shapely.box(450_105, 5_000_105, 450_255, 5_000_255)
    found = joint_fraction(a, b)
    assert found.max() == 1
    np.testing.assert_allclose(found, by_intersection(shapely.union(a, b)), atol=2e-6)
    np.testing.assert_allclose(fraction(a, b), by_intersection(a), atol=2e-6)


def test_polygons_beside_each_other_share_a_pixel():
    a, b = shapely.box(450_050, 5_000_050, 450_103, 5_000_100), shapely.box(450_104, 5_000_050, 450_150, 5_000_100)
    np.testing.assert_allclose(joint_fraction(a, b), by_intersection(shapely.union(a, b)), atol=2e-6)


def test_hazard_a_neighbour_is_no_background():
    own, neighbour = shapely.box(450_050, 5_000_050, 450_100, 5_000_100), shapely.box(450_300, 5_000_050, 450_500, 5_000_100)
    assert joint_fraction(own, neighbour)[SIZE - 8, 31] == 1
    assert fraction(own, neighbour)[SIZE - 8, 31] == 0


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 12))
def test_many_windows_and_shapes_at_once_are_as_one_by_one(seed, n):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(450_000, 451_500, n), rng.uniform(5_000_000, 5_001_500, n)
    sites = shapely.buffer(shapely.points(x, y), rng.uniform(3, 260, n), quad_segs=2)
    top, left = 5_000_320 + 10 * np.floor(rng.uniform(0, 120, n)), 450_000 + 10 * np.floor(rng.uniform(0, 120, n))
    own, joint = masks(np.arange(n), sites, top, left, LATTICE, SIZE)
    union = shapely.union_all(sites)
    for index in range(n):
        moved = np.array([left[index] - LEFT[0], top[index] - TOP[0]])
        cells = shapely.transform(CELLS.ravel(), lambda xy, moved=moved: xy + moved)
        for found, shape in ((own[index], sites[index]), (joint[index], union)):
            expected = shapely.area(shapely.intersection(cells, shape)).reshape(SIZE, SIZE) / 100
            np.testing.assert_allclose(found, expected, atol=3e-6)


def test_windows_without_a_shape_are_empty():
    nothing = masks(np.array([-1]), shapes(shapely.box(0, 0, 1, 1)), TOP, LEFT, LATTICE, SIZE)
    assert not np.any(nothing)
    assert masks(np.empty(0, int), shapes(), TOP[:0], LEFT[:0], LATTICE, SIZE)[0].shape == (0, SIZE, SIZE)
