"""Alternating current of 1 kWp under a given sky: PVWatts' chain of models, as pvlib has them, on arrays.

The chain is cut where it forks, so that nothing is computed twice: one sun has several planes, a plane several skies, a sky's
light on a plane several temperatures, and a direct current several inverters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pvlib
from numpy.typing import NDArray

from dataflows.prepared.energy import assumptions as assumed

Floats = NDArray[np.float64]

LOWEST_SUN = 0.01745
"""Cosine of the zenith below which pvlib's Hay & Davies takes the sun to stand higher than it does, as the ratio explodes."""


@dataclass(frozen=True)
class Sun:
    """Where the sun is, each array (n,); one row an instant at a place.

    Attributes:
        zenith: apparent zenith, degrees.
        azimuth: degrees clockwise from north.
        dni_extra: direct normal irradiance outside the atmosphere, W/m².
    """

    zenith: Floats
    azimuth: Floats
    dni_extra: Floats


@dataclass(frozen=True)
class Sky:
    """Irradiance, each array (n,), or (m, n) for m skies under one sun.

    Attributes:
        ghi: global horizontal, W/m².
        dni: direct normal, W/m².
        dhi: diffuse horizontal, W/m².
    """

    ghi: Floats
    dni: Floats
    dhi: Floats


@dataclass(frozen=True)
class Plane:
    """How modules stand to the sun, each array (n,), or (m, n) for m planes under one sun.

    Attributes:
        tilt: degrees from the horizontal.
        incidence: cosine of the angle between the sun and the modules' normal; nought where the sun is behind them.
        transmitted: share of direct light that passes the glass.
    """

    tilt: Floats
    incidence: Floats
    transmitted: Floats

    def taken(self, rows: NDArray[np.int64]) -> Plane:
        """Some planes of several."""
        return Plane(self.tilt[rows], self.incidence[rows], self.transmitted[rows])


@dataclass(frozen=True)
class Light:
    """What falls on modules, of the shape of sky and plane.

    Attributes:
        incident: W/m², which warms them.
        absorbed: W/m² of it that passes the glass.
    """

    incident: Floats
    absorbed: Floats


def surface(axis: str, tilt_deg: float, azimuth_deg: float, sun: Sun) -> tuple[Floats, Floats]:
    """Tilt and azimuth of modules at each instant, degrees, (n,) each.

    Args:
        axis: ``fixed``; ``single``, a level axis from north to south with backtracking; ``dual``, towards the sun.
        tilt_deg: of fixed modules.
        azimuth_deg: of fixed modules.
        sun: where it is.
    """
    if axis == "single":
        tracked = pvlib.tracking.singleaxis(
            sun.zenith,
            sun.azimuth,
            axis_tilt=0,
            axis_azimuth=180,
            max_angle=assumed.TRACKER_MAX_DEG,
            backtrack=True,
            gcr=assumed.GROUND_COVERAGE,
        )
        # Nothing is said of the night
        return np.nan_to_num(tracked["surface_tilt"]), np.nan_to_num(tracked["surface_azimuth"], nan=180.0)
    if axis == "dual":
        return np.clip(sun.zenith, 0, 90), sun.azimuth
    return np.full(sun.zenith.shape, tilt_deg), np.full(sun.zenith.shape, azimuth_deg)


def plane(tilt_deg: Floats, azimuth_deg: Floats, sun: Sun) -> Plane:
    """How surfaces stand to the sun (Fresnel reflection); arguments as of :func:`surface`, (n,) or (m, n)."""
    cosine = pvlib.irradiance.aoi_projection(tilt_deg, azimuth_deg, sun.zenith, sun.azimuth)
    transmitted = pvlib.iam.physical(np.degrees(np.arccos(cosine)))
    return Plane(tilt_deg, np.maximum(cosine, 0), transmitted)


def light(sky: Sky, plane: Plane, sun: Sun) -> Light:
    """Light on modules: Hay & Davies' transposition, and the ground's reflection."""
    diffuse = pvlib.irradiance.haydavies(
        plane.tilt,
        None,
        sky.dhi,
        sky.dni,
        sun.dni_extra,
        projection_ratio=plane.incidence / np.maximum(np.cos(np.radians(sun.zenith)), LOWEST_SUN),
    )
    diffuse = diffuse + pvlib.irradiance.get_ground_diffuse(plane.tilt, sky.ghi, assumed.ALBEDO)
    direct = np.maximum(sky.dni * plane.incidence, 0)
    return Light(direct + diffuse, direct * plane.transmitted + diffuse)


def direct_current(light: Light, temperature_c: Floats, wind_m_s: Floats | float) -> Floats:
    """Power of 1 kWp after all losses before the inverter, kW, of the shape of ``light``.

    Faiman's module temperature, PVWatts' modules and losses (Dobos 2014, NREL/TP-6A20-62641).

    Args:
        light: on the modules.
        temperature_c: of the air, °C.
        wind_m_s: wind speed, m/s.
    """
    temperature = pvlib.temperature.faiman(light.incident, temperature_c, wind_m_s)
    dc = pvlib.pvsystem.pvwatts_dc(light.absorbed, temperature, 1.0, assumed.GAMMA_PER_C)
    return np.maximum(dc, 0) * (1 - assumed.LOSSES_PCT / 100)


def alternating_current(dc: Floats, dc_ac_ratio: Floats | float) -> Floats:
    """Power behind PVWatts' inverter, which clips at 1/``dc_ac_ratio`` kW; kW, of the shape of ``dc``."""
    rated = 1 / (dc_ac_ratio * assumed.INVERTER_EFFICIENCY)
    return np.maximum(pvlib.inverter.pvwatts(dc, rated, eta_inv_nom=assumed.INVERTER_EFFICIENCY), 0)
