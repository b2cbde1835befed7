"""Stations whose series hold a year, and the energy of 1 kWp there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pvlib
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dataflows.prepared.energy import assumptions as assumed
from dataflows.prepared.energy.calendar import DAYS
from dataflows.prepared.energy.modules import Sky, Sun, alternating_current, direct_current, light, plane, surface

EARTH_KM = 6371.0088


@dataclass(frozen=True)
class Station:
    """A series that holds a year; only the instants with light are kept, n of them.

    Attributes:
        source: where it is from.
        station_id: its id there.
        lon_deg: longitude, degrees.
        lat_deg: latitude, degrees.
        sun: where it is, (n,).
        sky: irradiance, (n,).
        temperature_c: of the air, °C, (n,).
        wind_m_s: wind speed, m/s, (n,).
        month: 1 to 12 (UTC), (n,).
        n_instants: of each month, those without light too, (12,).
    """

    source: str
    station_id: str
    lon_deg: float
    lat_deg: float
    sun: Sun
    sky: Sky
    temperature_c: NDArray[np.float64]
    wind_m_s: NDArray[np.float64]
    month: NDArray[np.int64]
    n_instants: NDArray[np.int64]

    def monthly_kwh(
        self, axis: str, tilt_deg: float, azimuth_deg: float, dc_ac_ratios: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Energy of 1 kWp of DC in each month of 365 days, kWh, (m, 12), behind inverters of m ratios of DC to AC."""
        modules = plane(*surface(axis, tilt_deg, azimuth_deg, self.sun), self.sun)
        dc = direct_current(light(self.sky, modules, self.sun), self.temperature_c, self.wind_m_s)
        sums = [np.bincount(self.month, alternating_current(dc, ratio), 13)[1:] for ratio in dc_ac_ratios]
        return np.array(sums).reshape(-1, 12) / self.n_instants * DAYS * 24


def station(series: pd.DataFrame) -> Station | None:
    """A station from its rows of ``stg_irradiance``, or None where they do not hold a year.

    Clear-sky series are none, and neither is one that lacks more than 5 % of any calendar month: a fortnight is no year.

    Args:
        series: one source's rows of one station and release.
    """
    needed = ["ghi_w_m2", "dni_w_m2", "dhi_w_m2", "temperature_c"]
    series = series[series["kind"] != "clear_sky"].dropna(subset=needed).drop_duplicates("time").sort_values("time")
    times = pd.DatetimeIndex(series["time"]).tz_convert("UTC")
    if not _is_whole_year(times):
        return None
    n_instants = np.bincount(times.month, minlength=13)[1:]
    # Without light there is no power: half of the year need not be computed
    lit = series[["ghi_w_m2", "dni_w_m2", "dhi_w_m2"]].gt(0).any(axis=1).to_numpy()
    series, times = series[lit], times[lit]
    first = series.iloc[0]
    elevation_m = 0.0 if pd.isna(first["elevation_m"]) else float(first["elevation_m"])
    sun = pvlib.solarposition.get_solarposition(times, first["lat_deg"], first["lon_deg"], altitude=elevation_m)
    ghi, dni, dhi, temperature_c = (series[name].to_numpy(dtype=float) for name in needed)
    return Station(
        first["source"],
        first["station_id"],
        float(first["lon_deg"]),
        float(first["lat_deg"]),
        Sun(
            sun["apparent_zenith"].to_numpy(),
            sun["azimuth"].to_numpy(),
            pvlib.irradiance.get_extra_radiation(times).to_numpy(),
        ),
        Sky(ghi, dni, dhi),
        temperature_c,
        series["wind_speed_m_s"].fillna(assumed.WIND_M_S).to_numpy(dtype=float),
        times.month.to_numpy(),
        n_instants,
    )


def _is_whole_year(times: pd.DatetimeIndex) -> bool:
    if len(times) < 365:
        return False
    minute = times.hour * 60 + times.minute
    # A typical year has months of several years: steps are taken within a day
    step = int(np.median(np.diff(np.unique(minute)))) if len(np.unique(minute)) > 1 else 1440
    if step > 60:
        return False
    held = pd.DataFrame({"month": times.month, "day": times.day, "minute": minute}).drop_duplicates()
    counts = np.bincount(held["month"], minlength=13)[1:]
    return bool((counts >= assumed.MIN_SHARE_OF_MONTH * DAYS * 1440 / step).all())


def nearest(
    lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64], stations: list[Station]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest station of each place, -1 where none is within ``MAX_STATION_KM``, and its distance in km (infinite then).

    Distances are great circles, right across the antimeridian and at the poles.
    """
    if not stations or not len(lon_deg):
        return np.full(len(lon_deg), -1), np.full(len(lon_deg), np.inf)
    tree = cKDTree(_on_sphere(np.array([s.lon_deg for s in stations]), np.array([s.lat_deg for s in stations])))
    chord, index = tree.query(_on_sphere(lon_deg, lat_deg))
    distance = 2 * EARTH_KM * np.arcsin(np.minimum(chord / 2, 1))
    near = distance <= assumed.MAX_STATION_KM
    return np.where(near, index, -1), np.where(near, distance, np.inf)


def _on_sphere(lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
