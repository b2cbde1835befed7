"""Like Dunnett et al. 2020, solar farms harmonised from OpenStreetMap: a CSV of points in ESRI:54012 (Eckert IV metres)."""

from __future__ import annotations

from functools import partial

import geopandas as gpd
import numpy as np

from dataflows.sample.defects import Defect
from dataflows.sample.observation import detect, is_whole, scatter, with_false_positives
from dataflows.sample.region import COUNTRY_ISO3
from dataflows.sample.view import View
from dataflows.sample.writers import write_csv
from ingest.manifest import Format, Level, PointColumns

VINTAGE = 2020
CRS = "ESRI:54012"
MAX_OFFSET_M = 150.0
MIN_ESTIMATED_MW = 0.8


def observe(sites: gpd.GeoDataFrame, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Sites of every level that stood in 2020, and false positives; areas in km², power in MW only for some large ones."""
    seen = with_false_positives(
        detect(sites, is_whole(sites) & (sites["installed_year"] <= VINTAGE), 0.75, rng), sites, 0.02, rng
    )
    n = len(seen)
    points = scatter(seen.geometry, median_m=25, sigma=0.8, max_m=MAX_OFFSET_M, rng=rng)
    panel_km2 = seen["area_m2"] / 1e6 * np.where(seen["level"] == "rooftop", 1.0, rng.uniform(0.35, 0.6, n))
    estimated = (seen["capacity_mw_dc"] >= MIN_ESTIMATED_MW) & (rng.random(n) < 0.7)
    return gpd.GeoDataFrame(
        {
            "X": np.nan,
            "Y": np.nan,
            "sol_id": rng.permutation(n) + 1,
            "GID_0": np.where(rng.random(n) < 0.98, COUNTRY_ISO3, None),
            "panels": np.ceil(seen["area_m2"] / 2_000).astype(int),
            "panel.area": panel_km2,
            "landscape.area": np.where(seen["level"] == "rooftop", 0.0, seen["area_m2"] / 1e6),
            "water": 0,
            "urban": (seen["level"] == "rooftop").astype(int),
            "power": (seen["capacity_mw_dc"] * np.exp(0.3 * rng.normal(size=n))).where(estimated),
            "site_id": seen["site_id"],
        },
        geometry=gpd.GeoSeries(points, crs=seen.crs).to_crs(CRS),
    )


VIEW = View(
    key="global_harmonized_large_solar_farms_2020",
    title="Harmonised global solar farm locations, 2020",
    file="global_solar_2020.csv",
    format=Format.CSV,
    level=Level.PLANT,
    geometry_kind="point",
    feature_id="sol_id",
    observe=observe,
    write=partial(write_csv, x="X", y="Y"),
    defects=(
        Defect("missing_coordinates", 2),
        Defect("duplicate_row", 3),
        Defect("nan_text", 3, "power"),
        Defect("underscored_nan_text", 2, "power"),
    ),
    max_offset_m=MAX_OFFSET_M,
    distribution={"crs": CRS, "points": PointColumns(x="X", y="Y"), "null_values": ("NaN", "_NaN_")},
)
