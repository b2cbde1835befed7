"""Areas of interest: the cells around what has been landed."""

from __future__ import annotations

import h3.api.basic_int as h3
import pytest
import shapely
from context_lake import land_pv

from dataflows.raw.context_areas import areas_of_interest, trusted_tables
from db import connect
from db.errors import LakeNotFoundError
from db.settings import Settings


def cells(settings: Settings, resolution: int = 8) -> set[int]:
    with connect(read_only=True, lake=settings) as lake:
        return {int(cell) for cell in areas_of_interest(lake, resolution, 1).cells}


def test_a_point_has_its_cell_and_those_around(home: Settings) -> None:
    land_pv(home, [shapely.Point(11.0, 48.0), shapely.Point(11.0, 48.0)])
    assert cells(home) == set(h3.grid_disk(h3.latlng_to_cell(48.0, 11.0, 8), 1))


def test_datasets_of_low_trust_say_nothing_of_where_pv_is(home: Settings) -> None:
    land_pv(home, [shapely.Point(11.0, 48.0)])
    before = cells(home)
    land_pv(home, [shapely.Point(-100.0, 40.0)], key="rumours", trust="low")
    with connect(read_only=True, lake=home) as lake:
        assert trusted_tables(lake) == ["some_pv"]
    assert cells(home) == before


def test_a_large_site_is_covered_whole(home: Settings) -> None:
    site = shapely.box(11.0, 48.0, 11.1, 48.08)
    land_pv(home, [site])
    found = cells(home)
    inside = h3.h3shape_to_cells(h3.geo_to_h3shape(site), 8)
    assert len(inside) > 50
    assert set(inside) <= found


def test_parts_far_apart_are_areas_of_their_own(home: Settings) -> None:
    far = shapely.MultiPolygon([shapely.box(11.0, 48.0, 11.001, 48.001), shapely.box(12.0, 49.0, 12.001, 49.001)])
    land_pv(home, [far])
    assert len(cells(home)) == 14


def test_a_site_across_the_antimeridian_is_near_on_both_sides(home: Settings) -> None:
    land_pv(home, [shapely.MultiPolygon([shapely.box(179.999, -17, 180, -16.999), shapely.box(-180, -17, -179.999, -16.999)])])
    found = cells(home)
    assert {h3.latlng_to_cell(-16.9995, lng, 8) for lng in (179.9995, -179.9995)} <= found
    assert len(found) < 20


def test_features_without_a_place_are_in_no_area(home: Settings) -> None:
    land_pv(home, [shapely.Point(), None])
    assert cells(home) == set()


def test_a_lake_without_pv_says_what_to_do(home: Settings) -> None:
    with connect(lake=home) as lake, pytest.raises(LakeNotFoundError, match="Run 'eopv ingest' first"):
        areas_of_interest(lake, 8, 1)
