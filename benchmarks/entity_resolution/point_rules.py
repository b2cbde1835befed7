"""Rules that link points by where they are, and greedy one-to-one assignment. Pairs have the columns of ``Sites.pairs``."""

from __future__ import annotations

import numpy as np
import pandas as pd
from h3ronpy.vector import coordinates_to_cells

from benchmarks.entity_resolution.distances import nearest, within
from benchmarks.entity_resolution.sites import Sites

# Published rules: GM-SEUS links a point within 190 m; Stowell et al. (2020) scale the radius with the size of the site
GM_SEUS_RADIUS_M = 190.0
STOWELL_RADIUS_M = (10.0, 1500.0)
M2_PER_MW = 20_000.0


def nearest_within(known: Sites, radius_m: float) -> pd.DataFrame:
    """For each GPPD plant the nearest USPVDB site, where it is no further than the radius."""
    position, distance = nearest(known.gppd, known.uspvdb)
    close = distance <= radius_m
    return pd.DataFrame({"uspvdb": known.uspvdb.index[position[close]], "gppd": known.gppd.index[close]})


def same_cell(known: Sites, resolution: int) -> pd.DataFrame:
    """All pairs whose points lie in one H3 cell: the predecessor's blocking, at the resolution that it sets."""
    cells = [
        pd.DataFrame(
            {
                name: frame.index,
                "cell": np.asarray(coordinates_to_cells(frame["lat"].to_numpy(), frame["lon"].to_numpy(), resolution)),
            }
        )
        for name, frame in (("uspvdb", known.uspvdb), ("gppd", known.gppd))
    ]
    return cells[0].merge(cells[1], on="cell")[["uspvdb", "gppd"]]


def within_radius(known: Sites, radius_m: float) -> pd.DataFrame:
    """All pairs no further apart than the radius."""
    return _named(known, within(known.gppd, known.uspvdb, radius_m))


def within_scaled_radius(known: Sites) -> pd.DataFrame:
    """All pairs no further apart than the size of the larger one allows (Stowell et al. 2020)."""
    least, most = STOWELL_RADIUS_M
    pairs = within(known.gppd, known.uspvdb, most)
    areas = [
        np.fmax(frame["area_m2"].astype("float64"), frame["capacity_mw"] * M2_PER_MW).to_numpy()
        for frame in (known.gppd, known.uspvdb)
    ]
    larger = np.fmax(areas[0][pairs["point"]], areas[1][pairs["target"]])
    return _named(known, pairs[pairs["distance_m"] <= np.clip(2 * np.sqrt(np.nan_to_num(larger)), least, most)])


def one_to_one(pairs: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Pairs of columns ``uspvdb``, ``gppd``, ``probability``: the most probable ones of which no two share an end."""
    taken: set[str] = set()
    chosen = []
    likely = pairs[pairs["probability"] >= threshold].sort_values(
        ["probability", "uspvdb", "gppd"], ascending=[False, True, True]
    )
    for a, b in likely[["uspvdb", "gppd"]].itertuples(index=False):
        if a not in taken and b not in taken:
            taken |= {a, b}
            chosen.append((a, b))
    return pd.DataFrame(chosen, columns=["uspvdb", "gppd"])


def _named(known: Sites, pairs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"uspvdb": known.uspvdb.index[pairs["target"]], "gppd": known.gppd.index[pairs["point"]]})
