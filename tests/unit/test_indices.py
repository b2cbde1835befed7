"""Spectral indices against values worked out by hand from the papers' formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.cubes.pixels.indices import INDICES, computable, spectral_index
from db.errors import CubeError

VEGETATION = {"blue": 0.03, "green": 0.06, "red": 0.05, "nir": 0.45, "swir16": 0.2}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ndvi", 0.4 / 0.5),
        ("ndwi", -0.39 / 0.51),
        ("evi", 2.5 * 0.4 / (0.45 + 0.3 - 0.225 + 1)),
        ("savi", 1.5 * 0.4 / 1.0),
        ("ndbi", -0.25 / 0.65),
    ],
)
def test_by_hand(name, expected):
    bands = {band: np.array([value]) for band, value in VEGETATION.items()}
    assert spectral_index(name, bands)[0] == pytest.approx(expected, rel=1e-12)


def test_every_index_names_its_paper():
    assert all(index.reference for index in INDICES.values())
    assert set(computable(list(VEGETATION))) == set(INDICES)
    assert computable(["red", "nir"]) == ["ndvi", "savi"]


def test_what_is_not_defined_is_nan_and_stays_out_of_the_neighbours():
    found = spectral_index("ndvi", {"nir": np.array([0.0, np.nan, 0.4]), "red": np.array([0.0, 0.1, 0.1])})
    assert np.isnan(found[:2]).all()
    assert found[2] == pytest.approx(0.6)


def test_hazard_integers_do_not_wrap_around():
    found = spectral_index("ndvi", {"nir": np.array([100], np.uint16), "red": np.array([300], np.uint16)})
    assert found[0] == pytest.approx(-0.5)


@given(st.floats(1e-6, 1), st.floats(1e-6, 1), st.floats(0.1, 1e4))
def test_normalised_differences_lie_within_one_and_do_not_see_a_common_scale(one, other, scale):
    for name in ("ndvi", "ndwi", "ndbi"):
        first, second = INDICES[name].bands
        found = spectral_index(name, {first: np.array([one, one * scale]), second: np.array([other, other * scale])})
        assert abs(found[0]) <= 1
        assert found[1] == pytest.approx(found[0], abs=1e-9)


def test_unknown_index_and_missing_band_are_named():
    with pytest.raises(CubeError, match="ndmi"):
        spectral_index("ndmi", {})
    with pytest.raises(CubeError, match="swir16"):
        spectral_index("ndbi", {"nir": np.zeros(1)})
