"""Made-up weather for tests of the energy yield."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
import pyarrow as pa

from dataflows.prepared.energy.energy_yield import IRRADIANCE

DENVER = (-104.9, 39.7)
TEXTS = ("source", "release", "station_id", "kind")
NO_STATIONS = pa.table(
    {
        name: pa.array([], pa.timestamp("us", "UTC") if name == "time" else pa.string() if name in TEXTS else pa.float64())
        for name in IRRADIANCE
    }
)


def series(lon: float, lat: float, *, days: int = 365, step: str = "1h", kind: str = "tmy", cloud: float = 0.0) -> pd.DataFrame:
    """A station's rows: pvlib's clear sky, thinned by clouds on a third of the days."""
    times = pd.date_range("2019-01-01 00:30", periods=days * 24, freq=step, tz="UTC")
    place = pvlib.location.Location(lat, lon, altitude=0)
    sky = place.get_clearsky(times)
    clouded = np.where(times.day_of_year % 3 == 0, 1 - cloud, 1.0)
    return pd.DataFrame(
        {
            "source": "pvgis_tmy",
            "release": "5.3",
            "station_id": f"{lat}_{lon}",
            "lon_deg": lon,
            "lat_deg": lat,
            "elevation_m": 0.0,
            "kind": kind,
            "time": times,
            "ghi_w_m2": sky["ghi"].to_numpy() * clouded,
            "dni_w_m2": sky["dni"].to_numpy() * clouded**2,
            "dhi_w_m2": sky["dhi"].to_numpy() * clouded,
            "temperature_c": 12
            + 10 * np.sin(2 * np.pi * (times.day_of_year - 100) / 365)
            + 5 * np.sin(2 * np.pi * (times.hour - 14) / 24),
            "wind_speed_m_s": 2.0,
        }
    )
