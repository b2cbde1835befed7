"""Real sites of which area and capacity are both known: what the capacity model is learnt from, calibrated and tested on."""

from __future__ import annotations

from hashlib import md5

import numpy as np
import pandas as pd

from benchmarks.entity_resolution.real_lake import real_lake
from db import Settings, connect

FOLDS = 10
TEST_FOLDS = (7, 8, 9)

SELECTED_BELOW_M2 = 30_000
"""USPVDB lists sites from 1 MW on: what is smaller than this is in it only if it is denser than 33 W/m² (97 % of all sites
are), so that small sites say more of the selection than of density."""

USPVDB = f"""
    SELECT
        'usa_uspvdb_v3_2025' AS dataset, 'array' AS outline, p_state AS place,
        CASE WHEN contains(p_sys_type, 'rooftop') OR contains(p_sys_type, 'canopy') THEN 'roof' ELSE 'ground' END AS mount,
        CASE axis WHEN 'fixed' THEN 'fixed' WHEN 'single' THEN 'tracking' WHEN 'dual' THEN 'tracking' END AS axis,
        reported_area_m2 AS area_m2, capacity_mw_dc, capacity_mw, installed_year, centroid_lat_deg AS lat_deg,
        reported_area_m2 >= {SELECTED_BELOW_M2} AS representative
    FROM lake.prepared.prep_pv_observations AS observed
    JOIN lake.landing.usa_uspvdb_v3_2025 AS landed USING (source_file, source_row)
    WHERE dataset = 'usa_uspvdb_v3_2025' AND duplicate_of IS NULL AND reported_area_m2 > 0 AND capacity_mw_dc > 0
"""

# By degree of latitude and longitude: sites of one developer, who builds alike, stand close together
UFZ = """
    SELECT
        'deu_ufz_open_field_pv_2015' AS dataset, 'site' AS outline,
        format('{}N {}E', floor(centroid_lat_deg)::integer, floor(centroid_lon_deg)::integer) AS place,
        'ground' AS mount, NULL AS axis, area_m2, capacity_mw AS capacity_mw_dc, NULL AS capacity_mw, installed_year,
        centroid_lat_deg AS lat_deg, NOT coalesce(contains("PS", 'implausible'), false) AS representative
    FROM lake.prepared.prep_pv_observations AS observed
    JOIN lake.landing.deu_ufz_open_field_pv_2015 AS landed USING (source_file, source_row)
    WHERE dataset = 'deu_ufz_open_field_pv_2015' AND duplicate_of IS NULL AND area_m2 > 0 AND capacity_mw > 0
"""


def fold(place: str) -> int:
    """Which of ``FOLDS`` a place's sites are in; by a hash, so that no place is in two."""
    return int(md5(place.encode(), usedforsecurity=False).hexdigest(), 16) % FOLDS


def pairs(lake: Settings | None = None) -> pd.DataFrame:
    """One row a site of USPVDB or UFZ that has both, from a lake that holds the two; the benchmarks' real one by default.

    Returns:
        Columns ``dataset``, ``outline`` (array|site), ``mount`` (ground|roof), ``axis`` (fixed|tracking or missing),
        ``area_m2``, ``capacity_mw_dc``, ``capacity_mw`` (AC), ``installed_year``, ``lat_deg``, ``representative`` (large enough
        not to be selected by capacity, and not marked as implausible by its publisher), ``place`` (US state, or cell of a
        degree), ``fold``, ``is_test`` and ``ln_density`` (of W/m², DC).
    """
    with connect(read_only=True, lake=lake or real_lake()) as con:
        table = con.sql(f"{USPVDB} UNION ALL {UFZ}").df()
    table["fold"] = table["place"].map(fold)
    table["is_test"] = table["fold"].isin(TEST_FOLDS)
    table["ln_density"] = np.log(1e6 * table["capacity_mw_dc"] / table["area_m2"])
    # in an order of its own: the lake promises none
    return table.sort_values(["dataset", "lat_deg", "area_m2", "capacity_mw_dc"], ignore_index=True)
