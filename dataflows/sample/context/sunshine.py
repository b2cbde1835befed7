"""The sun over Helia: long-term means as maps, and typical years that add up to them."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import pvlib
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.optimize import brentq

from dataflows.sample.region import BBOX_DEG, LOCAL_CRS

PIXEL_DEG = 1 / 60
"""One arc-minute; Global Solar Atlas has half of it."""

DAYS_PER_YEAR = 365.25

LINKE_TURBIDITY = 3.0
"""Of clean maritime air."""

TILT_DEG, AZIMUTH_DEG = 34.0, 180.0
"""About the best for a fixed module here, as Global Solar Atlas assumes."""

SYSTEM_EFFICIENCY = 0.95 * 0.97
"""Losses of cables, soiling and mismatch (5 %), and of the inverter, as Global Solar Atlas states for its PVOUT, about."""

GAMMA_PER_K = -0.004
"""Temperature coefficient of the power of crystalline silicon."""


@dataclass(frozen=True)
class SolarMaps:
    """Means of days over many years: (rows, columns) from the north-west, NaN over the sea.

    ``ghi`` in kWh/m², ``temperature`` in °C; ``transform`` leads to degrees.
    """

    ghi: NDArray[np.float32]
    temperature: NDArray[np.float32]
    transform: Affine

    def pvout(self, yield_ratio: float) -> NDArray[np.float32]:
        """kWh/kWp, given how many kWh a kWp makes of 1 kWh/m² on the level."""
        return np.round(self.ghi * yield_ratio, 3).astype(np.float32)

    def at(self, layer: NDArray[np.float32], lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of the pixels that hold some places."""
        column, row = ~self.transform @ (np.asarray(lon_deg), np.asarray(lat_deg))
        return layer[np.floor(row).astype(int), np.floor(column).astype(int)].astype(float)


def solar_maps(land: shapely.Geometry, rng: np.random.Generator) -> SolarMaps:
    """GHI and temperature of Helia, sunnier and warmer in the south.

    Args:
        land: in ``LOCAL_CRS``.
        rng: the random stream.
    """
    west, south, east, north = BBOX_DEG
    shape = (round((north - south) / PIXEL_DEG), round((east - west) / PIXEL_DEG))
    transform = Affine(PIXEL_DEG, 0, west, 0, -PIXEL_DEG, north)
    outline = gpd.GeoSeries([land], crs=LOCAL_CRS).to_crs("EPSG:4326")
    dry = rasterize(outline, shape, transform=transform, all_touched=True).astype(bool)
    northward_deg = (north - south) / 2 - (np.arange(shape[0])[:, None] + 0.5) * PIXEL_DEG
    ghi = 4.10 - 0.16 * northward_deg + 0.10 * _hills(shape, rng)
    temperature = 14.0 - 0.6 * northward_deg + 0.5 * _hills(shape, rng)
    return SolarMaps(_rounded(ghi, dry, 3), _rounded(temperature, dry, 1), transform)


def clear_sky_w_m2(times: pd.DatetimeIndex, sun: pd.DataFrame, elevation_m: float) -> NDArray[np.float64]:
    """Global horizontal irradiance under a clear sky at each time, by Ineichen and Perez.

    Args:
        times: n of them.
        sun: position at these times, of ``pvlib.solarposition``.
        elevation_m: of the place.
    """
    airmass = pvlib.atmosphere.get_absolute_airmass(
        pvlib.atmosphere.get_relative_airmass(sun["apparent_zenith"]), pvlib.atmosphere.alt2pres(elevation_m)
    )
    extra_w_m2 = pvlib.irradiance.get_extra_radiation(times.day_of_year.to_numpy())
    sky = pvlib.clearsky.ineichen(sun["apparent_zenith"], airmass, LINKE_TURBIDITY, elevation_m, extra_w_m2)
    return sky["ghi"].to_numpy()


def typical_year(
    lon_deg: float, lat_deg: float, elevation_m: float, ghi_kwh_m2: float, temperature_c: float, rng: np.random.Generator
) -> pd.DataFrame:
    """8,760 hours of months that were chosen from different years, leap days left out.

    Clear-sky irradiance by Ineichen and Perez, clouds by a random daily and hourly index, the diffuse part by Erbs.

    Args:
        lon_deg: of the place.
        lat_deg: of the place.
        elevation_m: of the place.
        ghi_kwh_m2: what the hours add up to.
        temperature_c: their mean.
        rng: the random stream.

    Returns:
        Index ``time(UTC)``; columns as PVGIS names them: ``T2m`` (°C), ``RH`` (%), ``G(h)``, ``Gb(n)``, ``Gd(h)``, ``IR(h)``
        (W/m²), ``WS10m`` (m/s), ``WD10m`` (degrees), ``SP`` (Pa).
    """
    times = _months_of_years(rng.integers(2006, 2024, 12))
    sun = pvlib.solarposition.get_solarposition(times, lat_deg, lon_deg, altitude=elevation_m)
    clear = clear_sky_w_m2(times, sun, elevation_m)
    index = np.clip(np.repeat(_persistent(365, 0.5, 0.28, rng), 24) + _persistent(8760, 0.6, 0.12, rng) + 0.72, 0.08, 1.0)
    # raised to the power that makes the year's sum the right one
    exponent = brentq(lambda power: (clear * index**power).sum() / 1000 - ghi_kwh_m2, 0.01, 20.0)
    ghi = np.round(clear * index**exponent, 2)
    parts = pvlib.irradiance.erbs(ghi, sun["zenith"].to_numpy(), times.day_of_year.to_numpy())
    hour, day = times.hour.to_numpy() + lon_deg / 15, times.day_of_year.to_numpy()
    warmth = 5.5 * np.cos(2 * np.pi * (day - 215) / 365) + 3.0 * np.cos(2 * np.pi * (hour - 14.5) / 24)
    warmth = warmth + np.repeat(_persistent(365, 0.7, 2.0, rng), 24)
    air_c = temperature_c + warmth - warmth.mean()
    year = pd.DataFrame(
        {
            "T2m": air_c,
            "RH": np.clip(78 - 1.5 * warmth + _persistent(8760, 0.9, 6, rng), 25, 100),
            "G(h)": ghi,
            "Gb(n)": parts["dni"],
            "Gd(h)": parts["dhi"],
            # a sky of emissivity 0.8, as under thin clouds
            "IR(h)": 0.8 * 5.670374e-8 * (air_c + 273.15) ** 4,
            "WS10m": np.abs(5.5 + _persistent(8760, 0.95, 2.2, rng)),
            "WD10m": rng.integers(0, 360, 8760).astype(float),
            "SP": pvlib.atmosphere.alt2pres(elevation_m) + _persistent(8760, 0.99, 700, rng),
        },
        index=pd.DatetimeIndex(times, name="time(UTC)"),
    )
    return year.round(2)


def specific_yield(year: pd.DataFrame, lon_deg: float, lat_deg: float, elevation_m: float) -> float:
    """What a kWp of fixed modules makes of a typical year, in kWh: Hay and Davies' sky, Ross' module temperature, PVWatts."""
    sun = pvlib.solarposition.get_solarposition(year.index, lat_deg, lon_deg, altitude=elevation_m)
    plane = pvlib.irradiance.get_total_irradiance(
        TILT_DEG,
        AZIMUTH_DEG,
        sun["apparent_zenith"],
        sun["azimuth"],
        dni=year["Gb(n)"],
        ghi=year["G(h)"],
        dhi=year["Gd(h)"],
        dni_extra=pvlib.irradiance.get_extra_radiation(year.index.day_of_year.to_numpy()),
        model="haydavies",
    )["poa_global"].fillna(0)
    cell_c = pvlib.temperature.ross(plane, year["T2m"], noct=45)
    dc_kw = pvlib.pvsystem.pvwatts_dc(plane, cell_c, pdc0=1.0, gamma_pdc=GAMMA_PER_K)
    return float(dc_kw.sum() * SYSTEM_EFFICIENCY)


def _months_of_years(years: NDArray[np.int64]) -> pd.DatetimeIndex:
    months = [
        pd.date_range(f"{year}-{month:02d}-01", periods=24 * pd.Timestamp(2001, month, 1).days_in_month, freq="h", tz="UTC")
        for month, year in enumerate(years, start=1)
    ]
    return months[0].append(months[1:])


def _persistent(count: int, memory: float, spread: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """An autoregressive series around zero: each value keeps a part of the one before."""
    return (
        spread
        * pd.Series(rng.normal(size=count)).ewm(alpha=1 - memory).mean().to_numpy()
        / np.sqrt((1 - memory) / (1 + memory))
    )


def _hills(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth noise around zero with a spread of 1."""
    coarse = gaussian_filter(rng.normal(size=(24, 32)), 1.5)
    rows, columns = np.meshgrid(*(np.linspace(0, n - 1, m) for n, m in zip(coarse.shape, shape, strict=True)), indexing="ij")
    return map_coordinates(coarse / coarse.std(), [rows, columns], order=3)


def _rounded(values: NDArray[np.float64], dry: NDArray[np.bool_], decimals: int) -> NDArray[np.float32]:
    return np.where(dry, np.round(np.broadcast_to(values, dry.shape), decimals), np.nan).astype(np.float32)
