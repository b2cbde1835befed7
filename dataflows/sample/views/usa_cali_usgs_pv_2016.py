"""Like Bradbury et al. 2016, arrays on roofs drawn in aerial images: GeoJSON, areas in m², no capacity, no year."""

from __future__ import annotations

import geopandas as gpd
import numpy as np

from dataflows.sample.defects import Defect
from dataflows.sample.observation import detect, digitise
from dataflows.sample.region import TOWNS
from dataflows.sample.view import View
from dataflows.sample.writers import write_geojson
from ingest.manifest import Format, Level

VINTAGE = 2022
RESOLUTION_M = 0.3
IMAGE_M = 1_500.0
"""Side of an image; it begins at a multiple of this."""


def observe(sites: gpd.GeoDataFrame, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Arrays on roofs that stood in 2022, off by a metre at most; ``city`` is the nearest town."""
    seen = detect(sites, (sites["level"] == "rooftop") & (sites["installed_year"] <= VINTAGE), 0.85, rng)
    n = len(seen)
    drawn = gpd.GeoSeries(digitise(seen.geometry, max_shift_m=1, partial_share=0.05, rng=rng), crs=seen.crs)
    centre = drawn.centroid
    centroid = centre.to_crs("EPSG:4326")
    west, south = np.floor(centre.x / IMAGE_M) * IMAGE_M, np.floor(centre.y / IMAGE_M) * IMAGE_M
    north_west = gpd.GeoSeries.from_xy(west, south + IMAGE_M, crs=seen.crs).to_crs("EPSG:4326")
    south_east = gpd.GeoSeries.from_xy(west + IMAGE_M, south, crs=seen.crs).to_crs("EPSG:4326")
    towns = TOWNS[["x_m", "y_m"]].to_numpy(dtype=float)
    nearest = np.hypot(*(np.column_stack([centre.x, centre.y])[:, None] - towns).transpose(2, 0, 1)).argmin(axis=1)
    return gpd.GeoDataFrame(
        {
            "polygon_id": (rng.permutation(n) + 1).astype("int32"),
            "centroid_latitude": centroid.y,
            "centroid_longitude": centroid.x,
            "centroid_latitude_pixels": (south + IMAGE_M - centre.y) / RESOLUTION_M,
            "centroid_longitude_pixels": (centre.x - west) / RESOLUTION_M,
            "city": TOWNS["town"].to_numpy()[nearest],
            "area_pixels": drawn.area / RESOLUTION_M**2,
            "area_meters": drawn.area,
            "image_name": [
                f"27hel{x:+04d}{y:+04d}"
                for x, y in zip((west // IMAGE_M).astype(int), (south // IMAGE_M).astype(int), strict=True)
            ],
            "nw_corner_of_image_latitude": north_west.y,
            "nw_corner_of_image_longitude": north_west.x,
            "se_corner_of_image_latitude": south_east.y,
            "se_corner_of_image_longitude": south_east.x,
            "datum": "WGS84",
            "projection_zone": np.where(centroid.x < -18, 27, 28),
            "resolution": RESOLUTION_M,
            "jaccard_index": rng.uniform(0.7, 1.0, n).round(9),
            "orientation": rng.uniform(0, 360, n).round(2),
            "site_id": seen["site_id"],
        },
        geometry=drawn.to_crs("EPSG:4326"),
    )


VIEW = View(
    key="usa_cali_usgs_pv_2016",
    title="Distributed solar photovoltaic array location and extent dataset for remote sensing object identification",
    file="SolarArrayPolygons.geojson",
    format=Format.GEOJSON,
    level=Level.ROOFTOP,
    geometry_kind="polygon",
    feature_id="polygon_id",
    observe=observe,
    write=write_geojson,
    defects=(
        Defect("null_geometry", 1),
        Defect("bow_tie", 1),
        Defect("duplicate_row", 2),
    ),
    distribution={"null_values": ("NaN", "_NaN_")},
)
