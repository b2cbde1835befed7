"""Real buildings and real rasters of irradiation: shares against GeoPandas' overlay, pixels against rasterio's samples."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from land_lake import LandLake
from rasterio.windows import Window

pytestmark = pytest.mark.realdata

BUILDINGS = "overture_samples/nl_overture_buildings_2023-07-26-alpha.geojson"
GPPD = "global_wri_gppd_2021/wri_gppd_solar_points.parquet"
DUNNETT = "global_harmonized_large_solar_farms_2020/global_solar_2020.csv"
RASTERS = {"ghi": ["benin_GHI.tif"], "pvout": ["benin_PVOUT.tif", "kenya_PVOUT.tif"]}
COUNTRIES = ("BEN", "KEN")
# Equal-area, metres
LAEA = "EPSG:3035"
# Pixels around a site that staging has, at least
AROUND = 12


def sites_among(buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Rectangles of 3 m to 700 m at real buildings, on, beside and around them; EPSG:3035."""
    random = np.random.default_rng(5)
    chosen = buildings.sample(400, random_state=5).geometry.representative_point()
    width = 10 ** random.uniform(0.5, 2.85, len(chosen))
    height = width * random.uniform(0.5, 1.5, len(chosen))
    moved = random.normal(0, 0.3, (len(chosen), 2)) * width[:, None]
    east, north = chosen.x.to_numpy() + moved[:, 0], chosen.y.to_numpy() + moved[:, 1]
    turned = [
        shapely.affinity.rotate(shapely.box(x - w / 2, y - h / 2, x + w / 2, y + h / 2), angle)
        for x, y, w, h, angle in zip(east, north, width, height, random.uniform(0, 90, len(chosen)), strict=True)
    ]
    return gpd.GeoDataFrame({"source_feature_id": [f"site {n}" for n in range(len(turned))]}, geometry=turned, crs=LAEA)


def pixels(folder: Path, near: gpd.GeoSeries) -> pd.DataFrame:
    """Rows of stg_solar_resource around places, values as they are in the rasters."""
    found = []
    for variable, names in RASTERS.items():
        for name in names:
            with rasterio.open(folder / name) as file:
                within = near.cx[file.bounds.left : file.bounds.right, file.bounds.bottom : file.bounds.top]
                for place in within:
                    row, column = file.index(place.x, place.y)
                    window = Window(column - AROUND, row - AROUND, 2 * AROUND + 1, 2 * AROUND + 1)
                    window = window.intersection(Window(0, 0, file.width, file.height))
                    values = file.read(1, window=window, masked=True).astype("float64")
                    rows, columns = np.nonzero(~np.ma.getmaskarray(values) & np.isfinite(values.data))
                    lons, lats = file.xy(rows + window.row_off, columns + window.col_off)
                    found.append(
                        pd.DataFrame(
                            {
                                "variable": variable,
                                "value": values.data[rows, columns],
                                "lon_deg": lons,
                                "lat_deg": lats,
                                "pixel_width_deg": file.res[0],
                                "pixel_height_deg": file.res[1],
                            }
                        )
                    )
    return pd.concat(found).drop_duplicates().assign(source="global_solar_atlas", release="2.0")


def published_plants(mirror: Path) -> pd.DataFrame:
    """GPPD's and Dunnett's sites in the countries of the rasters."""
    gppd = gpd.read_parquet(mirror / GPPD).query("country in @COUNTRIES")
    table = pd.read_csv(mirror / DUNNETT).query("GID_0 in @COUNTRIES")
    dunnett = gpd.GeoSeries.from_xy(table["X"], table["Y"], crs="ESRI:54012").to_crs("EPSG:4326")
    return pd.DataFrame(
        {
            "dataset": ["global_wri_gppd_2021"] * len(gppd) + ["global_harmonized_large_solar_farms_2020"] * len(dunnett),
            "source_feature_id": [*gppd["gppd_idnr"], *(f"dunnett {n}" for n in table["sol_id"])],
            "geometry": [*gppd.geometry, *dunnett],
            "level": "plant",
        }
    )


@pytest.fixture(scope="module")
def buildings(mirror: Path) -> gpd.GeoDataFrame:
    return gpd.read_file(mirror / BUILDINGS).to_crs(LAEA)


@pytest.fixture(scope="module")
def sites(buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return sites_among(buildings)


@pytest.fixture(scope="module")
def plants(mirror: Path) -> pd.DataFrame:
    return published_plants(mirror)


@pytest.fixture(scope="module")
def built(
    mirror: Path,
    tmp_path_factory: pytest.TempPathFactory,
    buildings: gpd.GeoDataFrame,
    sites: gpd.GeoDataFrame,
    plants: pd.DataFrame,
) -> pd.DataFrame:
    roofs = pd.DataFrame(sites.to_crs("EPSG:4326")).assign(dataset="usa_cali_usgs_pv_2016", level="array")
    lake = LandLake.of(tmp_path_factory.mktemp("land") / "home", pd.concat([roofs, plants], ignore_index=True))
    outlines = buildings.to_crs("EPSG:4326")
    known = pd.DataFrame({"building_id": [f"b{n}" for n in range(len(outlines))], "geometry": outlines.geometry})
    lake.have("stg_buildings", known)
    lake.have("stg_solar_resource", pixels(mirror / "solar_resource", gpd.GeoSeries(plants["geometry"])))
    return lake.build()


def test_shares_on_buildings_are_those_of_geopandas_overlay(
    built: pd.DataFrame, sites: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame
) -> None:
    united = buildings[["geometry"]].dissolve().explode(ignore_index=True)
    pieces = gpd.overlay(sites, united, how="intersection")
    area_m2 = pieces.area.groupby(pieces["source_feature_id"]).sum()
    expected = area_m2.div(sites.set_index("source_feature_id").area, fill_value=0)
    found = built.loc[sites["source_feature_id"], "building_share"]
    assert np.abs(found - expected[found.index]).max() < 2e-4
    assert (expected > 0.99).sum() > 10
    assert expected.between(0.05, 0.95).sum() > 100
    assert (built.loc[sites["source_feature_id"], "n_buildings"] > 5).sum() > 50
    met = gpd.sjoin(sites, buildings[["geometry"]], predicate="intersects").groupby("source_feature_id").size()
    assert (built.loc[met.index, "n_buildings"] == met).mean() > 0.99


def test_mounts_follow_the_shares(built: pd.DataFrame, sites: gpd.GeoDataFrame) -> None:
    found = built.loc[sites["source_feature_id"]]
    assert set(found.loc[found["building_share"] > 0.5, "mount"]) == {"rooftop"}
    assert set(found.loc[found["building_share"] < 0.05, "mount"]) == {"ground"}


def test_irradiation_is_what_rasterio_samples(mirror: Path, built: pd.DataFrame, plants: pd.DataFrame) -> None:
    placed = plants.set_index("source_feature_id")
    sampled = 0
    for variable, column in (("ghi", "ghi_kwh_m2_year"), ("pvout", "pvout_kwh_kwp_year")):
        for name in RASTERS[variable]:
            with rasterio.open(mirror / "solar_resource" / name) as file:
                here = built.index[built.index.isin(placed.index)]
                places = [placed.loc[site, "geometry"] for site in here]
                values = [float(value[0]) for value in file.sample([(place.x, place.y) for place in places], masked=False)]
                inside = [shapely.box(*file.bounds).contains(place) for place in places]
                for site, value, is_inside in zip(here, values, inside, strict=True):
                    if is_inside and np.isfinite(value) and value > 1:
                        sampled += 1
                        assert built.loc[site, column] == value
                        assert built.loc[site, "resource_distance_m"] == 0 or variable == "ghi"
    assert sampled >= 20


def test_no_irradiation_where_there_is_no_raster(built: pd.DataFrame, sites: gpd.GeoDataFrame) -> None:
    assert built.loc[sites["source_feature_id"], "resource_source"].isna().all()
