"""Administrative areas of the sample lake's installations, compared with the truth of their sites."""

from __future__ import annotations

import pytest
from sample_lake import SampleLake
from sample_truth import beside_truth

from db import connect

OUTLINE_ERROR_M = 60.0
"""Outlines are a few metres off, and some stop short of a side of a site that is up to 150 m long."""


@pytest.fixture(scope="module")
def found(sample_lake: SampleLake):
    with connect(read_only=True, lake=sample_lake.settings) as con:
        return beside_truth(con, sample_lake.world, "prepared.prep_pv_admin")


@pytest.fixture(scope="module")
def outlined(found):
    return found[found["geometry_kind"] == "polygon"]


def test_every_installation_has_its_country_and_how_sure_that_is(outlined, sample_lake):
    facts = sample_lake.world.context
    assert outlined["country_match"].eq(outlined["true_country_match"]).all()
    assert outlined["country_code"][outlined["country_match"] != "disputed"].eq("XHE").all()
    assert outlined["admin_release"].eq(facts.release).all()
    assert set(outlined.index[outlined["country_match"] == "nearest"]) <= set(facts.beyond_coast)
    assert (outlined["country_match"] == "nearest").any()


def test_sites_off_the_simplified_coast_say_how_far(outlined):
    off = outlined[outlined["true_country_match"] == "nearest"]
    assert (off["country_distance_m"] - off["true_country_distance_m"]).abs().max() < OUTLINE_ERROR_M
    assert (off["country_distance_m"] > 100).all()
    assert (outlined["country_distance_m"][outlined["true_country_match"] != "nearest"] == 0).all()


def test_both_countries_claim_the_site_on_the_islet(found):
    disputed = found[found["true_country_match"] == "disputed"]
    assert len(disputed) >= 1
    assert disputed["country_match"].eq("disputed").all()
    assert [list(claims) for claims in disputed["claimed_by"]] == [["XHE", "XSE"]] * len(disputed)
    assert found["claimed_by"][found["true_country_match"] != "disputed"].isna().all()


def test_provinces_are_the_true_ones(found, outlined):
    assert outlined["region_code"].eq(outlined["true_region"]).all()
    # points may lie up to 900 m off, where parcels of the two provinces meet
    assert found["region_code"].eq(found["true_region"]).mean() > 0.99


def test_counties_are_the_true_ones_enclave_included(outlined):
    on_island = outlined[outlined["true_country_match"] == "within"]
    inside = on_island["county_match"] == "within"
    assert on_island["county_name"][inside].eq(on_island["true_county"][inside]).all()
    assert {"Lichtenau", "Lichtenau (Stadt)"} <= set(on_island["county_name"][inside])
    # in the outskirts there is none: at most one nearby
    assert inside.eq(on_island["true_county"].notna()).all()
    assert (~inside).sum() >= 5


def test_curated_installations_say_the_same(sample_lake):
    with connect(read_only=True, lake=sample_lake.settings) as con:
        columns = "country_code, country_match, region_code, county_name"
        (differing,) = con.sql(
            f"""
            SELECT count(*) FROM (
                SELECT installation_id, {columns} FROM prepared.prep_pv_admin
                EXCEPT SELECT installation_id, {columns} FROM curated.pv_installations
            )
            """
        ).fetchone()
    assert differing == 0
