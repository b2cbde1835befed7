"""Alternating current of 1 kWp under a given sky: PVWatts' chain of models, as pvlib has them, on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pvlib
from numpy.typing import NDArray

from dataflows.prepared.energy import assumptions as assumed

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sky:
    """Sun and weather, each array of length n; one row an instant at a place.

    Attributes:
        zenith: apparent zenith of the sun, degrees.
        azimuth: of the sun, degrees clockwise from north.
        ghi: global horizontal irradiance, W/m².
        dni: direct normal irradiance, W/m².
        dhi: diffuse horizontal irradiance, W/m².
        dni_extra: the same outside the atmosphere, W/m².
        temperature_c: of the air, °C.
        wind_m_s: wind speed, m/s.
    """

    zenith: Floats
    azimuth: Floats
    ghi: Floats
    dni: Floats
    dhi: Floats
    dni_extra: Floats
    temperature_c: Floats
    wind_m_s: Floats


def surface(axis: str, tilt_deg: Floats | float, azimuth_deg: Floats | float, sky: Sky) -> tuple[Floats, Floats]:
    """Tilt and azimuth of modules at each instant, degrees, (n,) each.

    Args:
        axis: ``fixed``; ``single``, a level axis from north to south with backtracking; ``dual``, towards the sun.
        tilt_deg: of fixed modules.
        azimuth_deg: of fixed modules.
        sky: where the sun is.
    """
    if axis == "single":
        tracked = pvlib.tracking.singleaxis(
            sky.zenith,
            sky.azimuth,
            axis_tilt=0,
            axis_azimuth=180,
            max_angle=assumed.TRACKER_MAX_DEG,
            backtrack=True,
            gcr=assumed.GROUND_COVERAGE,
        )
        # Nothing is said of the night
        return np.nan_to_num(tracked["surface_tilt"]), np.nan_to_num(tracked["surface_azimuth"], nan=180.0)
    if axis == "dual":
        return np.clip(sky.zenith, 0, 90), sky.azimuth
    return np.broadcast_to(tilt_deg, sky.zenith.shape), np.broadcast_to(azimuth_deg, sky.zenith.shape)


def alternating_current(sky: Sky, tilt_deg: Floats, azimuth_deg: Floats, dc_ac_ratio: Floats | float) -> Floats:
    """Power of 1 kWp after all losses, kW, (n,).

    Hay & Davies' transposition, Fresnel reflection, Faiman's module temperature, PVWatts' modules, losses and inverter, which
    clips at 1/``dc_ac_ratio`` kW (Dobos 2014, NREL/TP-6A20-62641).
    """
    incidence = pvlib.irradiance.aoi(tilt_deg, azimuth_deg, sky.zenith, sky.azimuth)
    plane = pvlib.irradiance.get_total_irradiance(
        tilt_deg,
        azimuth_deg,
        sky.zenith,
        sky.azimuth,
        sky.dni,
        sky.ghi,
        sky.dhi,
        dni_extra=sky.dni_extra,
        albedo=assumed.ALBEDO,
        model="haydavies",
    )
    absorbed = plane["poa_direct"] * pvlib.iam.physical(incidence) + plane["poa_diffuse"]
    temperature = pvlib.temperature.faiman(plane["poa_global"], sky.temperature_c, sky.wind_m_s)
    dc = pvlib.pvsystem.pvwatts_dc(np.nan_to_num(absorbed), temperature, 1.0, assumed.GAMMA_PER_C)
    dc = np.maximum(dc, 0) * (1 - assumed.LOSSES_PCT / 100)
    rated = 1 / (dc_ac_ratio * assumed.INVERTER_EFFICIENCY)
    return np.maximum(pvlib.inverter.pvwatts(dc, rated, eta_inv_nom=assumed.INVERTER_EFFICIENCY), 0)
