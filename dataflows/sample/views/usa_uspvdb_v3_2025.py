"""Like the US Large-Scale Solar PV Database v3.0: a CSV with a byte-order mark, 26 columns, longitude and latitude."""

from __future__ import annotations

from functools import partial

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from dataflows.sample.defects import Defect
from dataflows.sample.observation import detect, is_whole, scatter
from dataflows.sample.view import View
from dataflows.sample.writers import write_csv
from ingest.manifest import Format, Level, PointColumns, Trust

MAX_OFFSET_M = 60.0
MIN_DC_MW = 1.0
"""The database holds ground-mounted plants from this capacity on."""


def case_id(registry_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """The database's own number of a plant of Helia's register."""
    return 340_000 + registry_id


def observe(sites: gpd.GeoDataFrame, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Nearly all plants of 1 MW DC or more; AC and DC capacity in MW, area in m², ``eia_id`` from the register."""
    eligible = is_whole(sites) & (sites["level"] != "rooftop") & (sites["capacity_mw_dc"] >= MIN_DC_MW)
    seen = detect(sites, eligible, 0.95, rng)
    n = len(seen)
    points = gpd.GeoSeries(scatter(seen.geometry, median_m=12, sigma=0.6, max_m=MAX_OFFSET_M, rng=rng), crs=seen.crs)
    points = gpd.GeoSeries.from_xy(*shapely.get_coordinates(points.to_crs("EPSG:4326").to_numpy()).round(6).T, crs="EPSG:4326")
    tracking = rng.random(n) < 0.6
    north = seen["province"] == "Nord-Helia"
    return gpd.GeoDataFrame(
        {
            "case_id": case_id(seen["registry_id"].to_numpy()),
            "multi_poly": np.where(shapely.get_num_geometries(seen.geometry.to_numpy()) > 1, "multi", "single"),
            "eia_id": seen["registry_id"],
            "p_state": np.where(north, "HN", "HS"),
            "p_county": seen["province"],
            "ylat": np.nan,
            "xlong": np.nan,
            "p_area": (seen["area_m2"] * np.exp(0.03 * rng.normal(size=n))).round().astype(int),
            "p_img_date": 20240101 + 100 * rng.integers(0, 12, n) + rng.integers(0, 28, n),
            "p_dig_conf": rng.choice([4, 3, 2, 1], n, p=[0.85, 0.09, 0.03, 0.03]),
            "p_name": seen["name"],
            "p_year": seen["installed_year"],
            "p_pwr_reg": np.where(rng.random(n) < 0.95, "HEL", None),
            "p_tech_pri": "PV",
            "p_tech_sec": rng.choice(np.array(["c-si", "thin-film", None], dtype=object), n, p=[0.5, 0.15, 0.35]),
            "p_sys_type": "ground",
            "p_axis": np.where(tracking, "single-axis", "fixed-tilt"),
            "p_azimuth": 180,
            "p_tilt": pd.Series(np.where(tracking, 0, rng.integers(15, 36, n)), dtype="Int64").where(rng.random(n) < 0.85),
            "p_battery": np.where(rng.random(n) < 0.06, "batteries", None),
            "p_cap_ac": (seen["capacity_mw"] * np.exp(0.02 * rng.normal(size=n))).round(2),
            "p_cap_dc": (seen["capacity_mw_dc"] * np.exp(0.02 * rng.normal(size=n))).round(2),
            "p_type": np.where(rng.random(n) < 0.9, "greenfield", "landfill"),
            "p_agrivolt": np.where(rng.random(n) < 0.8, "non-agrivoltaic", "grazing"),
            "p_comm": np.where(rng.random(n) < 0.2, "community solar", None),
            "p_zscore": rng.normal(size=n).round(9),
            "site_id": seen["site_id"],
        },
        geometry=points,
    )


VIEW = View(
    key="usa_uspvdb_v3_2025",
    title="US Large-Scale Solar Photovoltaic Database v3.0",
    file="uspvdb_v3_0_20250430.csv",
    format=Format.CSV,
    level=Level.PLANT,
    geometry_kind="point",
    feature_id="case_id",
    observe=observe,
    write=partial(write_csv, x="xlong", y="ylat", encoding="utf-8-sig"),
    defects=(
        Defect("missing_coordinates", 2),
        Defect("duplicate_row", 2),
        Defect("thousands_separator", 3, "p_area"),
        Defect("embedded_newline", 2, "p_name"),
        Defect("nan_text", 2, "p_azimuth"),
        Defect("year_zero", 1, "p_year"),
    ),
    max_offset_m=MAX_OFFSET_M,
    trust=Trust.REFERENCE,
    distribution={"crs": "EPSG:4326", "points": PointColumns(x="xlong", y="ylat"), "null_values": ("NaN",)},
)
