"""Boxes around cells hold whatever descends from the cell: measured with the h3 package, not with h3ronpy."""

from __future__ import annotations

import h3.api.basic_int as h3
import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from dataflows.prepared.cell_boxes import REACH, cell_boxes

DEPTH = 3


def some_cells(resolution: int, count: int) -> list[int]:
    """Cells all over the globe, the pentagons and what lies at the poles and on the antimeridian among them."""
    random = np.random.default_rng(resolution)
    z, lon = random.uniform(-1, 1, count), random.uniform(-180, 180, count)
    anywhere = [h3.latlng_to_cell(float(np.degrees(np.arcsin(y))), x, resolution) for x, y in zip(lon, z, strict=True)]
    special = [h3.latlng_to_cell(lat, lng, resolution) for lat, lng in ((90, 0), (-90, 0), (0, 180), (66, 180), (-80, -180))]
    return list(dict.fromkeys([*anywhere, *special, *h3.get_pentagons(resolution)]))


def corners(cell: int) -> NDArray[np.float64]:
    """Longitudes and latitudes of the corners of all cells DEPTH resolutions below."""
    below = h3.cell_to_children(cell, h3.get_resolution(cell) + DEPTH)
    return np.array([place[::-1] for child in below for place in h3.cell_to_boundary(child)])


def unit(places: NDArray[np.float64]) -> NDArray[np.float64]:
    lon, lat = np.radians(places).T
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


@pytest.mark.parametrize("resolution", [0, 1, 2, 5, 6, 8])
def test_hold_all_descendants(resolution: int) -> None:
    cells = some_cells(resolution, 150)
    for cell, box in zip(cells, cell_boxes(np.array(cells, np.uint64)), strict=True):
        lon, lat = corners(cell).T
        assert shapely.intersects_xy(box, lon, lat).all(), h3.int_to_str(cell)
        lon, lat = np.array(h3.cell_to_latlng(cell))[::-1]
        assert shapely.intersects_xy(box, lon, lat)


@pytest.mark.parametrize("resolution", [0, 1, 2, 5, 6])
def test_reach_of_descendants(resolution: int) -> None:
    greatest = 0.0
    for cell in some_cells(resolution, 150):
        centre = unit(np.array([h3.cell_to_latlng(cell)[::-1]]))
        own = unit(np.array([place[::-1] for place in h3.cell_to_boundary(cell)]))
        radius, reach = (
            2 * np.arcsin(np.linalg.norm(places - centre, axis=1).max() / 2) for places in (own, unit(corners(cell)))
        )
        greatest = max(greatest, reach / radius)
    # Below, each further resolution adds at most its own excess: a seventh of an eighteenth of the first one's
    assert greatest + (REACH - 1) / 7 ** (DEPTH / 2) < REACH
    assert greatest < 1.063


def test_antimeridian_and_poles() -> None:
    pole, across, plain = cell_boxes(
        np.array([h3.latlng_to_cell(90, 0, 2), h3.latlng_to_cell(0, 180, 2), h3.latlng_to_cell(0, 90, 2)], np.uint64)
    )
    west, south, east, north = pole.bounds
    assert (west, east, north) == (-180, 180, 90)
    assert 80 < south < 90
    assert across.geom_type == "MultiPolygon"
    assert across.bounds[0] == -180
    assert across.bounds[2] == 180
    assert across.area < 50
    assert plain.geom_type == "Polygon"
