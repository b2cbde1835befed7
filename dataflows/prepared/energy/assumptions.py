"""Everything that the energy yield takes for granted, with its source; docs/energy.md shows the same table."""

from __future__ import annotations

import numpy as np
import pvlib
from numpy.typing import NDArray

LOSSES_PCT = float(pvlib.pvsystem.pvwatts_losses())
"""Soiling 2, shading 3, mismatch 2, wiring 2, connections 0.5, light-induced degradation 1.5, nameplate 1, availability 3 %;
14.08 % together. PVWatts version 5 (Dobos 2014, NREL/TP-6A20-62641). Neither snow nor age."""

GAMMA_PER_C = -0.0037
"""Power of modules per °C: PVWatts' standard module."""

INVERTER_EFFICIENCY = 0.96
"""Nominal, of PVWatts."""

ALBEDO = 0.2

TRACKER_MAX_DEG = 60.0
"""Largest rotation of one-axis trackers, whose axis is level and runs from north to south."""

GROUND_COVERAGE = 0.4
"""Of rows of trackers, for backtracking: PVWatts' default."""

WIND_M_S = 1.0
"""Where none is given."""

MAX_STATION_KM = 50.0
"""A station's year says nothing of sites farther away."""

MIN_SHARE_OF_MONTH = 0.95
"""Of the instants of every calendar month, at a series' own step, that a series has to hold to count as a year."""

CLEAR_SKY_INDEX = 0.75
"""Global horizontal irradiation over that of clear skies, where neither is known: about 0.6 in Germany, 0.85 in deserts."""

# Standard deviations of the natural logarithm of an installation's energy
SIGMA_STATION = 0.04
"""Of a station's typical year (Sengupta et al. 2018, 10.1016/j.rser.2018.03.003: GHI of NSRDB within 5 %)."""
SIGMA_STATION_PER_KM = 0.001
SIGMA_PVOUT = 0.05
"""Of Global Solar Atlas' PVOUT (Solargis states ±8 % at 90 % for most places)."""
SIGMA_GHI = 0.07
"""Of energy by yearly irradiation, distributed over clear days."""
SIGMA_CLEAR_SKY = 0.15
"""Of energy by the assumed clear-sky index."""
SIGMA_TRACKED_SKY = 0.15
"""Of modules that follow the sun where only clear skies are known, beside ``SIGMA_CLEAR_SKY``: they gain by direct light, of
which there is more than average where it is sunny, and less where it is not. Learnt from what US plants reported to the EIA
(``python -m benchmarks.energy yields``), without the states that ``benchmarks.energy.pairs`` keeps for tests."""
SIGMA_YEAR = 0.04
"""One year after another (Gueymard & Wilcox 2011, 10.1016/j.solener.2011.02.016: GHI varies by 2 to 6 %)."""
SIGMA_MONTH = 0.12
"""One month after the same one of another year (as above), beside that of the year."""
SIGMA_MONTH_OF_CLEAR_SKY = 0.15
"""Of a month's share where clear skies distribute the year."""
SIGMA_LOSSES = 0.04
SIGMA_ORIENTATION = 0.01
SIGMA_TILT = 0.03
"""Tilt or azimuth of ground-mounted modules is assumed."""
SIGMA_ROOF = 0.08
"""Tilt or azimuth of modules on a roof is assumed."""
SIGMA_AXIS_UP = 0.12
"""Upwards only: whether modules follow the sun is not known, and they are taken for fixed."""
SIGMA_KNOWN_CAPACITY = 0.01
SIGMA_DC_AC_RATIO = 0.12
"""Of DC by AC, and the ratio of dbt_project.yml: from 1.0 to 1.5 at 90 % of USPVDB's sites."""
SIGMA_STATED_CAPACITY = 0.16
"""The source does not say whether its capacity is AC or DC."""
SIGMA_MODELLED_CAPACITY = 0.35
"""Modelled by its source."""

Z_90 = 1.6448536
"""Half the width of a 90 % interval in standard deviations."""


def best_tilt_deg(lat_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tilt at which fixed modules that face the equator yield most: Jacobson & Jadhav 2018, 10.1016/j.solener.2018.04.030.

    Args:
        lat_deg: latitude, degrees, any shape.

    Returns:
        Degrees from the horizontal, 0 to 60, same shape.
    """
    north = 1.3793 + lat_deg * (1.2011 + lat_deg * (-0.014404 + lat_deg * 0.000080509))
    south = -(-0.41657 + lat_deg * (1.4216 + lat_deg * (0.024051 + lat_deg * 0.00021828)))
    return np.clip(np.where(lat_deg >= 0, north, south), 0, 60)


def mean_temperature_c(lat_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean air temperature of a year near sea level where none is known, °C: 27 at the equator, 20 at 30°, 0 at 60°."""
    return 27.0 - 0.0076 * lat_deg**2
