"""Energy of 1 kWp by clear skies, thinned to what a place gets in a year: where there is no station."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pvlib
from numpy.typing import NDArray

from dataflows.prepared.energy import assumptions as assumed
from dataflows.prepared.energy.calendar import DAYS, MEAN_DAY
from dataflows.prepared.energy.modules import Sky, alternating_current, surface

Floats = NDArray[np.float64]

STEPS = 24
"""Hours of true solar time, at their middle."""
PLACES_AT_ONCE = 1_000
MAPS = Path(pvlib.__file__).parent / "data"

EXTRA = np.repeat(pvlib.irradiance.get_extra_radiation(MEAN_DAY), STEPS)
"""Direct irradiance outside the atmosphere, W/m², at each step of the year."""


def clear_sky_ghi(lat_deg: Floats, turbidity: Floats, altitude_m: Floats) -> Floats:
    """Global horizontal irradiation of a year of clear skies, kWh/m², (n,); arguments as of :func:`monthly_kwh`."""
    zenith, _ = _sun(lat_deg)
    ghi = _clear(zenith, turbidity, altitude_m)["ghi"]
    return (ghi.reshape(-1, 12, STEPS).mean(axis=2) * DAYS * 24 / 1000).sum(axis=1)


def monthly_kwh(
    axis: str,
    lat_deg: Floats,
    turbidity: Floats,
    altitude_m: Floats,
    *,
    clear_sky_index: Floats,
    temperature_c: Floats,
    tilt_deg: Floats,
    azimuth_deg: Floats,
    dc_ac_ratio: Floats,
) -> Floats:
    """Energy of 1 kWp of DC in each month, kWh, (n, 12).

    The average day of each month (Klein) passes partly under a clear sky (Ineichen & Perez 2002), partly under an overcast one
    without direct light. With an index k, k² of the time is clear, and the rest has k/(1+k) of a clear sky's light, so that
    both together have k (Suehrcke 2000, 10.1016/S0038-092X(00)00004-9). The index holds in all months, and temperature all
    year: seasons are those of the sun alone.

    Args:
        axis: ``fixed``, ``single`` or ``dual``.
        lat_deg: latitude of each place, degrees, (n,).
        turbidity: Linke's, (n, 12).
        altitude_m: (n,).
        clear_sky_index: irradiation over that of clear skies, (n,).
        temperature_c: mean of the year, (n,).
        tilt_deg: of fixed modules, (n,).
        azimuth_deg: of fixed modules, (n,).
        dc_ac_ratio: (n,).
    """
    found = np.empty((len(lat_deg), 12))
    for start in range(0, len(lat_deg), PLACES_AT_ONCE):
        part = slice(start, start + PLACES_AT_ONCE)
        found[part] = _monthly_kwh(
            axis,
            lat_deg[part],
            turbidity[part],
            altitude_m[part],
            clear_sky_index[part],
            temperature_c[part],
            tilt_deg[part],
            azimuth_deg[part],
            dc_ac_ratio[part],
        )
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
    with h5py.File(MAPS / file) as opened:
        maps = opened[name]
        values = np.empty((len(row), *maps.shape[2:]))
        for number in np.unique(row):
            here = row == number
            values[here] = maps[number][column[here]]
    return values


def _monthly_kwh(
    axis: str,
    lat_deg: Floats,
    turbidity: Floats,
    altitude_m: Floats,
    clear_sky_index: Floats,
    temperature_c: Floats,
    tilt_deg: Floats,
    azimuth_deg: Floats,
    dc_ac_ratio: Floats,
) -> Floats:
    zenith, azimuth = _sun(lat_deg)
    clear = _clear(zenith, turbidity, altitude_m)
    day = zenith < 90

    def by_day(values: Floats) -> Floats:
        return np.broadcast_to(values, zenith.shape)[day]

    index, dark = by_day(clear_sky_index[:, None]), np.zeros(day.sum())
    overcast = clear["ghi"][day] * index / (1 + index)
    skies = [
        Sky(
            by_day(zenith),
            by_day(azimuth),
            ghi,
            dni,
            dhi,
            by_day(EXTRA),
            by_day(temperature_c[:, None]),
            np.full(len(dark), assumed.WIND_M_S),
        )
        for ghi, dni, dhi in (
            (clear["ghi"][day], clear["dni"][day], clear["dhi"][day]),
            (overcast, dark, overcast),
        )
    ]
    tilt, facing = surface(axis, by_day(tilt_deg[:, None]), by_day(azimuth_deg[:, None]), skies[0])
    ratio = by_day(dc_ac_ratio[:, None])
    under_clear, under_overcast = (alternating_current(sky, tilt, facing, ratio) for sky in skies)
    power = np.zeros(zenith.shape)
    power[day] = index**2 * under_clear + (1 - index**2) * under_overcast
    return power.reshape(-1, 12, STEPS).mean(axis=2) * DAYS * 24


def _sun(lat_deg: Floats) -> tuple[Floats, Floats]:
    """Zenith and azimuth of the sun in degrees, (n, 12 * STEPS), in true solar time."""
    hour_angle = np.radians(np.tile((np.arange(STEPS) + 0.5) * 360 / STEPS - 180, 12))
    declination = np.repeat(pvlib.solarposition.declination_spencer71(MEAN_DAY), STEPS)
    lat = np.radians(lat_deg)[:, None]
    zenith = pvlib.solarposition.solar_zenith_analytical(lat, hour_angle, declination)
    azimuth = pvlib.solarposition.solar_azimuth_analytical(lat, hour_angle, declination, zenith)
    return np.degrees(zenith), np.degrees(azimuth) % 360


def _clear(zenith: Floats, turbidity: Floats, altitude_m: Floats) -> dict[str, Floats]:
    """``ghi``, ``dni`` and ``dhi`` of a clear sky, W/m², each of the shape of ``zenith``; nought at night."""
    pressure = pvlib.atmosphere.alt2pres(altitude_m)[:, None]
    airmass = pvlib.atmosphere.get_absolute_airmass(pvlib.atmosphere.get_relative_airmass(zenith), pressure)
    up = np.isfinite(airmass)
    # at night, the model divides by nought
    clear = pvlib.clearsky.ineichen(
        np.where(up, zenith, 80.0),
        np.where(up, airmass, 5.0),
        np.repeat(turbidity, STEPS, axis=1),
        altitude=altitude_m[:, None],
        dni_extra=EXTRA,
    )
    return {name: np.where(up, np.nan_to_num(clear[name]), 0.0) for name in ("ghi", "dni", "dhi")}
