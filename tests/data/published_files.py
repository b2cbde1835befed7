"""The mirror's files, read by GDAL (pyogrio), pandas, pyarrow and the standard library alone: nothing of ours, no DuckDB."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas
import pandas as pd
import pyogrio

from ingest.manifest import Distribution, Format, load_manifest

MANIFEST = load_manifest()
HELD = {
    ("chn_med_res_pv_2024", "shapefile"): {"PV_Test_2020.shp", "PV_Train_2020.shp"},
    ("usa_cali_usgs_pv_2016", "csv"): {"polygonDataExceptVertices.csv"},
    ("ind_pv_solar_farms_2022", "geojson"): {"solar_farms_india_2021_merged_simplified.geojson"},
    ("global_pv_inventory_sent2_2024", "json"): {
        "2021_global.json",
        "2022_global.json",
        "2022_us.json",
        "2023_global.json",
        "2023_us.json",
    },
    ("global_harmonized_large_solar_farms_2020", "csv-eckert4"): {"global_solar_2020.csv"},
    ("usa_uspvdb_v3_2025", "csv"): {"uspvdb_v3_0_20250430.csv"},
    ("deu_ufz_open_field_pv_2015", "shapefile"): {"photovoltaics_open-space.shp"},
    ("deu_osm_pv_2023", "shapefile"): {"germany_photovoltaic.shp"},
    ("global_wri_gppd_2021", "geoparquet-solar"): {"wri_gppd_solar_points.parquet"},
}
"""Dataset key and distribution → the files of it that the mirror holds."""


def distribution_of(key: str, name: str) -> Distribution:
    return next(distribution for distribution in MANIFEST[key].distributions if distribution.name == name)


def points_of(path: Path, distribution: Distribution) -> geopandas.GeoDataFrame:
    """Rows of a CSV or a JSON coordinate list, by pandas and json alone."""
    if distribution.format is Format.JSON_COORDINATES:
        table = pd.DataFrame(json.loads(path.read_text()), columns=["x", "y"])
    else:
        table = pd.read_csv(path, encoding="utf-8-sig", na_values=list(distribution.null_values), low_memory=False)
        table = table.rename(columns={distribution.points.x: "x", distribution.points.y: "y"})
    points = geopandas.points_from_xy(table.x, table.y)
    return geopandas.GeoDataFrame(table, geometry=points, crs=distribution.crs)


def table_of(path: Path, distribution: Distribution) -> geopandas.GeoDataFrame:
    match distribution.format:
        case Format.CSV | Format.JSON_COORDINATES:
            return points_of(path, distribution)
        case Format.GEOPARQUET:
            return geopandas.read_parquet(path)
        case _:
            return pyogrio.read_dataframe(path)


def published(mirror: Path, key: str) -> geopandas.GeoDataFrame:
    """All rows of a dataset by file name and place in the file, with the geometry brought to EPSG:4326 by pyproj."""
    (name,) = (name for held, name in HELD if held == key)
    tables = {file: table_of(mirror / key / file, distribution_of(key, name)) for file in sorted(HELD[key, name])}
    # Concatenated after the transformation: GeoPandas keeps one CRS a table
    return pd.concat(
        table.to_crs("EPSG:4326").assign(source_file=file, source_row=range(len(table))) for file, table in tables.items()
    ).reset_index(drop=True)
