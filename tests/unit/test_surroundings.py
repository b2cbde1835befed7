"""Which boxes meet one of the surroundings: the index against comparing every pair."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.surroundings import WIDE_DEG, Surroundings


@st.composite
def boxes(draw: st.DrawFn, largest: int = 20) -> np.ndarray:
    count = draw(st.integers(0, largest))
    rows = []
    for _ in range(count):
        west, south = draw(st.integers(-180, 179)), draw(st.integers(-90, 89))
        width, height = draw(st.sampled_from([0, 0.5, 1, 40])), draw(st.sampled_from([0, 0.5, 1, 40]))
        rows.append((west, south, min(west + width, 180), min(south + height, 90)))
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def every_pair(places: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Of each box, whether one of the places overlaps or touches it, by comparing all edges."""
    a, b = asked[:, None, :], places[None, :, :]
    meets = (a[..., 0] <= b[..., 2]) & (b[..., 0] <= a[..., 2]) & (a[..., 1] <= b[..., 3]) & (b[..., 1] <= a[..., 3])
    return meets.any(axis=1)


@given(boxes(), boxes(40))
def test_the_index_finds_what_all_pairs_find(places: np.ndarray, asked: np.ndarray) -> None:
    assert Surroundings.of(places).meets(asked).tolist() == every_pair(places, asked).tolist()


def test_a_box_that_is_not_known_may_be_anywhere() -> None:
    places = Surroundings.of(np.array([[10.0, 10.0, 11.0, 11.0]]))
    assert places.meets(np.array([[np.nan, 0, 1, 1], [50.0, 50, 51, 51]])).tolist() == [True, False]
    assert Surroundings.of(np.empty((0, 4))).meets(np.array([[np.nan, 0, 1, 1]])).tolist() == [False]


def test_a_box_whose_west_is_beyond_its_east_goes_round_the_world() -> None:
    places = Surroundings.of(np.array([[10.0, 10.0, 11.0, 11.0]]))
    assert places.meets(np.array([[179.0, 5, -179, 15], [179.0, 20, -179, 30]])).tolist() == [True, False]


def test_wide_boxes_and_small_ones_are_asked_alike() -> None:
    places = Surroundings.of(np.array([[0.0, 0.0, 1.0, 1.0]]))
    wide = WIDE_DEG + 1
    assert places.meets(np.array([[-1.0, -1, wide, wide], [5.0, 5, 5 + wide, 5 + wide], [0.5, 0.5, 0.6, 0.6]])).tolist() == [
        True,
        False,
        True,
    ]


def test_the_name_is_that_of_the_set_of_boxes() -> None:
    rows = np.array([[0.0, 0, 1, 1], [2.0, 2, 3, 3]])
    assert Surroundings.of(rows).name == Surroundings.of(rows[::-1]).name
    assert Surroundings.of(rows).name != Surroundings.of(rows[:1]).name
