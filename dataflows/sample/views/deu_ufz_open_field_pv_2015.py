"""Like the UFZ's open-field photovoltaics of Germany until 2015: plant polygons, zipped Shapefile in EPSG:3035, Latin-1."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from dataflows.sample.defects import Defect
from dataflows.sample.observation import detect, digitise, is_whole
from dataflows.sample.view import View
from dataflows.sample.writers import write_zipped_shapefile
from ingest.manifest import FileFilter, Format, Level

VINTAGE = 2015


def observe(sites: gpd.GeoDataFrame, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Ground-mounted plants of at least 1,000 m² that stood in 2015; power in kW of DC, area in m² of the polygon drawn."""
    eligible = (
        is_whole(sites) & (sites["level"] != "rooftop") & (sites["area_m2"] >= 1000) & (sites["installed_year"] <= VINTAGE)
    )
    seen = detect(sites, eligible, 0.9, rng)
    n = len(seen)
    drawn = digitise(seen.geometry, max_shift_m=8, partial_share=0.1, rng=rng)
    drawn = gpd.GeoSeries(drawn, crs=seen.crs).to_crs("EPSG:3035")
    easting, northing = shapely.get_coordinates(drawn.centroid.to_numpy()).T
    notes = np.array([None, "edited", "implausible area performance"], dtype=object)
    return gpd.GeoDataFrame(
        {
            "Technology": "photovoltaics open-field",
            "Year": seen["installed_year"],
            "Power_kW": (seen["capacity_mw_dc"] * 1e3 * np.exp(0.03 * rng.normal(size=n))).round(2),
            "Area_sqm": drawn.area,
            "X_coord": easting,
            "Y_coord": northing,
            "PS": pd.array(rng.choice(notes, n, p=[0.9, 0.06, 0.04]), dtype="str"),
            "site_id": seen["site_id"],
        },
        geometry=drawn,
    )


VIEW = View(
    key="deu_ufz_open_field_pv_2015",
    title="UFZ open-field photovoltaics in Germany until 2015",
    file="photovoltaics_open-space.zip",
    format=Format.SHAPEFILE,
    level=Level.PLANT,
    geometry_kind="polygon",
    feature_id=None,
    observe=observe,
    write=write_zipped_shapefile,
    defects=(
        Defect("null_geometry", 1),
        Defect("bow_tie", 3),
        Defect("duplicate_row", 2),
        Defect("year_zero", 1, "Year"),
        Defect("non_ascii_text", 2, "PS"),
    ),
    member="photovoltaics_open-space.shp",
    distribution={"members": FileFilter(include=("photovoltaics_open-space.*",))},
)
