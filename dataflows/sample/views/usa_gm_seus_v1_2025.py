"""Like GM-SEUS v1.0: ground-mounted arrays, GeoPackage in ESRI:102003 with the columns of its README."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd

from dataflows.sample.defects import Defect
from dataflows.sample.observation import detect, digitise, is_single
from dataflows.sample.view import View
from dataflows.sample.views.usa_uspvdb_v3_2025 import MIN_DC_MW, case_id
from dataflows.sample.writers import write_geopackage
from ingest.manifest import Format, Level

MISSING = -9999
"""What GM-SEUS writes for a number that is not known."""

PANEL_ROW_M2 = 60


def observe(sites: gpd.GeoDataFrame, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Ground-mounted arrays of at least 500 m², the phases of a plant one by one; capacity in MW of DC, areas in m².

    ``nativeID`` of those from USPVDB is the ``case_id`` of the plant, so phases share it.
    """
    eligible = is_single(sites) & (sites["level"] != "rooftop") & (sites["area_m2"] >= 500)
    seen = detect(sites, eligible, 0.85, rng)
    n = len(seen)
    drawn = gpd.GeoSeries(digitise(seen.geometry, max_shift_m=5, partial_share=0.15, rng=rng), crs=seen.crs)
    centroid = drawn.centroid.to_crs("EPSG:4269")

    plant = sites.set_index("site_id").loc[seen["part_of"].fillna(seen["site_id"])]
    from_uspvdb = (plant["capacity_mw_dc"].to_numpy() >= MIN_DC_MW) & (rng.random(n) < 0.5)
    source = np.where(from_uspvdb, "USPVDB", rng.choice(["OSM", "CCVPV", "CWSD", "gmseus"], n, p=[0.6, 0.1, 0.1, 0.2]))
    native_id = pd.Series(
        np.where(from_uspvdb, case_id(plant["registry_id"].to_numpy()), rng.integers(10**8, 10**9, n))
    ).astype(str)

    area_m2 = drawn.area.to_numpy()
    cover = rng.uniform(0.3, 0.6, n).round(4)
    # without panel rows of its own, an array has no measured geometry of rows either
    has_rows = rng.random(n) < 0.7
    fixed = rng.random(n) < 0.4
    measured = np.where(has_rows, 1.0, np.nan)
    return gpd.GeoDataFrame(
        {
            "arrayID": rng.permutation(n) + 1,
            "Source": source,
            "nativeID": native_id.mask((source == "CWSD") | (source == "gmseus"), "unknown"),
            "latitude": centroid.y,
            "longitude": centroid.x,
            "newBound": (has_rows & ~from_uspvdb).astype(int),
            "totArea": area_m2.round().astype(int),
            "totRowArea": (area_m2 * cover).round().astype(int),
            "numRow": np.where(has_rows, area_m2 * cover // PANEL_ROW_M2 + 1, 0).astype(int),
            "instYr": np.where(rng.random(n) < 0.95, seen["installed_year"], MISSING),
            "instYrLT": np.where(rng.random(n) < 0.9, seen["installed_year"] + rng.integers(-1, 2, n), MISSING),
            "capMW": (seen["capacity_mw_dc"] * np.exp(0.05 * rng.normal(size=n))).round(3),
            "capMWest": (area_m2 * cover * 0.19 / 1e3).round(3),
            "modType": np.where(rng.random(n) < 0.9, "c-si", "thin-film"),
            "effInit": rng.uniform(0.15, 0.21, n).round(2),
            "GCR1": cover,
            "GCR2": rng.uniform(0.3, 0.6, n).round(4),
            "mount": np.where(fixed, "fixed_axis", "single_axis"),
            "tilt": np.where(fixed, rng.integers(15, 36, n).astype(float), MISSING),
            "tiltEst": np.where(fixed, rng.integers(15, 36, n), MISSING),
            "avgAzimuth": _or_missing(measured * rng.uniform(170, 190, n), 2),
            "avgLength": _or_missing(measured * rng.uniform(10, 90, n), 3),
            "avgWidth": _or_missing(measured * rng.uniform(2, 5, n), 3),
            "avgSpace": _or_missing(measured * rng.uniform(2, 8, n), 3),
            "STATEFP": np.where(seen["province"] == "Nord-Helia", "98", "99"),
            "COUNTYFP": "001",
            "version": "v1.0",
            "site_id": seen["site_id"],
        },
        geometry=drawn.to_crs("ESRI:102003"),
    )


def _or_missing(values: np.ndarray, decimals: int) -> np.ndarray:
    return np.nan_to_num(values, nan=MISSING).round(decimals)


VIEW = View(
    key="usa_gm_seus_v1_2025",
    title="GM-SEUS v1.0, ground-mounted solar arrays in the US",
    file="GMSEUS_Arrays_Final.gpkg",
    format=Format.GEOPACKAGE,
    level=Level.ARRAY,
    geometry_kind="polygon",
    feature_id="arrayID",
    observe=observe,
    write=write_geopackage,
    defects=(
        Defect("null_geometry", 2),
        Defect("empty_geometry", 1),
        Defect("bow_tie", 3),
        Defect("duplicate_row", 3),
        Defect("z_coordinates", 2),
        Defect("m_coordinates", 2),
    ),
    distribution={"layer": "GMSEUS_Arrays_Final"},
)
