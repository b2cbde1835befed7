"""Models of administrative areas, built by dbt in a copy of the sample's lake by both methods, against GeoPandas."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from sample_lake import SampleLake

from dataflows.elt import run_dbt
from db import Settings, connect

MODELS = ("prep_h3_admin", "prep_pv_admin_covering", "prep_pv_admin_open", "prep_pv_admin_nearby", "prep_pv_admin")
METHODS = ("h3", "spatial_join")
GEOD = pyproj.Geod(ellps="WGS84")


def divided(west: float, south: float, east: float, north: float) -> gpd.GeoDataFrame:
    """Two countries that meet in the middle of a box, each with regions of no regular shape."""
    middle = (west + east) / 2
    countries = [shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)]
    seeds = np.random.default_rng(11).uniform((west, south), (east, north), (40, 2))
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(seeds)))
    rows = [("country", code, country) for code, country in zip(("AAA", "BBB"), countries, strict=True)]
    rows += [("region", row[1], row[2].intersection(cell)) for row in rows for cell in cells if row[2].intersects(cell)]
    rows = [row for row in rows if row[2].geom_type == "Polygon"]
    frame = gpd.GeoDataFrame(rows, columns=["level", "country_iso3", "geometry"], crs=4326)
    return frame.assign(area_id=[f"{row.level}-{number:03d}" for number, row in enumerate(frame.itertuples())])


@pytest.fixture(scope="module")
def areas(sample_lake: SampleLake) -> gpd.GeoDataFrame:
    with connect(read_only=True, lake=sample_lake.settings) as con:
        bounds = "min(centroid_lon_deg), min(centroid_lat_deg), max(centroid_lon_deg), max(centroid_lat_deg)"
        west, south, east, north = con.sql(f"SELECT {bounds} FROM prepared.prep_pv_installations").fetchone()
    # Some sites are left beyond the coast in the east
    return divided(west - 0.1, south - 0.1, east - 0.05, north + 0.1)


@pytest.fixture(scope="module", params=METHODS)
def located(
    request: pytest.FixtureRequest, sample_lake: SampleLake, areas: gpd.GeoDataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    home = tmp_path_factory.mktemp("located") / "home"
    shutil.copytree(sample_lake.settings.home, home)
    lake = Settings(home=Path(home), _env_file=None)
    with connect(lake=lake) as con:
        con.register("given", pd.DataFrame(areas.to_wkb()))
        con.execute(
            """
            CREATE OR REPLACE TABLE staging.stg_admin_areas AS
            SELECT area_id, 'natural_earth' AS source, 'test' AS release, level, area_id AS name, NULL::VARCHAR AS country_iso2,
                country_iso3, NULL::VARCHAR AS region_code, false AS is_disputed, NULL::VARCHAR[] AS unrecognized_by,
                NULL::MAP(VARCHAR, VARCHAR) AS country_by_view, ST_GeomFromWKB(geometry::BLOB) AS geometry,
                'valid' AS geometry_status
            FROM given
            """
        )
    # The default needs no variable, which dbt would parse everything anew for
    variables = () if request.param == METHODS[0] else ("--vars", json.dumps({"admin_join_method": request.param}))
    arguments = ("--select", *MODELS, *variables)
    failures = [result for result in run_dbt("build", lake, arguments=arguments) if result.failed]
    assert not failures, failures
    with connect(read_only=True, lake=lake) as con:
        yield con


def test_equals_geopandas(located: duckdb.DuckDBPyConnection, areas: gpd.GeoDataFrame) -> None:
    sites = located.sql(
        "SELECT installation_id, centroid_lon_deg AS lon, centroid_lat_deg AS lat FROM prepared.prep_pv_installations"
    ).df()
    points = gpd.GeoDataFrame(sites, geometry=gpd.points_from_xy(sites["lon"], sites["lat"]), crs=4326)
    joined = gpd.sjoin(points, areas, predicate="intersects")
    expected = set(zip(joined["installation_id"], joined["area_id"], strict=True))
    found = located.sql("SELECT installation_id, area_id FROM prepared.prep_pv_admin_covering").fetchall()
    assert len(expected) > len(sites)
    assert len(found) == len(expected)
    assert set(found) == expected
    within = located.sql(
        "SELECT installation_id, country_id FROM prepared.prep_pv_admin WHERE country_match = 'within'"
    ).fetchall()
    assert set(within) == {pair for pair in expected if pair[1].startswith("country")}
    regions = located.sql(
        "SELECT installation_id, region_id FROM prepared.prep_pv_admin WHERE region_match = 'within'"
    ).fetchall()
    assert set(regions) == {pair for pair in expected if pair[1].startswith("region")}


def test_sites_off_the_coast_have_the_nearest_country(located: duckdb.DuckDBPyConnection, areas: gpd.GeoDataFrame) -> None:
    rows = located.sql(
        """
        SELECT country_code, country_distance_m, region_match, centroid_lon_deg, centroid_lat_deg
        FROM prepared.prep_pv_admin JOIN prepared.prep_pv_installations USING (installation_id)
        WHERE country_match = 'nearest'
        """
    ).fetchall()
    assert rows
    (coast,) = areas[areas["area_id"] == "country-001"].geometry
    places = shapely.get_coordinates(shapely.segmentize(coast.boundary, 1e-4))
    for code, distance_m, region_match, lon, lat in rows:
        assert (code, region_match) == ("BBB", "nearest")
        least_m = GEOD.inv(np.full(len(places), lon), np.full(len(places), lat), *places.T)[2].min()
        # places are at most 11 m apart
        assert distance_m == pytest.approx(least_m, rel=1e-3, abs=6)
