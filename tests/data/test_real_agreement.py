"""Countries, states and counties of real observations, against what their sources say: no half a point may be lost."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from admin_sql import LocatedSites
from conftest import RealLake

from benchmarks.context import agreement
from benchmarks.reporting import CACHE
from db import connect

# One process, one lake
pytestmark = [pytest.mark.realdata, pytest.mark.xdist_group("real_lake")]

NATURAL_EARTH = "natural_earth_v5"
COUNTIES = CACHE / "context" / "us_counties.parquet"
# Sites that say it, and per cent that agree (docs/administrative-areas.md)
COUNTRIES = {
    "chn_med_res_pv_2024": (2_669, 99.74),
    "deu_osm_pv_2023": (4_458, 99.69),
    "deu_ufz_open_field_pv_2015": (3_265, 99.48),
    "global_harmonized_large_solar_farms_2020": (35_235, 99.44),
    "global_wri_gppd_2021": (10_644, 99.63),
    "ind_pv_solar_farms_2022": (1_363, 100.00),
    "usa_cali_usgs_pv_2016": (19_433, 100.00),
    "usa_uspvdb_v3_2025": (5_712, 99.98),
}
STATES = {agreement.INDIA: (1_363, 91.64), agreement.USPVDB: (5_712, 99.42)}
COUNTIES_OF_USPVDB = (5_712, 99.65)
LOSS = 0.4


@pytest.fixture(scope="module")
def areas(mirror) -> list[dict[str, Any]]:
    """``stg_admin_areas``, made of the mirror's files by the project's SQL; counties where the benchmark has fetched them."""
    located = LocatedSites()
    con, project = located.areas.con, located.areas.project
    raw = {
        "raw_natural_earth_admin_0": "ne_50m_admin_0_countries_v5.parquet",
        "raw_natural_earth_admin_1": "ne_50m_admin_1_states_provinces_v5.parquet",
    }
    for name, file in raw.items():
        con.execute(f"CREATE VIEW {name} AS SELECT *, '5' AS context_release FROM '{mirror / NATURAL_EARTH / file}'")
    con.execute(
        "CREATE TABLE raw_overture_division_area (id VARCHAR, context_release VARCHAR, subtype VARCHAR, class VARCHAR,"
        ' names STRUCT("primary" VARCHAR), country VARCHAR, region VARCHAR, is_disputed BOOLEAN, geometry GEOMETRY)'
    )
    query = project.render((LocatedSites.STAGING / "stg_admin_areas.sql").read_text(encoding="utf-8"))
    found = con.sql(f"SELECT * REPLACE (ST_AsWKB(geometry)::BLOB AS geometry) FROM ({query})").to_arrow_table().to_pylist()
    con.close()
    rows = [{**row, "geometry": shapely.from_wkb(row["geometry"])} for row in found]
    if COUNTIES.exists():
        counties = gpd.read_parquet(COUNTIES)
        common = {"level": "county", "country_iso2": "US", "country_iso3": "USA"}
        rows += [{**common, **row} for row in counties[["area_id", "name", "geometry"]].to_dict("records")]
    return rows


@pytest.fixture(scope="module")
def sites(real_lake: RealLake, areas: list[dict[str, Any]]) -> pd.DataFrame:
    """All observations with what their sources say and where they are found to be."""
    with connect(read_only=True, lake=real_lake.settings) as con:
        observed = con.sql(
            "SELECT dataset, source_feature_id, country_iso3, centroid_lon_deg AS lon, centroid_lat_deg AS lat"
            " FROM curated.pv_observations WHERE centroid_lon_deg IS NOT NULL AND dataset != 'global_pv_inventory_sent2_2024'"
        ).df()
    located = LocatedSites()
    found = pd.DataFrame(located.locate(areas, list(zip(observed["lon"], observed["lat"], strict=True))), index=observed.index)
    located.areas.con.close()
    return pd.concat([observed, found], axis=1)


@pytest.fixture(scope="module")
def boundaries(areas: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(areas)
    return frame.assign(geometry=shapely.to_wkb(frame["geometry"].to_numpy()))


def check(found: dict[str, Any], expected: tuple[int, float]) -> None:
    count, agree_pct = expected
    assert found["sites"] == count
    assert found["agree_pct"] >= agree_pct - LOSS, found["reasons"]


@pytest.mark.parametrize("dataset", COUNTRIES)
def test_countries(sites: pd.DataFrame, boundaries: pd.DataFrame, dataset: str) -> None:
    group = sites[sites["dataset"] == dataset]
    check(agreement.compared(group, "country_iso3", "country_code", boundaries, "country"), COUNTRIES[dataset])


def test_states_of_india(sites: pd.DataFrame, boundaries: pd.DataFrame) -> None:
    india = sites[sites["dataset"] == agreement.INDIA].merge(agreement.india_states(), on="source_feature_id")
    check(agreement.compared(india, "state", "region_name", boundaries, "region", "IND"), STATES[agreement.INDIA])


def test_states_and_counties_of_the_united_states(sites: pd.DataFrame, boundaries: pd.DataFrame) -> None:
    uspvdb = sites[sites["dataset"] == agreement.USPVDB].merge(agreement.uspvdb_states(), on="source_feature_id")
    uspvdb = uspvdb.assign(state_code="US-" + uspvdb["p_state"])
    check(agreement.compared(uspvdb, "state_code", "region_code", boundaries, "region", "USA"), STATES[agreement.USPVDB])
    if not COUNTIES.exists():
        pytest.skip(f"no {COUNTIES}: python -m benchmarks.context.boundaries fetches it")
    check(agreement.compared(uspvdb, "p_county", "county_name", boundaries, "county", "USA"), COUNTIES_OF_USPVDB)
