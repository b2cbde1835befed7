"""Like WRI's Global Power Plant Database v1.3, solar: GeoParquet points with names cut to 10 characters by a Shapefile."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from dataflows.sample.defects import Defect
from dataflows.sample.observation import detect, is_whole, scatter
from dataflows.sample.region import COUNTRY_ISO3, COUNTRY_NAME
from dataflows.sample.view import View
from dataflows.sample.writers import write_geoparquet
from ingest.manifest import Format, Level

VINTAGE = 2019
MAX_OFFSET_M = 900.0
MIN_AC_MW = 1.0
SOURCE_URL = "https://sample.invalid/register"
ESTIMATE_YEARS = range(5)
HOURS_AT_FULL_POWER = 1.4
"""Thousand hours a year, for the estimated generation in GWh."""


def observe(sites: gpd.GeoDataFrame, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Plants of 1 MW AC or more that stood in 2019, hundreds of metres off; a third gives its capacity as DC.

    Of those that come from Helia's register, ``gppd_idnr`` ends in the register's number, which is USPVDB's ``eia_id``.
    """
    eligible = (
        is_whole(sites)
        & (sites["level"] != "rooftop")
        & (sites["capacity_mw"] >= MIN_AC_MW)
        & (sites["installed_year"] <= VINTAGE)
    )
    seen = detect(sites, eligible, 0.8, rng)
    n = len(seen)
    points = gpd.GeoSeries(scatter(seen.geometry, median_m=150, sigma=1.0, max_m=MAX_OFFSET_M, rng=rng), crs=seen.crs)
    points = gpd.GeoSeries.from_xy(*shapely.get_coordinates(points.to_crs("EPSG:4326").to_numpy()).round(4).T, crs="EPSG:4326")
    registered = rng.random(n) < 0.6
    wiki_id = 70_000 + rng.permutation(n)
    as_dc = rng.random(n) < 1 / 3
    capacity_mw = np.where(as_dc, seen["capacity_mw_dc"], seen["capacity_mw"]).round(1)
    source = np.where(registered, "Helia Register of Power Plants", "Wiki-Solar")
    missing_text = pd.array([None] * n, dtype="str")
    estimates = capacity_mw[:, None] * HOURS_AT_FULL_POWER * np.exp(0.05 * rng.normal(size=(n, len(ESTIMATE_YEARS))))
    number = np.where(registered, seen["registry_id"], wiki_id)
    columns = {
        "country": COUNTRY_ISO3,
        "country_lo": COUNTRY_NAME,
        "name": seen["name"],
        "gppd_idnr": [f"{prefix}{i:07d}" for prefix, i in zip(np.where(registered, COUNTRY_ISO3, "WKS"), number, strict=True)],
        "capacity_m": capacity_mw,
        "latitude": points.y,
        "longitude": points.x,
        "primary_fu": "Solar",
        **dict.fromkeys(["other_fuel", "other_fu_1", "other_fu_2"], missing_text),
        "commission": np.where(rng.random(n) < 0.6, seen["installed_year"].astype(float), 0.0),
        "owner": seen["operator"].where(rng.random(n) < 0.55),
        "source": source,
        "url": SOURCE_URL,
        "geolocatio": source,
        "wepp_id": 0,
        "year_of_ca": np.where(registered, VINTAGE, 0),
        **dict.fromkeys(["generation", *(f"generati_{i}" for i in range(1, 8))], missing_text),
        **{
            name: estimates[:, i].round(2)
            for i, name in enumerate(["estimated_", "estimated1", "estimate_1", "estimate_2", "estimate_3"])
        },
        **dict.fromkeys([f"estimate_{i}" for i in range(4, 9)], "SOLAR-V1-NO-AGE"),
        "site_id": seen["site_id"],
    }
    return gpd.GeoDataFrame(columns, geometry=points)


VIEW = View(
    key="global_wri_gppd_2021",
    title="Global Power Plant Database v1.3, solar",
    file="wri_gppd_solar_points.parquet",
    format=Format.GEOPARQUET,
    level=Level.PLANT,
    geometry_kind="point",
    feature_id="gppd_idnr",
    observe=observe,
    write=write_geoparquet,
    defects=(
        Defect("null_geometry", 1),
        Defect("empty_geometry", 1),
        Defect("duplicate_row", 3),
        Defect("embedded_newline", 1, "name"),
        Defect("z_coordinates", 1),
    ),
    max_offset_m=MAX_OFFSET_M,
)
