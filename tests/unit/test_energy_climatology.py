"""Energy of 1 kWp under a place's average sky: what has to hold whatever the numbers are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.prepared.energy import assumptions as assumed
from dataflows.prepared.energy import climatology
from dataflows.prepared.energy.calendar import DAYS


@given(lat=st.floats(-65, 65), index=st.floats(0.3, 1.0))
def test_what_follows_the_sun_yields_no_less(lat: float, index: float) -> None:
    best = assumed.best_tilt_deg(np.array([lat]))
    fixed, single, dual = (
        _of_climate(axis, lat, index, best, 180.0 if lat >= 0 else 0.0).sum() for axis in ("fixed", "single", "dual")
    )
    # a level axis is no gain where the sun is low, and rows shade one another
    assert dual >= 0.999 * max(fixed, single)
    if abs(lat) < 45:
        assert single >= fixed


@given(lat=st.floats(1, 70), index=st.floats(0.3, 1.0), tilt=st.floats(0, 60))
def test_the_south_is_the_north_half_a_year_later(lat: float, index: float, tilt: float) -> None:
    north = _of_climate("fixed", lat, index, np.array([tilt]), 180.0)[0]
    south = _of_climate("fixed", -lat, index, np.array([tilt]), 0.0)[0]
    # the sun is nearer in January, and its orbit no circle
    assert south.sum() == pytest.approx(north.sum(), rel=0.03)
    daily_north, daily_south = north / DAYS, south / DAYS
    assert np.roll(daily_south, 6) == pytest.approx(daily_north, abs=0.12 * daily_north.max())


def _of_climate(axis: str, lat: float, index: float, tilt: np.ndarray, azimuth: float) -> np.ndarray:
    place = climatology.Places(np.array([lat]), np.full((1, 12), 3.0), np.zeros(1))
    system = {"place": 0, "axis": axis, "tilt": tilt, "azimuth": azimuth, "ratio": 1.2, "index": index, "temperature": 15.0}
    return climatology.monthly_kwh(place, pd.DataFrame(system, index=[0]))


@pytest.mark.parametrize("lat", [-50.0, -35.0, 10.0, 35.0, 50.0])
def test_the_assumed_tilt_yields_within_a_per_cent_of_the_best(lat: float) -> None:
    azimuth = 180.0 if lat > 0 else 0.0
    yields = {tilt: _of_climate("fixed", lat, 0.75, np.array([tilt]), azimuth).sum() for tilt in np.arange(0.0, 70.0, 2.0)}
    assumed_yield = _of_climate("fixed", lat, 0.75, assumed.best_tilt_deg(np.array([lat])), azimuth).sum()
    assert assumed_yield > 0.99 * max(yields.values())


def test_turbidity_and_altitude_are_those_that_pvlib_looks_up() -> None:
    rng = np.random.default_rng(5)
    lon, lat = rng.uniform(-180, 180, 20), rng.uniform(-90, 90, 20)
    turbidity, altitude_m = climatology.atmosphere(lon, lat)
    months = pd.DatetimeIndex([f"2001-{month:02d}-15" for month in range(1, 13)])
    for row in range(20):
        expected = pvlib.clearsky.lookup_linke_turbidity(months, lat[row], lon[row], interp_turbidity=False)
        assert turbidity[row] == pytest.approx(expected.to_numpy())
        assert altitude_m[row] == max(pvlib.location.lookup_altitude(lat[row], lon[row]), 0)
