"""The real truth: plants that USPVDB and GPPD both list, known by their EIA plant code, which no contender sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from benchmarks.entity_resolution.distances import nearest
from benchmarks.entity_resolution.real_lake import datasets_query, real_lake
from db import connect

USPVDB = "usa_uspvdb_v3_2025"
GPPD = "global_wri_gppd_2021"

TRAINING = "training"
HELD_OUT = "held out"

# Not only the column: the publisher's own id of a GPPD plant repeats the code
HIDDEN = (
    "SELECT * REPLACE (map()::map(varchar, varchar) AS external_ids, observation_id AS source_feature_id)"
    f" FROM ({datasets_query([USPVDB, GPPD])})"
)

ATTRIBUTES = """
    observation_id, centroid_lon_deg AS lon, centroid_lat_deg AS lat, capacity_mw, capacity_mw_dc, installed_year,
    reported_area_m2 AS area_m2, name, country_iso3, external_ids['eia_plant_code'] AS plant_code
"""


@dataclass(frozen=True)
class Sites:
    """Both sources, indexed by ``observation_id``; lon and lat in degrees.

    Attributes:
        uspvdb: with ``state`` and ``half``.
        gppd: with ``half``: that of its true partner or, where it has none, of the nearest USPVDB site.
        pairs: ``uspvdb`` and ``gppd`` (observation ids) of each true pair.
    """

    uspvdb: pd.DataFrame
    gppd: pd.DataFrame
    pairs: pd.DataFrame

    def located(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Pairs with attributes of both ends, suffixed ``_uspvdb`` and ``_gppd``."""
        return pairs.join(self.uspvdb.add_suffix("_uspvdb"), on="uspvdb").join(self.gppd.add_suffix("_gppd"), on="gppd")


def half_of(state: str) -> str:
    """The half that a US state belongs to; of the usual hashes this one divides the pairs almost evenly (1,488 to 1,709)."""
    return TRAINING if crc32(state.encode()) % 2 else HELD_OUT


def sites() -> Sites:
    """Both sources from the real lake."""
    with connect(read_only=True, lake=real_lake()) as con:
        observed = "lake.prepared.prep_pv_observations"
        uspvdb = con.execute(
            f"""SELECT {ATTRIBUTES}, p_state AS state FROM {observed}
            JOIN (SELECT case_id::varchar AS case_id, p_state FROM lake.raw.raw_{USPVDB}) ON case_id = external_ids['uspvdb']
            WHERE dataset = '{USPVDB}'"""
        ).df()
        gppd = con.execute(f"SELECT {ATTRIBUTES} FROM {observed} WHERE dataset = '{GPPD}'").df()
    return halved(uspvdb.set_index("observation_id"), gppd.set_index("observation_id"))


def halved(uspvdb: pd.DataFrame, gppd: pd.DataFrame) -> Sites:
    """Match both sources by plant code and divide them by state."""
    uspvdb = uspvdb.assign(half=uspvdb["state"].map(half_of))
    by_code = uspvdb.reset_index().dropna(subset="plant_code").set_index("plant_code")["observation_id"]
    partner = gppd["plant_code"].map(by_code)
    pairs = pd.DataFrame({"uspvdb": partner.dropna(), "gppd": partner.dropna().index}).reset_index(drop=True)
    closest, _ = nearest(gppd, uspvdb)
    half = partner.map(uspvdb["half"]).where(partner.notna(), uspvdb["half"].to_numpy()[closest])
    return Sites(uspvdb, gppd.assign(half=half), pairs)


def facts(known: Sites) -> dict[str, Any]:
    """Sizes of both halves."""
    halves = known.pairs["uspvdb"].map(known.uspvdb["half"])
    return {
        "uspvdb": len(known.uspvdb),
        "gppd": len(known.gppd),
        "pairs": len(known.pairs),
        **{f"pairs, {half}": int(np.sum(halves == half)) for half in (TRAINING, HELD_OUT)},
        **{
            f"states, {half}": sorted(known.uspvdb.loc[known.uspvdb["half"] == half, "state"].unique())
            for half in (TRAINING, HELD_OUT)
        },
    }
