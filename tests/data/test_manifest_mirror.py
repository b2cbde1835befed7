"""The manifest held against the real files of the mirror, read with GDAL (pyogrio), pyarrow and the standard library."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import geopandas
import pandas as pd
import pyogrio
import pyproj
import pytest

from ingest.manifest import Distribution, Format, load_manifest

pytestmark = pytest.mark.realdata

MANIFEST = load_manifest()
EXPECTED = {
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
HELD = pytest.mark.parametrize(("key", "name"), EXPECTED, ids=lambda part: part)


def distribution_of(key: str, name: str) -> Distribution:
    return next(distribution for distribution in MANIFEST[key].distributions if distribution.name == name)


def selected(mirror: Path, key: str, distribution: Distribution) -> set[str]:
    folder = mirror / key
    if not folder.is_dir():
        return set()
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in names if distribution.files.accepts(name)}


def points_of(path: Path, distribution: Distribution) -> geopandas.GeoDataFrame:
    """Rows of a CSV or a JSON coordinate list, by pandas and json alone."""
    if distribution.format is Format.JSON_COORDINATES:
        table = pd.DataFrame(json.loads(path.read_text()), columns=["x", "y"])
    else:
        table = pd.read_csv(path, encoding="utf-8-sig", na_values=list(distribution.null_values), low_memory=False)
        table = table.rename(columns={distribution.points.x: "x", distribution.points.y: "y"})
    return geopandas.GeoDataFrame(table, geometry=geopandas.points_from_xy(table.x, table.y), crs=distribution.crs)


def table_of(path: Path, distribution: Distribution) -> geopandas.GeoDataFrame:
    match distribution.format:
        case Format.CSV | Format.JSON_COORDINATES:
            return points_of(path, distribution)
        case Format.GEOPARQUET:
            return geopandas.read_parquet(path)
        case _:
            return pyogrio.read_dataframe(path)


def test_each_distribution_takes_exactly_its_files_from_the_mirror(mirror: Path) -> None:
    found = {
        (dataset.key, distribution.name): names
        for dataset in MANIFEST.datasets.values()
        for distribution in dataset.distributions
        if (names := selected(mirror, dataset.key, distribution))
    }
    assert found == EXPECTED


def test_every_vector_folder_of_the_mirror_has_an_entry(mirror: Path) -> None:
    context = {"climate", "natural_earth_v5", "overture_samples", "rasters", "solar_resource", "stac"}
    assert {path.name for path in mirror.iterdir() if path.is_dir()} - context == {key for key, _ in EXPECTED}


@HELD
def test_checksums_are_those_of_the_files(mirror: Path, key: str, name: str) -> None:
    for file, checksum in distribution_of(key, name).checksums.items():
        algorithm, _, expected = checksum.partition(":")
        assert hashlib.new(algorithm, (mirror / key / file).read_bytes()).hexdigest() == expected


@HELD
def test_rows_crs_kind_and_coverage_are_as_stated(mirror: Path, key: str, name: str) -> None:
    dataset, distribution = MANIFEST[key], distribution_of(key, name)
    tables = [table_of(mirror / key / file, distribution) for file in sorted(EXPECTED[key, name])]
    assert all(table.crs is not None for table in tables)
    rows = sum(map(len, tables))
    assert (distribution.expected_rows.min, distribution.expected_rows.max) == (rows, rows)

    # plain arrays: a shift between datums is metres, far below the margin of a bbox
    west, south, east, north = dataset.coverage.bbox
    for table in tables:
        placed = table[table.geometry.notna() & ~table.geometry.is_empty]
        bounds = placed.geometry.to_crs(pyproj.CRS("EPSG:4326")).total_bounds
        assert west <= bounds[0] <= bounds[2] <= east
        assert south <= bounds[1] <= bounds[3] <= north
        kind = {"Point": "point", "Polygon": "polygon", "MultiPolygon": "polygon"}
        assert set(placed.geom_type.map(kind)) == {distribution.geometry_kind or dataset.geometry_kind}


def test_the_two_rows_of_california_without_coordinates_are_those_the_notes_name(mirror: Path) -> None:
    table = pd.read_csv(mirror / "usa_cali_usgs_pv_2016" / "polygonDataExceptVertices.csv", encoding="utf-8-sig")
    assert table.loc[table.centroid_longitude.isna(), "polygon_id"].tolist() == [8722, 11251]
    assert table.polygon_id.isna().sum() == 1
