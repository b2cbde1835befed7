"""How far off a yield may be: independent components, as standard deviations of its logarithm, in quadrature."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataflows.prepared.energy import assumptions as assumed

Floats = NDArray[np.float64]

RESOURCE = {"pvout": assumed.SIGMA_PVOUT, "ghi": assumed.SIGMA_GHI, "clear_sky": assumed.SIGMA_CLEAR_SKY}
CAPACITY = {
    "dc": assumed.SIGMA_KNOWN_CAPACITY,
    "ac": assumed.SIGMA_DC_AC_RATIO,
    "from_dc": assumed.SIGMA_DC_AC_RATIO,
    "stated": assumed.SIGMA_STATED_CAPACITY,
    "modelled": assumed.SIGMA_MODELLED_CAPACITY,
}


def interval_factors(sites: pd.DataFrame, *, monthly: bool) -> tuple[Floats, Floats]:
    """Ends of the 90 % interval of the energy of one year, or of one month, over its expected value; (n,) each.

    Args:
        sites: ``method``, ``station_km``, ``orientation_rule``, ``on_roof``, ``capacity_rule``, and the interval of capacity
            from the area over its median, ``capacity_low_factor`` and ``capacity_high_factor``.
        monthly: of each month rather than of the year.
    """
    station_km = np.where(np.isfinite(sites["station_km"]), sites["station_km"], 0)
    resource = np.where(
        sites["method"] == "tmy",
        assumed.SIGMA_STATION + assumed.SIGMA_STATION_PER_KM * station_km,
        sites["method"].map(RESOURCE).to_numpy(dtype=float),
    )
    angles = np.where(sites["on_roof"].to_numpy(dtype=bool), assumed.SIGMA_ROOF, assumed.SIGMA_TILT)
    orientation = np.where(sites["orientation_rule"].isin(["published", "tracker"]), assumed.SIGMA_ORIENTATION, angles)
    is_tracked = ((sites["orientation_rule"] == "tracker") & (sites["method"] == "clear_sky")).to_numpy(dtype=bool)
    sky = np.where(is_tracked, assumed.SIGMA_TRACKED_SKY, 0)
    common = resource**2 + sky**2 + orientation**2 + assumed.SIGMA_LOSSES**2 + assumed.SIGMA_YEAR**2
    if monthly:
        spread = np.where(sites["method"] == "tmy", 0, assumed.SIGMA_MONTH_OF_CLEAR_SKY)
        common = common + assumed.SIGMA_MONTH**2 + spread**2
    axis_up = np.where(sites["orientation_rule"] == "assumed_axis", assumed.SIGMA_AXIS_UP, 0)
    by_area = (sites["capacity_rule"] == "area").to_numpy()
    known = sites["capacity_rule"].map(CAPACITY).to_numpy(dtype=float)
    below = np.where(by_area, -np.log(sites["capacity_low_factor"].to_numpy(dtype=float)) / assumed.Z_90, known)
    above = np.where(by_area, np.log(sites["capacity_high_factor"].to_numpy(dtype=float)) / assumed.Z_90, known)
    low = np.exp(-assumed.Z_90 * np.sqrt(common + below**2))
    high = np.exp(assumed.Z_90 * np.sqrt(common + above**2 + axis_up**2))
    return low, high
