"""Energy of 1 kWp by clear skies, thinned to what a place gets in a year: where there is no station."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pvlib
from numpy.typing import NDArray

from dataflows.prepared.energy import assumptions as assumed
from dataflows.prepared.energy.calendar import DAYS, MEAN_DAY
from dataflows.prepared.energy.modules import (
    Light,
    Plane,
    Sky,
    Sun,
    alternating_current,
    direct_current,
    light,
    plane,
    surface,
)

Floats = NDArray[np.float64]

STEPS = 24
"""Hours of true solar time, at their middle."""
SYSTEMS_AT_ONCE = 1_000
MAPS = Path(pvlib.__file__).parent / "data"
MAP_CACHE_BYTES = 64 * 2**20
"""Holds a row of the maps' compressed chunks. HDF5's own megabyte does not: each row of pixels would unpack them again."""

EXTRA = np.repeat(pvlib.irradiance.get_extra_radiation(MEAN_DAY), STEPS)
"""Direct irradiance outside the atmosphere, W/m², at each step of the year."""


@dataclass(frozen=True)
class Places:
    """Places and the air above them.

    Attributes:
        lat_deg: latitude, degrees, (n,).
        turbidity: Linke's, of each month, (n, 12).
        altitude_m: metres, (n,).
    """

    lat_deg: Floats
    turbidity: Floats
    altitude_m: Floats


def clear_sky_ghi(places: Places) -> Floats:
    """Global horizontal irradiation of a year of clear skies, kWh/m², (n,)."""
    found = np.empty(len(places.lat_deg))
    for lat_deg, rows in _by_latitude(places.lat_deg):
        sun, day = _daylight(lat_deg)
        sky = _clear(sun, day, places.turbidity[rows], places.altitude_m[rows])
        found[rows] = (_by_month(sky.ghi, day) / 1000).sum(axis=1)
    return found


def monthly_kwh(places: Places, systems: pd.DataFrame) -> Floats:
    """Energy of 1 kWp of DC in each month, kWh, (m, 12).

    The average day of each month (Klein) passes partly under a clear sky (Ineichen & Perez 2002), partly under an overcast one
    without direct light. With an index k, k² of the time is clear, and the rest has k/(1+k) of a clear sky's light, so that
    both together have k (Suehrcke 2000, 10.1016/S0038-092X(00)00004-9). The index holds in all months, and temperature all
    year: seasons are those of the sun alone.

    Places of one latitude have one sun; what is computed of it serves all of them, best where few latitudes differ.

    Args:
        places: where systems stand.
        systems: m rows: ``place`` (position in ``places``), ``axis`` (fixed, single or dual), ``tilt`` and ``azimuth`` of fixed
            modules (degrees), ``ratio`` of DC to AC, ``index`` (irradiation over that of clear skies), ``temperature`` (mean of
            the year, °C).
    """
    found = np.empty((len(systems), 12))
    for lat_deg, rows in _by_latitude(places.lat_deg[systems["place"].to_numpy()]):
        for start in range(0, len(rows), SYSTEMS_AT_ONCE):
            part = rows[start : start + SYSTEMS_AT_ONCE]
            found[part] = _under_one_sun(lat_deg, places, systems.iloc[part])
    return found


def atmosphere(lon_deg: Floats, lat_deg: Floats) -> tuple[Floats, Floats]:
    """Linke turbidity of each month (n, 12) and altitude in metres (n,), from the maps of 5' that pvlib carries.

    The same values as ``pvlib.clearsky.lookup_linke_turbidity`` and ``pvlib.location.lookup_altitude``, which open the file for
    each place: here, a row of the map is read once for all places on it.
    """
    turbidity = _sampled("LinkeTurbidities.h5", "LinkeTurbidity", lon_deg, lat_deg) / 20
    metres = _sampled("Altitude.h5", "Altitude", lon_deg, lat_deg)
    # 255 stands for no data, which pvlib takes for sea level
    return turbidity, np.where(metres == 255, 0, np.maximum(28 * metres - 450, 0))


def _sampled(file: str, name: str, lon_deg: Floats, lat_deg: Floats) -> Floats:
    column = np.clip(np.rint((lon_deg + 180) * 12 - 0.5), 0, 4319).astype(int)
    row = np.clip(np.rint((90 - lat_deg) * 12 - 0.5), 0, 2159).astype(int)
    with h5py.File(MAPS / file, rdcc_nbytes=MAP_CACHE_BYTES) as opened:
        maps = opened[name]
        values = np.empty((len(row), *maps.shape[2:]))
        for number in np.unique(row):
            here = row == number
            west, east = column[here].min(), column[here].max() + 1
            values[here] = maps[number, west:east][column[here] - west]
    return values


def _by_latitude(lat_deg: Floats) -> list[tuple[float, NDArray[np.int64]]]:
    """Latitudes, each with the positions that have it."""
    different, number = np.unique(lat_deg, return_inverse=True)
    order = np.argsort(number, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(number, minlength=len(different)))[:-1]) if len(different) else []
    return list(zip(different.tolist(), parts, strict=True))


def _under_one_sun(lat_deg: float, places: Places, systems: pd.DataFrame) -> Floats:
    """:func:`monthly_kwh` of systems of one latitude."""
    sun, day = _daylight(lat_deg)
    place, places_here = pd.factorize(systems["place"])
    sky = _clear(sun, day, places.turbidity[places_here], places.altitude_m[places_here])
    # From here on, a row is what differs: planes, then planes in places, then systems
    planes, number = _planes(systems, sun)
    pair, pairs = pd.factorize(place * len(planes.tilt) + number)
    modules = planes.taken(pairs % len(planes.tilt))
    here = pairs // len(planes.tilt)
    ghi = sky.ghi[here]
    clear = light(Sky(ghi, sky.dni[here], sky.dhi[here]), modules, sun)
    grey = light(Sky(ghi, np.zeros_like(ghi), ghi), modules, sun)

    def column(name: str) -> Floats:
        return systems[name].to_numpy(dtype=float)[:, None]

    def power(light: Light, share: Floats | float) -> Floats:
        shared = Light(light.incident[pair] * share, light.absorbed[pair] * share)
        dc = direct_current(shared, column("temperature"), assumed.WIND_M_S)
        return alternating_current(dc, column("ratio"))

    index = column("index")
    return _by_month(index**2 * power(clear, 1.0) + (1 - index**2) * power(grey, index / (1 + index)), day)


def _planes(systems: pd.DataFrame, sun: Sun) -> tuple[Plane, NDArray[np.int64]]:
    """The different planes, and the position of each system's among them."""
    orientation = systems[["axis", "tilt", "azimuth"]]
    number = orientation.groupby(list(orientation.columns), sort=False).ngroup().to_numpy()
    different = orientation.iloc[np.unique(number, return_index=True)[1]]
    surfaces = [surface(row.axis, row.tilt, row.azimuth, sun) for row in different.itertuples()]
    return plane(np.array([tilt for tilt, _ in surfaces]), np.array([azimuth for _, azimuth in surfaces]), sun), number


def _by_month(power: Floats, day: NDArray[np.int64]) -> Floats:
    """Sums of each month, (n, 12), in units of ``power`` times hours, of values at the steps of the year with light, (n, m)."""
    whole = np.zeros((len(power), 12 * STEPS))
    whole[:, day] = power
    return whole.reshape(-1, 12, STEPS).mean(axis=2) * DAYS * 24


def _daylight(lat_deg: float) -> tuple[Sun, NDArray[np.int64]]:
    """The sun in true solar time at the steps of the year at which it is up, (n,), and which of ``12 * STEPS`` these are."""
    hour_angle = np.radians(np.tile((np.arange(STEPS) + 0.5) * 360 / STEPS - 180, 12))
    declination = np.repeat(pvlib.solarposition.declination_spencer71(MEAN_DAY), STEPS)
    lat = np.radians(lat_deg)
    zenith = pvlib.solarposition.solar_zenith_analytical(lat, hour_angle, declination)
    azimuth = pvlib.solarposition.solar_azimuth_analytical(lat, hour_angle, declination, zenith)
    day = np.flatnonzero(np.degrees(zenith) < 90)
    return Sun(np.degrees(zenith[day]), np.degrees(azimuth[day]) % 360, EXTRA[day]), day


def _clear(sun: Sun, day: NDArray[np.int64], turbidity: Floats, altitude_m: Floats) -> Sky:
    """Clear skies of places under one sun, (n, m)."""
    pressure = pvlib.atmosphere.alt2pres(altitude_m)[:, None]
    airmass = pvlib.atmosphere.get_absolute_airmass(pvlib.atmosphere.get_relative_airmass(sun.zenith), pressure)
    clear = pvlib.clearsky.ineichen(
        sun.zenith, airmass, turbidity[:, day // STEPS], altitude=altitude_m[:, None], dni_extra=sun.dni_extra
    )
    return Sky(*(np.nan_to_num(clear[name]) for name in ("ghi", "dni", "dhi")))
