"""Like Ortiz et al. 2022, solar farms of India found in satellite images: GeoJSON, no capacity, no year, many invalid rings."""

from __future__ import annotations

import geopandas as gpd
import numpy as np

from dataflows.sample.defects import Defect
from dataflows.sample.observation import detect, digitise, is_whole, with_false_positives
from dataflows.sample.view import View
from dataflows.sample.writers import write_geojson
from ingest.manifest import Format, Level

VINTAGE = 2021


def observe(sites: gpd.GeoDataFrame, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Plants of at least 2 ha that stood in 2021, a quarter of them in part, and false positives; area in m²."""
    eligible = is_whole(sites) & (sites["level"] == "plant") & (sites["installed_year"] <= VINTAGE)
    seen = with_false_positives(detect(sites, eligible, 0.8, rng), sites, 0.03, rng)
    drawn = gpd.GeoSeries(digitise(seen.geometry, max_shift_m=15, partial_share=0.25, rng=rng), crs=seen.crs)
    centroid = drawn.centroid.to_crs("EPSG:4326")
    return gpd.GeoDataFrame(
        {
            "State": seen["province"],
            "Area": drawn.area,
            "Latitude": centroid.y,
            "Longitude": centroid.x,
            "fid": (rng.permutation(len(seen)) + 1).astype("int32"),
            "site_id": seen["site_id"],
        },
        geometry=drawn.to_crs("EPSG:4326"),
    )


VIEW = View(
    key="ind_pv_solar_farms_2022",
    title="Solar farms in India, 2021",
    file="solar_farms_india_2021_merged_simplified.geojson",
    format=Format.GEOJSON,
    level=Level.PLANT,
    geometry_kind="polygon",
    feature_id="fid",
    observe=observe,
    write=write_geojson,
    defects=(
        Defect("null_geometry", 1),
        Defect("empty_geometry", 1),
        Defect("bow_tie", 4),
        Defect("duplicate_row", 2),
        Defect("z_coordinates", 2),
    ),
)
