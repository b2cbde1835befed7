"""Search areas cover every installation with its margin, anywhere on earth, in few valid polygons."""

from __future__ import annotations

import math

import h3.api.basic_int as h3
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.raw.stac_areas import box_area, cell_areas

GEOD = pyproj.Geod(ellps="WGS84")
LATITUDES = st.floats(-90, 90) | st.sampled_from([-90.0, 90.0, 0.0, 89.9, -16.5])
LONGITUDES = st.floats(-180, 180) | st.sampled_from([-180.0, 180.0, 179.999, -179.999, 0.0])
PLACES = st.lists(st.tuples(LATITUDES, LONGITUDES), min_size=1, max_size=12)


def cells(places: list[tuple[float, float]], resolution: int) -> set[int]:
    return {h3.latlng_to_cell(lat, lng, resolution) for lat, lng in places}


@given(PLACES, st.integers(3, 5), st.sampled_from([0.0, 500.0, 5000.0]), st.floats(0, 360))
@settings(max_examples=120)
def test_every_place_and_its_margin_are_covered(places, resolution, buffer_m, azimuth) -> None:
    areas = cell_areas(cells(places, resolution), group_resolution=1, buffer_m=buffer_m)
    for area in areas:
        west, south, east, north = area.geometry.bounds
        assert area.geometry.is_valid
        assert -180 <= west <= east <= 180
        assert -90 <= south <= north <= 90
    world = shapely.union_all([area.geometry for area in areas])
    for lat, lng in places:
        # An edge is an arc, drawn straight: tens of metres at these sizes (120 m at resolution 3), more towards the poles
        off_deg = 2e-3 / max(math.cos(math.radians(lat)), 1e-6)
        assert shapely.distance(world, shapely.Point(lng, lat)) < off_deg
        if buffer_m == 5000.0 and abs(lat) < 85:
            there_lng, there_lat, _ = GEOD.fwd(lng, lat, azimuth, buffer_m * 0.95)
            assert shapely.intersects(world, shapely.Point(there_lng, there_lat))


def test_neighbours_are_merged_and_the_order_of_cells_does_not_count() -> None:
    disk = h3.grid_disk(h3.latlng_to_cell(39.5, -105.0, 4), 2)
    cells = [*disk, h3.latlng_to_cell(51.0, 12.0, 4)]
    areas = cell_areas(cells, group_resolution=1, buffer_m=1000)
    assert [area.key for area in areas] == sorted({h3.int_to_str(h3.cell_to_parent(cell, 1)) for cell in cells})
    assert sum(len(shapely.get_parts(area.geometry)) for area in areas) == len(areas) < len(cells)
    again = cell_areas(reversed(cells), group_resolution=1, buffer_m=1000)
    assert [(area.key, area.geometry.normalize()) for area in again] == [
        (area.key, area.geometry.normalize()) for area in areas
    ]


def test_a_cell_at_the_antimeridian_lies_on_both_sides() -> None:
    (area,) = cell_areas([h3.latlng_to_cell(-16.8, 179.99, 4)], group_resolution=4, buffer_m=1000)
    assert area.geometry.bounds[0] == pytest.approx(-180.0)
    assert area.geometry.bounds[2] == pytest.approx(180.0)
    assert area.geometry.area < 1.0


def test_a_box_may_cross_the_antimeridian() -> None:
    area = box_area(179, -20, -179, -10)
    assert sorted(part.bounds for part in shapely.get_parts(area.geometry)) == [(-180, -20, -179, -10), (179, -20, 180, -10)]
    assert box_area(5, 50, 6, 51).geometry.equals(shapely.box(5, 50, 6, 51))
