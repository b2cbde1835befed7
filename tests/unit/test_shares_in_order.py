"""``shares_in_order`` against Shapely, which cuts off one area after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb
import numpy as np
import pytest
import shapely

from db import shares_in_order
from db.arrow_functions import provide

SITE = shapely.box(10, 50, 10.004, 50.003)
STAR = shapely.Point(10.002, 50.0015).buffer(0.001, quad_segs=2).symmetric_difference(shapely.box(10.001, 50, 10.0015, 50.003))


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        provide(con, shares_in_order.FUNCTIONS)
        yield con


def asked(con: duckdb.DuckDBPyConnection, site: shapely.Geometry, areas: Sequence[shapely.Geometry]) -> list[float]:
    shared = [shapely.intersection(site, area).area for area in areas]
    query = "SELECT shares_in_order(?, ?::BLOB[], ?::DOUBLE[])"
    return con.execute(query, [shapely.to_wkb(site), [shapely.to_wkb(area) for area in areas], shared]).fetchone()[0]


def expected(site: shapely.Geometry, areas: Sequence[shapely.Geometry]) -> list[float]:
    """Ratios in degrees, which at so small a site are those on the ellipsoid."""
    left, shares = site, []
    for area in areas:
        rest = left.difference(area)
        shares.append((left.area - rest.area) / site.area)
        left = rest
    return shares


def rectangles(random: np.random.Generator, count: int, size: float) -> list[shapely.Geometry]:
    """Turned rectangles that meet the site."""
    found: list[shapely.Geometry] = []
    while len(found) < count:
        x, y = random.uniform(10, 10.004), random.uniform(50, 50.003)
        width, height = random.uniform(0.2, 1, 2) * size
        shape = shapely.affinity.rotate(shapely.box(x, y, x + width, y + height), random.uniform(0, 90))
        if shape.intersection(SITE).area > 0:
            found.append(shape)
    return found


# Of many large ones more overlap than are taken off by inclusion and exclusion
@pytest.mark.parametrize(("count", "size"), [(1, 0.01), (3, 0.003), (6, 0.002), (12, 0.001), (12, 0.003), (60, 0.0005)])
def test_convex_areas(con: duckdb.DuckDBPyConnection, count: int, size: float) -> None:
    random = np.random.default_rng(count)
    for _ in range(20):
        areas = rectangles(random, count, size)
        assert asked(con, SITE, areas) == pytest.approx(expected(SITE, areas), abs=1e-4)


def test_areas_that_are_not_convex_between_others_that_are(con: duckdb.DuckDBPyConnection) -> None:
    random = np.random.default_rng(3)
    for place in range(6):
        areas = rectangles(random, 5, 0.002)
        areas.insert(place, STAR)
        assert asked(con, SITE, areas) == pytest.approx(expected(SITE, areas), abs=1e-4)
        assert asked(con, STAR, areas) == pytest.approx(expected(STAR, areas), abs=1e-4)


def test_areas_that_are_mapped_twice_or_stand_side_by_side(con: duckdb.DuckDBPyConnection) -> None:
    one, beside = shapely.box(10.001, 50.001, 10.002, 50.002), shapely.box(10.002, 50.001, 10.003, 50.002)
    areas = [one, beside, one, shapely.box(10.0005, 50.001, 10.0025, 50.002), one, *[beside] * 20]
    assert asked(con, SITE, areas) == pytest.approx(expected(SITE, areas), abs=1e-4)


def test_what_covers_the_site_leaves_nothing(con: duckdb.DuckDBPyConnection) -> None:
    whole, part = shapely.box(9, 49, 11, 51), shapely.box(10, 50, 10.002, 50.003)
    assert asked(con, SITE, [whole, part, whole]) == [1, 0, 0]
    assert asked(con, SITE, [part, whole, part]) == pytest.approx([0.5, 0.5, 0], abs=1e-5)
    assert asked(con, shapely.Point(10, 50), [part, whole]) == [1, 0]


def test_areas_that_only_touch_have_nothing(con: duckdb.DuckDBPyConnection) -> None:
    areas = [shapely.box(10.004, 50, 10.005, 50.003), SITE]
    assert asked(con, SITE, areas) == [0, 1]


def test_a_tall_site_is_measured_on_the_ellipsoid(con: duckdb.DuckDBPyConnection) -> None:
    # sines of latitudes, but for the flattening, which changes the fourth decimal place
    south, north = shapely.box(10, 60, 11, 60.3), shapely.box(10, 60.15, 11, 61)
    found = asked(con, shapely.box(10, 60, 10.1, 60.4), [south, north])
    low, middle, high = np.sin(np.radians([60, 60.3, 60.4]))
    assert found == pytest.approx([(middle - low) / (high - low), (high - middle) / (high - low)], abs=2e-4)
    assert abs(found[0] - 0.75) > 1e-3


def test_rows_of_null_and_of_many_sites(con: duckdb.DuckDBPyConnection) -> None:
    random = np.random.default_rng(9)
    sites = [SITE, None, shapely.Point(10, 50), SITE, SITE]
    areas = [rectangles(random, number, 0.002) for number in (4, 3, 1, 0, 7)]
    con.execute("CREATE OR REPLACE TABLE asked (id INTEGER, site BLOB, areas BLOB[], shared DOUBLE[])")
    for number, (site, around) in enumerate(zip(sites, areas, strict=True)):
        shared = [shapely.intersection(SITE, area).area for area in around]
        wkb = None if site is None else shapely.to_wkb(site)
        con.execute("INSERT INTO asked VALUES (?, ?, ?, ?)", [number, wkb, [shapely.to_wkb(area) for area in around], shared])
    rows = con.sql("SELECT shares_in_order(site, areas, shared) FROM asked ORDER BY id").fetchall()
    found = [row[0] for row in rows]
    assert found[1] is None
    assert found[2:4] == [[1], []]
    for number in (0, 4):
        assert found[number] == pytest.approx(expected(SITE, areas[number]), abs=1e-4)


def test_lists_of_different_lengths_are_an_error(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.Error, match="differ in number"):
        con.execute("SELECT shares_in_order(?, [?]::BLOB[], [1, 2]::DOUBLE[])", [shapely.to_wkb(SITE)] * 2)
