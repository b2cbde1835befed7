"""What the queries of docs/sql about places have to say of the sample lake, computed in another way."""

from __future__ import annotations

import math
from collections import Counter

import h3
import pyproj
import pytest
import shapely
from sql_example_support import Lake, Rows, by, descending, known

# ST_Distance_Sphere has the same radius to 1e-6
GEOD = pyproj.Geod(ellps="sphere")


def nearest_plants(rows: Rows, lake: Lake) -> None:
    distances = {}
    for site in lake.sites():
        _, _, metres = GEOD.inv(-19.94, 44.57, site["centroid_lon_deg"], site["centroid_lat_deg"])
        distances[site["installation_id"]] = metres / 1000
    assert [row["distance_km"] for row in rows] == pytest.approx(sorted(distances.values())[:10], abs=0.02)
    assert all(distances[row["installation_id"]] == pytest.approx(row["distance_km"], abs=0.02) for row in rows)


def hexagon_map(rows: Rows, lake: Lake) -> None:
    sites = lake.sites()
    expected = Counter(h3.cell_to_parent(h3.int_to_str(site["h3_r8"]), 6) for site in sites if site["h3_r8"])
    assert {row["cell"]: row["n_installations"] for row in rows} == expected
    for row in rows:
        outline = shapely.from_wkt(row["boundary_wkt"])
        lat, lon = h3.cell_to_latlng(row["cell"])
        assert shapely.contains_xy(outline, lon, lat)
    assert sum(row["capacity_mw"] for row in rows) == pytest.approx(sum(known(sites, "capacity_mw")), abs=0.05 * len(rows))


def h3_rollup(rows: Rows, lake: Lake) -> None:
    assert rows
    for row in rows:
        assert row["n_installations"] == row["n_installations_of_children"]
        assert 1 <= row["children_with_pv"] <= 7
        assert row["fullest_child_pct"] is None or 100 / 7 - 0.1 <= row["fullest_child_pct"] <= 100
    assert sum(row["n_installations"] for row in rows) == len(known(lake.sites(), "h3_r8"))


def density_by_region(rows: Rows, lake: Lake) -> None:
    assert rows
    sites = lake.sites()
    for row in rows:
        place = row["country_code"], row["region_code"]
        of_region = [site for site in sites if (site["country_code"], site["region_code"]) == place]
        assert row["n_installations"] == len(of_region)
        mw = math.fsum(known(of_region, "capacity_mw"))
        assert row["mw_per_1000_km2"] == pytest.approx(1000 * mw / row["boundary_area_km2"], abs=0.06 + 1e-3 * mw)
    boundaries = lake.rows("SELECT region_code, ST_AsText(geometry) AS wkt FROM staging.stg_admin_areas WHERE level = 'region'")
    geodesic = pyproj.Geod(ellps="WGS84")
    areas = {
        one["region_code"]: abs(geodesic.geometry_area_perimeter(shapely.orient_polygons(shapely.from_wkt(one["wkt"])))[0])
        / 1e6
        for one in boundaries
    }
    assert {row["region_code"]: row["boundary_area_km2"] for row in rows} == pytest.approx(
        {row["region_code"]: areas[row["region_code"]] for row in rows}, abs=0.51
    )


def largest_plants_by_country(rows: Rows, lake: Lake) -> None:
    for country, plants in by(rows, "country_code").items():
        capacities = sorted(known([site for site in lake.sites() if site["country_code"] == country], "capacity_mw"))
        assert [row["capacity_mw"] for row in plants] == capacities[::-1][:3]
    assert rows


def hot_spots(rows: Rows, lake: Lake) -> None:
    assert rows
    for row in rows:
        assert (row["gi_star_z"] > 0) == (row["class"] == "hot")
        assert row["q_value"] <= 0.05
        assert h3.latlng_to_cell(row["lat_deg"], row["lon_deg"], 5) == row["cell"]
    # The hottest cell and its neighbours hold more than as many others do on average
    capacity = Counter()
    for site in lake.sites():
        if site["h3_r8"]:
            capacity[h3.cell_to_parent(h3.int_to_str(site["h3_r8"]), 5)] += site["capacity_mw"] or 0
    hottest = next(row["cell"] for row in rows if row["class"] == "hot")
    around = sum(capacity[cell] for cell in h3.grid_disk(hottest, 1))
    assert around > 7 * sum(capacity.values()) / len(capacity)


def is_it_clustered(rows: Rows, lake: Lake) -> None:
    del lake
    moran = [row for row in rows if row["statistic"] == "moran_i"]
    ripley = [row for row in rows if row["statistic"] == "ripley_k"]
    assert {row["measure"] for row in moran} == {"n_installations_per_km2", "capacity_mw_per_km2"}
    assert len(ripley) == 20
    assert [row["distance_m"] for row in ripley] == sorted(row["distance_m"] for row in ripley)
    # The sample's sites stand around towns and along the coast, not anywhere
    assert ripley[0]["value"] > ripley[0]["by_chance_up_to"]
    assert ripley[0]["p_simulated"] < 0.05


def borders_and_coasts(rows: Rows, lake: Lake) -> None:
    expected = Counter(
        row["country_match"]
        for row in lake.rows("SELECT country_match FROM curated.pv_installations WHERE country_match IS DISTINCT FROM 'within'")
    )
    assert Counter(row["country_match"] for row in rows) == expected
    assert expected["nearest"] >= 1
    assert all(row["country_distance_m"] > 0 for row in rows if row["country_match"] == "nearest")


def sites_on_cropland(rows: Rows, lake: Lake) -> None:
    expected = {
        site["installation_id"]
        for site in lake.sites()
        if site["land_cover"] == "crop" and site["land_cover_share"] is not None and site["land_cover_share"] >= 0.5
    }
    assert {row["installation_id"] for row in rows} == expected
    assert 0 < len(rows) < len(lake.sites())


def land_take_by_cover(rows: Rows, lake: Lake) -> None:
    sites = lake.sites()
    counts = Counter(site["land_cover"] for site in sites)
    assert {row["land_cover"]: row["sites"] for row in rows} == counts
    assert len(rows) > 2
    assert sum(known(rows, "area_pct")) == pytest.approx(100, abs=0.5)
    assert sum(known(rows, "area_ha")) == pytest.approx(sum(known(sites, "area_m2")) / 1e4, abs=1)


def mount_by_land_cover(rows: Rows, lake: Lake) -> None:
    expected = Counter((site["land_cover"] or "not known", site["mount"]) for site in lake.sites())
    found = {
        (row["land_cover"], mount): row[mount]
        for row in rows
        for mount in ("rooftop", "ground", "canopy", "unknown")
        if row[mount]
    }
    assert found == expected


def rooftop_share_by_county(rows: Rows, lake: Lake) -> None:
    for row in rows:
        sites = [
            site
            for site in lake.sites()
            if (site["country_code"], site["region_name"], site["county_name"])
            == (row["country_code"], row["region_name"], row["county_name"])
        ]
        n_rooftop = sum(site["mount"] == "rooftop" for site in sites)
        assert (row["n_installations"], row["n_rooftop"]) == (len(sites), n_rooftop)
        assert row["rooftop_pct"] == pytest.approx(100 * n_rooftop / len(sites), abs=0.06)
    assert len({row["county_name"] for row in rows}) > 1
    assert any(row["n_rooftop"] for row in rows)
    assert descending([row["rooftop_pct"] for row in rows])


def sunniest_sites(rows: Rows, lake: Lake) -> None:
    values = sorted(known(lake.sites(), "pvout_kwh_kwp_year"), reverse=True)
    assert [row["pvout_kwh_kwp_year"] for row in rows] == values[:20]
    assert len(rows) == 20
    assert all(700 < row["pvout_kwh_kwp_year"] < row["ghi_kwh_m2_year"] * 1.3 for row in rows)
