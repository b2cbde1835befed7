"""Areas of interest: the boxes of cells, wherever on the globe."""

from __future__ import annotations

import h3.api.basic_int as h3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.raw.context_areas import Areas, cell_boxes

# Edges are arcs of great circles: at resolution 4 they bulge out of the box of the corners by less than this
BULGE_DEG = 1e-3


@given(st.floats(-90, 90), st.floats(-180, 180), st.integers(4, 10))
def test_a_place_is_in_the_box_of_its_cell(lat: float, lng: float, resolution: int) -> None:
    boxes = cell_boxes(h3.latlng_to_cell(lat, lng, resolution))
    margin = BULGE_DEG / max(np.cos(np.radians(lat)), 1e-9)
    assert any(
        west - margin <= lng <= east + margin and south - BULGE_DEG <= lat <= north + BULGE_DEG
        for west, south, east, north in boxes
    )
    assert all(-180 <= west <= east <= 180 and -90 <= south <= north <= 90 for west, south, east, north in boxes)


def test_a_cell_across_the_antimeridian_has_two_boxes() -> None:
    boxes = cell_boxes(h3.latlng_to_cell(-17.0, 180.0, 7))
    assert sorted((west, east) for west, _, east, _ in boxes) == [
        (-180.0, pytest.approx(-179.99, abs=0.02)),
        (pytest.approx(179.99, abs=0.02), 180.0),
    ]


@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_the_cell_of_a_pole_is_a_cap(pole: float) -> None:
    ((west, south, east, north),) = cell_boxes(h3.latlng_to_cell(pole, 0.0, 5))
    assert (west, east) == (-180.0, 180.0)
    assert pole in (south, north)


def test_the_digest_is_that_of_the_cells() -> None:
    cells = np.sort(np.array([h3.latlng_to_cell(48, 11, 7), h3.latlng_to_cell(49, 11, 7)], dtype=np.uint64))
    assert Areas(7, cells).digest == Areas(7, cells.copy()).digest != Areas(7, cells[:1]).digest
    assert Areas(7, cells[:0]).centres().shape == (0, 2)
    assert Areas(7, cells[:0]).surroundings().boxes.shape == (0, 4)
