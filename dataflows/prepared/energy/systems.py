"""How the modules of an installation stand: as published, or as assumed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dataflows.prepared.energy.assumptions import best_tilt_deg

POLEWARD_DEG = 45.0
"""Fixed modules that are said to face within this of the pole: the register holds 0 for 'not stated'."""
FLAT_DEG = 10.0
"""Up to this tilt, modules may face the pole all the same."""


def systems(sites: pd.DataFrame) -> pd.DataFrame:
    """Axis, tilt and azimuth that the yield of each site is computed for.

    Args:
        sites: a row an installation: ``lat_deg``, ``axis`` (fixed, single, dual, mixed or missing), ``tilt_deg`` and
            ``azimuth_deg``.

    Returns:
        The same index; ``axis_assumed`` (fixed|single|dual), ``tilt_assumed_deg`` and ``azimuth_assumed_deg`` (missing for what
        follows the sun), ``orientation_rule``:

        - ``published``: axis, and for fixed modules tilt and azimuth, as published
        - ``tracker``: follows the sun; what is published of tilt and azimuth mixes axis and rotation, and is not used
        - ``assumed_angles``: fixed; a missing tilt is the best one, a missing or poleward azimuth faces the equator
        - ``assumed_axis``: nothing is known of the axis, or several are named: taken for fixed
    """
    lat = sites["lat_deg"].to_numpy(dtype=float)
    follows = sites["axis"].isin(["single", "dual"]).to_numpy()
    is_fixed = (sites["axis"] == "fixed").to_numpy()
    tilt = sites["tilt_deg"].to_numpy(dtype=float, na_value=np.nan)
    azimuth = sites["azimuth_deg"].to_numpy(dtype=float, na_value=np.nan) % 360
    equator = np.where(lat >= 0, 180.0, 0.0)
    assumed_tilt = np.where(np.isnan(tilt), best_tilt_deg(lat), tilt)
    from_pole = np.abs((azimuth - (equator + 180) + 180) % 360 - 180)
    unknown = np.isnan(azimuth) | ((from_pole < POLEWARD_DEG) & (assumed_tilt > FLAT_DEG))
    rule = np.select(
        [follows, is_fixed & ~np.isnan(tilt) & ~unknown, is_fixed],
        ["tracker", "published", "assumed_angles"],
        default="assumed_axis",
    )
    return pd.DataFrame(
        {
            "axis_assumed": np.where(follows, sites["axis"].fillna("fixed"), "fixed"),
            "tilt_assumed_deg": np.where(follows, np.nan, assumed_tilt),
            "azimuth_assumed_deg": np.where(follows, np.nan, np.where(unknown, equator, azimuth)),
            "orientation_rule": rule,
        },
        index=sites.index,
    )
