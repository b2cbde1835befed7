"""``convex_intersection_area`` against Shapely (GEOS)."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon, affinity, box

from db import convex_overlap
from db.arrow_functions import provide

SQUARE = box(10, 50, 10.001, 50.001)
# A square's corners are right triangles with legs of 0.0004 beyond it
DIAMOND = Polygon([(10.0005, 49.9999), (10.0011, 50.0005), (10.0005, 50.0011), (9.9999, 50.0005)])
ARROWHEAD = Polygon([(0, 0), (2, 0), (1, 0.5), (1, 2)])

coordinates = st.floats(-1, 1).map(lambda value: round(value, 6))
places = st.tuples(st.floats(-180, 179), st.floats(-89, 88))


def shared(a: Sequence[shapely.Geometry | None], b: Sequence[shapely.Geometry | None]) -> list[float | None]:
    columns = [pa.chunked_array([pa.array(shapely.to_wkb(np.array(shapes, object)), pa.binary())]) for shapes in (a, b)]
    return convex_overlap.convex_intersection_area(*columns).to_pylist()


@st.composite
def convex_outlines(draw: st.DrawFn) -> shapely.Geometry:
    """Hulls of up to 16 points, of some metres to some kilometres, either way around."""
    points = draw(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=16))
    hull = shapely.MultiPoint(points).convex_hull
    if not isinstance(hull, Polygon) or hull.area < 1e-3:
        return SQUARE if draw(st.booleans()) else shapely.reverse(SQUARE)
    hull = affinity.scale(hull, size := 10 ** draw(st.floats(-5, -2)), size, origin=(0, 0))
    return shapely.reverse(hull) if draw(st.booleans()) else hull


@given(convex_outlines(), convex_outlines(), places, st.tuples(coordinates, coordinates))
def test_equals_geos_or_says_nothing(a: Polygon, b: Polygon, place: tuple[float, float], shift: tuple[float, float]) -> None:
    size = np.sqrt(a.area)
    b = affinity.translate(b, shift[0] * size, shift[1] * size)
    a, b = affinity.translate(a, *place), affinity.translate(b, *place)
    (found,) = shared([a], [b])
    if found is not None:
        west, south, east, north = a.bounds
        assert found == pytest.approx(a.intersection(b).area, abs=1e-9 * ((east - west) ** 2 + (north - south) ** 2))


def test_outlines_of_roofs_are_answered() -> None:
    random = np.random.default_rng(7)
    centres = random.uniform([-180, -60], [179, 60], (500, 2))
    sides = 10 ** random.uniform(-5, -2, 500)
    roofs = [
        affinity.rotate(box(x, y, x + side, y + side * stretch), angle)
        for (x, y), side, stretch, angle in zip(
            centres, sides, random.uniform(0.2, 1, 500), random.uniform(0, 90, 500), strict=True
        )
    ]
    shifts, turns = random.normal(0, 0.3, (500, 2)) * sides[:, None], random.uniform(1, 89, 500)
    others = [
        affinity.rotate(affinity.translate(roof, *shift), turn) for roof, shift, turn in zip(roofs, shifts, turns, strict=True)
    ]
    expected = shapely.area(shapely.intersection(roofs, others))
    assert np.count_nonzero(expected) > 400
    assert shared(roofs, others) == pytest.approx(expected, rel=1e-7, abs=1e-20)


@pytest.mark.parametrize(
    ("other", "area"),
    [
        pytest.param(SQUARE, 1e-6, id="the same"),
        pytest.param(shapely.reverse(SQUARE), 1e-6, id="the same, clockwise"),
        pytest.param(box(10.0002, 50.0002, 10.0004, 50.0004), 4e-8, id="within"),
        pytest.param(box(9, 49, 11, 51), 1e-6, id="around"),
        pytest.param(box(10.0005, 49.9, 10.1, 50.1), 5e-7, id="across"),
        pytest.param(box(10.1, 50, 10.2, 50.1), 0, id="apart"),
        pytest.param(box(10.001, 50.001, 10.002, 50.002), 0, id="a corner in common"),
        pytest.param(DIAMOND, 6.8e-7, id="corners cut off"),
    ],
)
def test_known_areas(other: Polygon, area: float) -> None:
    assert shared([SQUARE], [other]) == pytest.approx([area], rel=1e-8, abs=1e-20)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(None, id="null"),
        pytest.param(Polygon(), id="empty"),
        pytest.param(ARROWHEAD, id="not convex"),
        pytest.param(SQUARE.difference(box(10.0002, 50.0002, 10.0004, 50.0004)), id="a hole"),
        pytest.param(shapely.MultiPolygon([SQUARE]), id="several parts"),
        pytest.param(shapely.Point(10, 50), id="a point"),
        pytest.param(shapely.Point(10, 50).buffer(0.001), id="many corners"),
        pytest.param(box(10.001, 50, 10.002, 50.001), id="an edge in common from outside"),
        pytest.param(shapely.force_3d(SQUARE, 1.0), id="with heights"),
    ],
)
def test_says_nothing_of_other_shapes(other: shapely.Geometry | None) -> None:
    assert shared([SQUARE, other, SQUARE], [other, SQUARE, SQUARE]) == [None, None, pytest.approx(1e-6)]


def test_a_pair_has_the_same_area_among_others() -> None:
    random = np.random.default_rng(11)
    a = [shapely.MultiPoint(random.normal(0, 1e-4, (9, 2))).convex_hull for _ in range(300)]
    b = [shapely.MultiPoint(random.normal(0, 1e-4, (14, 2))).convex_hull for _ in range(300)]
    together = shared(a, b)
    assert together == [area for pair in zip(a, b, strict=True) for area in shared(*([shape] for shape in pair))]


def test_registered_once_for_all_cursors() -> None:
    con = duckdb.connect()
    for cursor in (con, con.cursor()):
        provide(cursor, convex_overlap.FUNCTIONS)
    found = con.execute(f"SELECT {convex_overlap.NAME}($1, $1)", [shapely.to_wkb(SQUARE)]).fetchone()
    assert found == (pytest.approx(1e-6),)
    assert con.execute(f"SELECT count({convex_overlap.NAME}(NULL, NULL))").fetchone() == (0,)
