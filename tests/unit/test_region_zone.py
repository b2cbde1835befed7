"""Zones of regions: cells and polygons, their UTM zone, and their grid."""

from __future__ import annotations

import h3.api.basic_int as h3
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.cubes.region.zone import covered_share, utm_epsg, zone_geometry, zone_grid, zone_in
from db.errors import CubeError


@pytest.mark.parametrize(
    ("longitude", "latitude", "epsg"),
    [(11, 48, 32632), (-20.5, 44.8, 32627), (18.5, -34, 32734), (179.5, -17, 32760), (-179.5, 66, 32601), (0.1, 83.5, 32631)],
)
def test_the_utm_zone_is_the_sixth_degree(longitude, latitude, epsg):
    """Snyder 1987, Map projections: a working manual, USGS Professional Paper 1395, page 57."""
    assert utm_epsg(shapely.Point(longitude, latitude).buffer(0.1)) == epsg
    assert epsg % 100 == int((longitude + 180) // 6) + 1


@settings(max_examples=25)
@given(st.floats(-180, 180), st.floats(-70, 70), st.integers(3, 9))
def test_a_cell_keeps_its_area_wherever_it_is(longitude: float, latitude: float, resolution: int):
    cell = h3.latlng_to_cell(latitude, longitude, resolution)
    geometry = zone_geometry(cell)
    assert geometry.equals(zone_geometry(h3.int_to_str(cell)))
    west, _, east, _ = geometry.bounds
    assert -180 <= west < east <= 180
    epsg = utm_epsg(geometry)
    projected = zone_in(geometry, epsg)
    assert projected.is_valid
    # H3 counts on the sphere; UTM's scale is 0.9996 to 1.001 in a zone, and a large cell reaches beyond it
    assert projected.area == pytest.approx(h3.cell_area(cell, "m^2"), rel=0.03)


def test_a_cell_on_the_antimeridian_is_one():
    cell = h3.latlng_to_cell(-17.0, 180.0, 4)
    geometry = zone_geometry(cell)
    assert geometry.geom_type == "MultiPolygon"
    assert utm_epsg(geometry) in (32701, 32760)
    assert zone_in(geometry, utm_epsg(geometry)).geom_type == "Polygon"
    west, _, east, _ = zone_grid(geometry, utm_epsg(geometry), 100).bounds.bbox
    assert 30_000 < east - west < 70_000


def test_shares_of_pixels_sum_up_to_the_area():
    polygon = shapely.Point(11.0, 48.0).buffer(0.01).union(shapely.Point(11.05, 48.0).buffer(0.002))
    grid = zone_grid(polygon, 32632, 20)
    to = pyproj.Transformer.from_crs(4326, 32632, always_xy=True)
    area = shapely.transform(polygon, lambda xy: np.stack(to.transform(xy[:, 0], xy[:, 1]), axis=1)).area
    share = covered_share(polygon, grid)
    assert share.shape == grid.shape
    assert share.sum(dtype=float) * 400 == pytest.approx(area, rel=1e-4)
    assert share[0].max() > 0
    assert share[:, -1].max() > 0


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        (h3.latlng_to_cell(90, 0, 3), "pole"),
        (12345, "no H3 cell"),
        ("zz", "no H3 cell"),
        (shapely.LineString([(0, 0), (1, 1)]), "valid polygon"),
        (shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "Self-intersection"),
        (shapely.box(170, 0, 190, 1), "no degrees"),
    ],
)
def test_what_is_no_zone(zone, message):
    with pytest.raises(CubeError, match=message):
        zone_geometry(zone)


def test_where_there_is_no_utm_or_no_such_crs():
    with pytest.raises(CubeError, match="no UTM zone at latitude 86"):
        utm_epsg(shapely.box(0, 85.5, 1, 86.5))
    with pytest.raises(CubeError, match="EPSG:99 is no CRS"):
        zone_in(shapely.box(0, 0, 1, 1), 99)
