"""What each query of docs/sql has to say of the sample lake, computed in another way."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import duckdb
import h3
import pyproj
import pytest
import shapely

Rows = list[dict[str, Any]]
Check = Callable[[Rows, "Lake"], None]

GEOD = pyproj.Geod(ellps="sphere")  # ST_Distance_Sphere has the same mean radius to 1e-6


class Lake:
    """Plain rows of the lake's tables, to compute with in Python."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def rows(self, query: str) -> Rows:
        found = self._con.execute(query)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def installations(self) -> Rows:
        return self.rows("SELECT * EXCLUDE (geometry) FROM curated.pv_installations")

    def sites(self) -> Rows:
        """Installations that are part of no other one."""
        return [site for site in self.installations() if site["part_of"] is None]

    def observations(self) -> Rows:
        """Observations of installations, with what was published."""
        return self.rows("""
            SELECT installation_id, o.* EXCLUDE (geometry)
            FROM curated.pv_observations AS o JOIN curated.pv_installation_observations AS m USING (observation_id)
        """)


def by(rows: Rows, *keys: str) -> dict[Any, Rows]:
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys) if len(keys) > 1 else row[keys[0]]].append(row)
    return groups


def known(rows: Rows, column: str) -> list[Any]:
    return [row[column] for row in rows if row[column] is not None]


def geodesic_km2(polygons: shapely.Geometry) -> float:
    return abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(polygons))[0]) / 1e6


def descending(values: list[float]) -> bool:
    return values == sorted(values, reverse=True)


def nearest_plants(rows: Rows, lake: Lake) -> None:
    distances = {}
    for site in lake.sites():
        _, _, metres = GEOD.inv(-19.94, 44.57, site["centroid_lon_deg"], site["centroid_lat_deg"])
        distances[site["installation_id"]] = metres / 1000
    assert [row["distance_km"] for row in rows] == pytest.approx(sorted(distances.values())[:10], abs=0.02)
    assert all(distances[row["installation_id"]] == pytest.approx(row["distance_km"], abs=0.02) for row in rows)


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


def mount_by_land_cover(rows: Rows, lake: Lake) -> None:
    expected = Counter((site["land_cover"] or "not known", site["mount"]) for site in lake.sites())
    found = {
        (row["land_cover"], mount): row[mount]
        for row in rows
        for mount in ("rooftop", "ground", "canopy", "unknown")
        if row[mount]
    }
    assert found == expected


def capacity_by_year_and_country(rows: Rows, lake: Lake) -> None:
    sites = lake.sites()
    for country, years in by(rows, "country_code").items():
        of_country = [site for site in sites if (site["country_code"] or "unknown") == country]
        dated = [site for site in of_country if site["installed_year"] is not None]
        standing = 0.0
        assert [row["year"] for row in years] == list(range(years[0]["year"], years[-1]["year"] + 1))
        for row in years:
            added = math.fsum(known([site for site in dated if site["installed_year"] == row["year"]], "capacity_mw"))
            standing += added
            assert row["added_mw"] == pytest.approx(added, abs=0.051)
            assert row["standing_mw"] == pytest.approx(standing, abs=0.051)
            assert row["dated_pct"] == pytest.approx(100 * len(dated) / len(of_country), abs=0.051)
        assert sum(row["n_installations_added"] for row in years) == len(dated)
    assert rows


def growth_rates(rows: Rows, lake: Lake) -> None:
    added = {row["year"]: row["added_mw"] for row in rows}
    assert len(rows) > 10
    total = math.fsum(site["capacity_mw"] or 0 for site in lake.sites() if site["installed_year"] is not None)
    assert sum(added.values()) == pytest.approx(total, abs=0.05 * len(rows))
    standing = {year: sum(mw for one, mw in added.items() if one <= year) for year in added}
    last = rows[-1]
    assert last["growth_pct"] == pytest.approx(100 * last["added_mw"] / standing[last["year"] - 1], abs=0.2)
    mean = 100 * ((standing[last["year"]] / standing[last["year"] - 5]) ** 0.2 - 1)
    assert last["mean_growth_5_years_pct"] == pytest.approx(mean, abs=0.2)


def capacity_disagreements(rows: Rows, lake: Lake) -> None:
    assert rows
    assert descending([row["capacity_ratio"] for row in rows])
    of = by(lake.observations(), "installation_id", "dataset")
    for row in rows:
        for side in "ab":
            stated = [(one["capacity_mw"], one["capacity_mw_dc"]) for one in of[row["installation_id"], row[f"dataset_{side}"]]]
            assert (row[f"capacity_mw_{side}"], row[f"capacity_mw_dc_{side}"]) in stated
        a, b = ([row[f"capacity_mw_{side}"], row[f"capacity_mw_dc_{side}"]] for side in "ab")
        ratios = [x / y * like for x in a for y in b if x and y for like in (1, 1.26, 1 / 1.26)]
        assert any(max(ratio, 1 / ratio) == pytest.approx(row["capacity_ratio"], abs=0.006) for ratio in ratios), row


def year_disagreements(rows: Rows, lake: Lake) -> None:
    stated = defaultdict(set)
    for one in lake.observations():
        if one["installed_year"] is not None:
            stated[one["installation_id"]].add(one["installed_year"])
    gaps = {site: max(years) - min(years) for site, years in stated.items() if len(years) > 1}
    assert {row["installation_id"]: row["year_gap"] for row in rows} == gaps
    assert rows
    assert all(row["taken"] in stated[row["installation_id"]] for row in rows)


def changes_between_snapshots(rows: Rows, lake: Lake) -> None:
    (n,) = lake.rows("SELECT count(*) AS n FROM curated.pv_installations")
    assert sum(row["installations"] for row in rows if row["change"] != "gone") == n["n"]
    assert {row["change"] for row in rows} <= {"new", "gone", "changed", "the same"}


def landed_between_snapshots(rows: Rows, lake: Lake) -> None:
    landed = {(row["dataset"], row["rows_landed"]) for row in rows if row["change_type"] == "insert"}
    summary = lake.rows("SELECT dataset, n_observations FROM curated.dataset_summary")
    assert {(row["dataset"], row["n_observations"]) for row in summary} <= landed


def sites_without_imagery(rows: Rows, lake: Lake) -> None:
    seen = {row["installation_id"] for row in lake.rows("SELECT DISTINCT installation_id FROM curated.pv_scenes")}
    assert {row["installation_id"] for row in rows} == {site["installation_id"] for site in lake.sites()} - seen


def lineage_of_a_site(rows: Rows, lake: Lake) -> None:
    sites = {
        row["installation_id"]: row for row in lake.rows("SELECT installation_id, n_observations FROM curated.pv_installations")
    }
    assert len(rows) == max(site["n_observations"] for site in sites.values())
    taken = Counter(attribute for row in rows for attribute in row["taken_from_it"])
    assert taken["geometry"] == 1
    assert max(taken.values()) == 1
    for row in rows:
        file = lake.rows(f"SELECT source_sha256 FROM landing.{row['dataset']} WHERE source_row = {row['source_row']}")
        assert row["source_sha256"] in {one["source_sha256"] for one in file}


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


def density_by_region(rows: Rows, lake: Lake) -> None:
    assert rows
    sites = lake.sites()
    for row in rows:
        of_region = [site for site in sites if site["region_code"] == row["region_code"]]
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


def duplicates_between_datasets(rows: Rows, lake: Lake) -> None:
    sites = defaultdict(set)
    for one in lake.observations():
        sites[one["dataset"]].add(one["installation_id"])
    for row in rows:
        a, b = sites[row["dataset_a"]], sites[row["dataset_b"]]
        assert (row["n_installations_a"], row["n_installations_shared"]) == (len(a), len(a & b))
        assert row["shared_pct"] == pytest.approx(100 * len(a & b) / len(a), abs=0.051)
    assert any(row["n_installations_shared"] for row in rows)


def largest_plants_by_country(rows: Rows, lake: Lake) -> None:
    for country, plants in by(rows, "country_code").items():
        capacities = sorted(known([site for site in lake.sites() if site["country_code"] == country], "capacity_mw"))
        assert [row["capacity_mw"] for row in plants] == capacities[::-1][:3]
    assert rows


def usable_commercially(rows: Rows, lake: Lake) -> None:
    sites = lake.sites()
    assert {(row["commercial_use"], row["licence"]): row["sites"] for row in rows} == Counter(
        (site["commercial_use"], site["licence"]) for site in sites
    )
    assert {dataset for row in rows for dataset in row["datasets"]} == {name for site in sites for name in site["datasets"]}


def parts_of_plants(rows: Rows, lake: Lake) -> None:
    everything = lake.rows("SELECT installation_id, part_of, capacity_mw FROM curated.pv_installations")
    parts = Counter(known(everything, "part_of"))
    assert {row["installation_id"]: row["parts"] for row in rows} == parts
    assert rows


def confirmed_by_several_sources(rows: Rows, lake: Lake) -> None:
    assert {row["n_datasets"]: row["sites"] for row in rows} == Counter(len(site["datasets"]) for site in lake.sites())
    confidences = [row["mean_confidence"] for row in rows]
    assert confidences == sorted(confidences)
    assert len(rows) > 1


def observation_age(rows: Rows, lake: Lake) -> None:
    observations = lake.observations()
    sites = {dataset: {one["installation_id"] for one in members} for dataset, members in by(observations, "dataset").items()}
    assert {row["dataset"]: row["sites"] for row in rows} == {dataset: len(ids) for dataset, ids in sites.items()}
    year = {row["dataset"]: row["speaks_of_year"] or 0 for row in rows}
    for row in rows:
        newer = {site for dataset, ids in sites.items() if year[dataset] > year[row["dataset"]] for site in ids}
        assert row["sites_nothing_newer_knows"] == len(sites[row["dataset"]] - newer)
    assert len({row["speaks_of_year"] for row in rows}) > 1


def borders_and_coasts(rows: Rows, lake: Lake) -> None:
    expected = Counter(
        row["country_match"]
        for row in lake.rows("SELECT country_match FROM curated.pv_installations WHERE country_match IS DISTINCT FROM 'within'")
    )
    assert Counter(row["country_match"] for row in rows) == expected
    assert expected["nearest"] >= 1
    assert all(row["country_distance_m"] > 0 for row in rows if row["country_match"] == "nearest")


def country_disagreements(rows: Rows, lake: Lake) -> None:
    country = {row["installation_id"]: row["country_code"] for row in lake.installations()}
    for row in rows:
        pairs = [
            (one["country_iso3"], country[one["installation_id"]])
            for one in lake.observations()
            if one["dataset"] == row["dataset"] and one["country_iso3"] and country[one["installation_id"]]
        ]
        assert row["observations"] == len(pairs) == row["agree"] + row["disagree"]
        assert row["agree"] == sum(stated == found for stated, found in pairs)
        assert row["agree_pct"] > 95
    assert rows


def estimated_capacity(rows: Rows, lake: Lake) -> None:
    site = {one["installation_id"]: one for one in lake.sites()}
    assert rows
    for row in rows:
        assert site[row["installation_id"]]["capacity_mw"] is None
        assert row["low"] <= row["capacity_mw_dc_estimated"] <= row["high"]
        # Between 10 and 250 W/m², whatever the site
        density = 1e6 * row["capacity_mw_dc_estimated"] / row["area_m2"]
        assert 10 < density < 250


def sunniest_sites(rows: Rows, lake: Lake) -> None:
    values = sorted(known(lake.sites(), "pvout_kwh_kwp_year"), reverse=True)
    assert [row["pvout_kwh_kwp_year"] for row in rows] == values[:20]
    assert len(rows) == 20
    assert all(700 < row["pvout_kwh_kwp_year"] < row["ghi_kwh_m2_year"] * 1.3 for row in rows)


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        nearest_plants,
        sites_on_cropland,
        land_take_by_cover,
        rooftop_share_by_county,
        mount_by_land_cover,
        capacity_by_year_and_country,
        growth_rates,
        capacity_disagreements,
        year_disagreements,
        changes_between_snapshots,
        landed_between_snapshots,
        sites_without_imagery,
        lineage_of_a_site,
        hexagon_map,
        h3_rollup,
        hot_spots,
        is_it_clustered,
        density_by_region,
        duplicates_between_datasets,
        largest_plants_by_country,
        usable_commercially,
        parts_of_plants,
        confirmed_by_several_sources,
        observation_age,
        borders_and_coasts,
        country_disagreements,
        estimated_capacity,
        sunniest_sites,
    )
}
