"""Both ways of the join of points and areas against Shapely, on areas with holes, enclaves, poles and the antimeridian."""

from __future__ import annotations

from collections.abc import Iterator

import h3.api.basic_int as h3
import numpy as np
import pytest
import shapely
from admin_sql import METHODS, Areas
from area_worlds import AreaWorld, area_worlds
from hypothesis import given, settings
from hypothesis import strategies as st

from db.errors import BuildError

methods = pytest.mark.parametrize("method", METHODS)
# Touch the antimeridian from both sides, as Fiji and Russia do; the last one is around the South Pole, as Antarctica is
EAST = shapely.box(170, -20, 180, -10)
WEST = shapely.MultiPolygon([shapely.box(-180, -20, -175, -10), shapely.box(-170, -20, -165, -10)])
POLAR = shapely.Polygon([(-180, -90), (180, -90), (180, -70), (0, -62), (-180, -70)])


@pytest.fixture(scope="module")
def areas() -> Iterator[Areas]:
    held = Areas()
    yield held
    held.con.close()


def joined(areas: Areas, method: str, world: AreaWorld) -> set[tuple[int, int]]:
    areas.hold(world.polygons)
    areas.place(world.lon, world.lat)
    return areas.joined(method)


@given(area_worlds(), st.booleans())
@settings(max_examples=20, deadline=None)
def test_equals_shapely_anywhere(areas: Areas, world: AreaWorld, fine: bool) -> None:
    coarsest, finest = (4, 8) if fine and world.size_deg < 0.5 else (0, 3) if fine else (2, 6)
    areas.hold(world.polygons, coarsest, finest)
    areas.place(world.lon, world.lat)
    with areas.project.having(admin_coarsest_resolution=coarsest, admin_finest_resolution=finest):
        for method in METHODS:
            assert areas.joined(method) == world.covered(), method


@methods
def test_antimeridian_and_pole(areas: Areas, method: str) -> None:
    random = np.random.default_rng(3)
    lon = np.concatenate([random.uniform(-180, 180, 3_000), random.normal(180, 8, 1_000), [180, -180, 180, -180, 0, 0]])
    lat = np.concatenate([random.uniform(-90, -55, 3_000), random.uniform(-22, -8, 1_000), [-15, -15, -90, -80, -90, -62]])
    lon = np.where(lon > 180, lon - 360, lon)
    world = AreaWorld([EAST, WEST, POLAR], lon, lat, 10)
    found = joined(areas, method, world)
    assert found == world.covered()
    assert {area for _, area in found} == {0, 1, 2}


def test_points_on_the_edges_and_corners_of_cells(areas: Areas) -> None:
    # Where rounding files a point under either cell, it may be the neighbour of the one that was proved to be within
    cells = h3.grid_disk(h3.latlng_to_cell(50, 10, 5), 4)
    corners = np.array([corner[::-1] for cell in cells for corner in h3.cell_to_boundary(cell)])
    middles = (corners + np.roll(corners, 1, axis=0)) / 2
    lon, lat = np.concatenate([corners, middles]).T
    world = AreaWorld([shapely.Polygon(corners[:6]).buffer(0.2), shapely.box(8, 49, 12, 51)], lon, lat, 4)
    assert joined(areas, "h3", world) == world.covered()


def test_most_points_are_decided_without_geometry(areas: Areas) -> None:
    random = np.random.default_rng(4)
    areas.hold([shapely.box(5, 45, 15, 55)])
    areas.place(random.uniform(5, 15, 5_000), random.uniform(45, 55, 5_000))
    border = areas.con.sql("SELECT count(*) FROM cover WHERE resolution = 6 AND NOT is_interior").fetchone()[0]
    areas.con.execute("UPDATE areas SET geometry = ST_GeomFromText('POLYGON EMPTY')")
    decided = len(areas.joined("h3"))
    # a cell of resolution 6 is some 7 km wide, the square 710 km by 1,110 km
    assert 0.95 * 5_000 < decided < 5_000
    assert border < 2_000


def test_cover_is_compact_and_no_cell_lies_in_another(areas: Areas) -> None:
    areas.hold([shapely.box(5, 45, 15, 55), shapely.box(15, 45, 16, 46)])
    rows = areas.con.sql("SELECT area_id, cell, resolution, is_interior FROM cover").fetchall()
    assert {resolution for _, _, resolution, is_interior in rows if not is_interior} == {6}
    assert {resolution for _, _, resolution, is_interior in rows if is_interior} >= {4, 5, 6}
    held = {(area, cell) for area, cell, _, _ in rows}
    assert len(held) == len(rows)
    for area, cell, resolution, _ in rows:
        assert h3.get_resolution(cell) == resolution
        assert not any((area, h3.cell_to_parent(cell, coarser)) in held for coarser in range(2, resolution))


def test_the_spatial_join_is_planned_as_one(areas: Areas) -> None:
    areas.hold([EAST, WEST])
    areas.place(np.array([175.0]), np.array([-15.0]))
    areas.con.execute(f"CREATE OR REPLACE TABLE joined AS {areas.query('spatial_join')}")
    plan = areas.con.sql(f"EXPLAIN {areas.query('spatial_join')}").fetchall()[0][1]
    assert "SPATIAL_JOIN" in plan


def test_the_h3_join_compares_cells_only(areas: Areas) -> None:
    areas.hold([EAST, WEST])
    areas.place(np.array([175.0]), np.array([-15.0]))
    plan = areas.con.sql(f"EXPLAIN {areas.query('h3')}").fetchall()[0][1]
    assert "HASH_JOIN" in plan
    assert not any(operator in plan for operator in ("NESTED_LOOP", "PIECEWISE", "CROSS_PRODUCT", "BLOCKWISE"))


def test_no_points_and_no_areas(areas: Areas) -> None:
    areas.hold([EAST])
    areas.place(np.array([]), np.array([]))
    assert [areas.joined(method) for method in METHODS] == [set(), set()]
    areas.con.execute("DELETE FROM areas")
    areas.con.execute("DELETE FROM cover")
    areas.place(np.array([175.0]), np.array([-15.0]))
    assert [areas.joined(method) for method in METHODS] == [set(), set()]


@pytest.mark.parametrize(
    "geometry", [shapely.Point(1, 1), shapely.Polygon(), shapely.box(170, 0, 190, 10), shapely.box(0, 80, 1, 91), None]
)
def test_what_is_no_area_is_named(areas: Areas, geometry: shapely.Geometry | None) -> None:
    with pytest.raises(BuildError, match="Area 001 is not a polygon in degrees"):
        areas.hold([EAST, geometry])
