"""``covered_points`` in SQL against Shapely's predicates, which prepare nothing."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pytest
import shapely

from db import covered_points
from db.arrow_functions import provide

RING = shapely.box(0, 0, 4, 4).difference(shapely.box(1, 1, 2, 2))
STAR = shapely.Point(10, 50).buffer(3).symmetric_difference(shapely.Point(11, 51).buffer(2))


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        provide(con, covered_points.FUNCTIONS)
        yield con


def asked(con: duckdb.DuckDBPyConnection, polygon: shapely.Geometry | None, lon: object, lat: object) -> list[bool] | None:
    wkb = shapely.to_wkb(polygon) if polygon is not None else None
    return con.execute("SELECT covered_points(?, ?::DOUBLE[], ?::DOUBLE[])", [wkb, lon, lat]).fetchone()[0]


def test_corners_edges_and_holes(con: duckdb.DuckDBPyConnection) -> None:
    #                     corner, edge, within, in the hole, on the hole's edge, outside
    lon, lat = [0.0, 2, 3, 1.5, 1, 5], [0.0, 0, 3, 1.5, 1.5, 5]
    assert asked(con, RING, lon, lat) == [True, True, True, False, True, False]


def test_equals_the_plain_predicate(con: duckdb.DuckDBPyConnection) -> None:
    random = np.random.default_rng(5)
    lon, lat = random.uniform(6, 14, 20_000), random.uniform(46, 54, 20_000)
    expected = shapely.intersects(STAR, shapely.points(lon, lat))
    assert 2_000 < expected.sum() < 18_000
    assert asked(con, STAR, lon.tolist(), lat.tolist()) == expected.tolist()


def test_many_polygons_with_lists_of_many_lengths(con: duckdb.DuckDBPyConnection) -> None:
    random = np.random.default_rng(6)
    con.execute("CREATE OR REPLACE TABLE polygons (id INTEGER, wkb BLOB)")
    circles = shapely.buffer(shapely.points(random.uniform(0, 10, (5_000, 2))), random.uniform(0.1, 2, 5_000))
    con.executemany("INSERT INTO polygons VALUES (?, ?)", list(enumerate(map(shapely.to_wkb, circles[:50]))))
    con.execute(
        "CREATE OR REPLACE TABLE points AS SELECT range AS place, random() * 10 AS x, random() * 10 AS y,"
        " (pow(random(), 3) * 50)::INTEGER AS id FROM range(30_000)"
    )
    found = con.sql(
        """
        SELECT id, unnest(xs) AS x, unnest(ys) AS y, unnest(covered_points(wkb, xs, ys)) AS covered
        FROM (SELECT id, list(x) AS xs, list(y) AS ys FROM points GROUP BY id)
        JOIN polygons USING (id)
        """
    ).to_arrow_table()
    id_, x, y, covered = (found[name].to_numpy() for name in ("id", "x", "y", "covered"))
    assert len(id_) > 29_000
    assert (covered == shapely.intersects_xy(circles[id_], x, y)).all()


def test_null(con: duckdb.DuckDBPyConnection) -> None:
    assert asked(con, None, [1.0], [1.0]) is None
    assert asked(con, RING, None, [1.0]) is None
    assert asked(con, RING, [], []) == []
    assert asked(con, RING, [None, 3.0, float("nan")], [3.0, 3.0, 3.0]) == [False, True, False]


def test_points_without_a_latitude_are_an_error(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="2 longitudes and 1 latitudes"):
        asked(con, RING, [1.0, 2.0], [1.0])


def test_is_registered_once(con: duckdb.DuckDBPyConnection) -> None:
    with con.cursor() as cursor:
        provide(cursor, covered_points.FUNCTIONS)
    assert asked(con, RING, [3.0], [3.0]) == [True]
