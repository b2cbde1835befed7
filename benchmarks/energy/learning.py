"""Density of capacity on the ground: median regression, with intervals by conformal prediction across places.

The logarithm of W/m² (DC) is linear in the year, the distance from the equator and the logarithm of the area. The median is
fitted (Koenker & Bassett 1978, 10.2307/1913643) since registers err by factors at times. The interval is that of the residuals
of sites in places that the fit did not see (cross-conformal, Barber et al. 2021, 10.1214/20-AOS1965, with a tail of 5 % on each
side): it holds whatever their distribution, as far as new places are like those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray

LEVEL = 0.9
"""Of the intervals."""

YEAR, LAT_DEG, AREA_M2 = 2015, 40, 1e5
"""Where the terms are nought, as ``macros/energy/capacity_density.sql`` has them."""


@dataclass(frozen=True)
class Kind:
    """Sites that share a regression; ``any`` stands for every value, known or not."""

    outline: str
    mount: str
    axis: str
    by_latitude: bool

    def select(self, sites: pd.DataFrame) -> pd.DataFrame:
        """The sites that are of it."""
        chosen = sites["representative"].to_numpy(dtype=bool, copy=True)
        for name in ("outline", "mount", "axis"):
            wanted = getattr(self, name)
            chosen &= (wanted == "any") | (sites[name] == wanted).to_numpy(dtype=bool)
        return sites[chosen]


# Most special first. Germany is too narrow for a term of latitude.
KINDS = (
    Kind("array", "ground", "fixed", by_latitude=True),
    Kind("array", "ground", "tracking", by_latitude=True),
    Kind("array", "ground", "any", by_latitude=True),
    Kind("array", "roof", "any", by_latitude=False),
    Kind("site", "ground", "any", by_latitude=False),
    Kind("any", "any", "any", by_latitude=False),
)


def learn(sites: pd.DataFrame) -> pd.DataFrame:
    """Rows of the seed ``capacity_density``, most special first, from :func:`benchmarks.energy.pairs.pairs`.

    The sites of ``is_test`` have no say.
    """
    rows = [
        _learnt(kind, sites, uses_year=uses_year, precedence=10 * number + (0 if uses_year else 5))
        for number, kind in enumerate(KINDS, start=1)
        for uses_year in (True, False)
    ]
    return pd.DataFrame(rows)


def terms(sites: pd.DataFrame, row: pd.Series | dict[str, float]) -> NDArray[np.float64]:
    """Design matrix (n, 4): one, years, degrees and logarithm of area, within the ranges that the row was learnt in."""
    return np.column_stack(
        [
            np.ones(len(sites)),
            sites["installed_year"].clip(row["year_min"], row["year_max"]) - YEAR,
            sites["lat_deg"].abs().clip(row["lat_min_deg"], row["lat_max_deg"]) - LAT_DEG,
            np.log(sites["area_m2"].clip(row["area_min_m2"], row["area_max_m2"]) / AREA_M2),
        ]
    ).astype(float)


def _learnt(kind: Kind, sites: pd.DataFrame, *, uses_year: bool, precedence: int) -> dict[str, object]:
    chosen = kind.select(sites[~sites["is_test"]])
    if uses_year:
        chosen = chosen[chosen["installed_year"].notna()]
    row: dict[str, object] = {
        "density_model": "_".join([kind.outline, kind.mount, kind.axis, "year" if uses_year else "any"]),
        "precedence": precedence,
        **{name: getattr(kind, name) for name in ("outline", "mount", "axis")},
        "uses_year": uses_year,
        **_range(chosen["installed_year"], "year_min", "year_max", 0),
        **_range(chosen["lat_deg"].abs(), "lat_min_deg", "lat_max_deg", 1),
        **_range(chosen["area_m2"], "area_min_m2", "area_max_m2", -1),
    }
    used = np.array([True, uses_year, kind.by_latitude, True])
    design, target = terms(chosen, row)[:, used], chosen["ln_density"].to_numpy()
    unseen = np.empty(len(chosen))
    for fold in chosen["fold"].unique():
        held = (chosen["fold"] == fold).to_numpy()
        unseen[held] = target[held] - design[held] @ _median_fit(design[~held], target[~held])
    unseen.sort()
    rank = int(np.ceil((1 + LEVEL) / 2 * (len(unseen) + 1)))
    coefficients = np.zeros(4)
    coefficients[used] = _median_fit(design, target)
    names = ("ln_w_m2", "per_year", "per_lat_deg", "per_ln_area")
    return {
        **row,
        **dict(zip(names, coefficients.round(5), strict=True)),
        "low_factor": round(float(np.exp(unseen[-rank])), 4),
        "high_factor": round(float(np.exp(unseen[rank - 1])), 4),
        "n_sites": len(chosen),
        "origin": "learnt",
    }


def _median_fit(design: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    return sm.QuantReg(target, design).fit(q=0.5, p_tol=1e-5, max_iter=2_000).params


def _range(values: pd.Series, low: str, high: str, decimals: int) -> dict[str, float]:
    """First and last percentile: beyond them nothing is extrapolated."""
    bounds = values.quantile([0.01, 0.99]).round(decimals)
    return {low: float(bounds.iloc[0]), high: float(bounds.iloc[1])}
