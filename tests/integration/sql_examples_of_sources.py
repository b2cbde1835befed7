"""What the queries of docs/sql about amounts, years and sources have to say of the sample lake, computed in another way."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import pytest
from sql_example_support import Lake, Rows, by, descending, known


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
    # Built once; test_resolution_history.py has a lake in which sites came, went and changed
    sites = lake.installations()
    capacity_mw = round(sum(known(sites, "capacity_mw")), 1)
    assert rows == [
        {
            "change": "the same",
            "installations": len(sites),
            "capacity_mw_before": capacity_mw,
            "capacity_mw_after": capacity_mw,
        }
    ]


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


def duplicates_between_datasets(rows: Rows, lake: Lake) -> None:
    sites = defaultdict(set)
    for one in lake.observations():
        sites[one["dataset"]].add(one["installation_id"])
    for row in rows:
        a, b = sites[row["dataset_a"]], sites[row["dataset_b"]]
        assert (row["n_installations_a"], row["n_installations_shared"]) == (len(a), len(a & b))
        assert row["shared_pct"] == pytest.approx(100 * len(a & b) / len(a), abs=0.051)
    assert any(row["n_installations_shared"] for row in rows)


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
        assert row["low_kw_dc"] <= row["estimated_kw_dc"] <= row["high_kw_dc"]
        # Between 10 and 250 W/m², whatever the site
        density = 1000 * row["estimated_kw_dc"] / row["area_m2"]
        assert 10 < density < 250


def energy_by_region(rows: Rows, lake: Lake) -> None:
    site = {one["installation_id"]: one for one in lake.sites()}
    yields = [one for one in lake.rows("FROM curated.pv_energy_yield") if one["installation_id"] in site]
    assert sum(row["sites"] for row in rows) == len({one["installation_id"] for one in yields})
    for row in rows:
        of_region = [
            one
            for one in yields
            if (site[one["installation_id"]]["country_code"], site[one["installation_id"]]["region_name"])
            == (row["country_code"], row["region_name"])
        ]
        # The months are another path to the year
        months = math.fsum(one["energy_mwh"] for one in of_region if one["month"] is not None)
        assert row["energy_gwh"] == pytest.approx(months / 1000, rel=1e-3, abs=0.06)
        assert row["energy_gwh_low"] <= row["energy_gwh"] <= row["energy_gwh_high"]
        assert 700 < row["specific_yield_kwh_kwp"] < 2500
    assert len(rows) > 1
