"""What an installation is made of, over hand-made sites: phases, neighbours, trust, licences, the golden record."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import yaml
from resolution_lake import ResolutionLake, installation_founded_by, observation, observation_id, point, square

from dataflows.elt import PROJECT_DIR

pytestmark = pytest.mark.xdist_group("resolution_installations")

LISTED_ONCE, OTHER, SEVERAL_ROWS = "deu_ufz_open_field_pv_2015", "ind_pv_solar_farms_2022", "deu_osm_pv_2023"
TILES = "global_pv_inventory_sent2_2024"
USPVDB, GM_SEUS, GPPD, HARMONIZED = (
    "usa_uspvdb_v3_2025",
    "usa_gm_seus_v1_2025",
    "global_wri_gppd_2021",
    "global_harmonized_large_solar_farms_2020",
)


def phased(n: int, north_m: float, **said: float) -> list[dict[str, Any]]:
    """A plant of 2 MW a phase: phases in one source, the whole in another."""
    whole_m = 150.0 * n
    phases = [
        observation(LISTED_ONCE, f"phase {k} of {n}", geometry=square(150 * (k - 0.5) - whole_m / 2, north_m, 150, 300), **said)
        for k in range(1, n + 1)
    ]
    all_said = {name: value * n for name, value in said.items()}
    return [*phases, observation(OTHER, f"whole of {n}", geometry=square(0, north_m, whole_m, 300), **all_said)]


SITES = [
    *phased(6, 0, capacity_mw=2.0),
    *phased(2, 60_000),
    *phased(3, 70_000),
    *phased(4, 80_000),
    # within the second of four phases, and within the whole
    observation(GPPD, "amid four", geometry=point(-75, 80_000)),
    # neighbours wall to wall, known to three sources each
    *(
        observation(dataset, f"neighbour {n}", geometry=square(10_000 + 300 * n + shift, 0, 300))
        for dataset, shift in [(LISTED_ONCE, 0), (OTHER, 12), (SEVERAL_ROWS, -9)]
        for n in range(3)
    ),
    # of low trust: alone, in company, beside a site
    observation(TILES, "alone", geometry=point(20_000, 0), trust="low"),
    observation(TILES, "company", geometry=square(22_000, 0, 100), trust="low"),
    observation("some_dataset", "company", geometry=square(22_000, 0, 100), trust="low"),
    observation(TILES, "support", geometry=point(24_000, 20), trust="low"),
    observation(OTHER, "supported", geometry=square(24_000, 0, 200)),
    # licences
    observation(LISTED_ONCE, "free", geometry=square(30_000, 0, 200), licence="CC-BY-4.0", commercial_use="yes"),
    observation(SEVERAL_ROWS, "share alike", geometry=square(30_000, 0, 200), licence="ODbL-1.0", commercial_use="yes"),
    observation(OTHER, "not for sale", geometry=square(30_000, 0, 200), licence="CC-BY-NC-4.0", commercial_use="no"),
    observation(LISTED_ONCE, "silent", geometry=square(32_000, 0, 200), licence="CC-BY-4.0", commercial_use="yes"),
    observation(OTHER, "unlicensed", geometry=square(32_000, 0, 200), licence="unknown", commercial_use="unknown"),
    # what four sources say of one plant
    observation(
        USPVDB,
        "plant",
        geometry=point(40_000, 0),
        name="Marsh Solar",
        capacity_mw=20.0,
        capacity_mw_dc=26.0,
        installed_year=2019,
        axis="single",
        azimuth_deg=180.0,
    ),
    observation(
        GM_SEUS, "plant", geometry=square(40_000, 0, 600), capacity_mw=25.0, installed_year=2018, axis="fixed", tilt_deg=25.0
    ),
    observation(
        GPPD,
        "plant",
        geometry=point(40_150, 100),
        name="Marsh Solar Farm",
        operator="Reed LLC",
        capacity_mw=20.0,
        installed_year=2019,
    ),
    observation(
        HARMONIZED, "plant", geometry=point(40_020, 0), reported_area_m2=300_000.0, capacity_mw=15.0, country_iso3="USA"
    ),
    # direct current only, and a copy of it
    observation(LISTED_ONCE, "direct", geometry=square(50_000, 0, 300), capacity_mw=6.3),
    observation(
        LISTED_ONCE, "direct again", geometry=square(50_000, 0, 300), capacity_mw=6.3, duplicate_of=(LISTED_ONCE, "direct")
    ),
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> ResolutionLake:
    lake = ResolutionLake.at(tmp_path_factory.mktemp("installations") / "home")
    lake.observe(pd.DataFrame(SITES))
    lake.resolve()
    return lake


@pytest.fixture(scope="module")
def bridge(lake: ResolutionLake) -> dict[tuple[str, str], dict[str, Any]]:
    """By dataset and id."""
    records = lake.records("FROM curated.pv_installation_observations")
    return {(record["dataset"], record["source_feature_id"]): record for record in records}


@pytest.fixture(scope="module")
def installation(lake: ResolutionLake, bridge: dict[tuple[str, str], dict[str, Any]]):
    """That of an observation."""
    records = {record["installation_id"]: record for record in lake.records("FROM prepared.prep_pv_installations")}
    return lambda *place: records[bridge[place]["installation_id"]]


@pytest.mark.parametrize("n", [2, 3, 6])
def test_phases_are_parts_of_the_plant_that_another_source_has_as_a_whole(installation, n: int) -> None:
    whole = installation(OTHER, f"whole of {n}")
    phases = [installation(LISTED_ONCE, f"phase {k} of {n}") for k in range(1, n + 1)]
    assert len({site["installation_id"] for site in [whole, *phases]}) == n + 1
    assert {phase["part_of"] for phase in phases} == {whole["installation_id"]}
    assert whole["part_of"] is None


def test_a_point_within_a_whole_and_a_phase_does_not_join_the_two(lake: ResolutionLake, bridge, installation) -> None:
    plant = [installation(OTHER, "whole of 4"), *(installation(LISTED_ONCE, f"phase {k} of 4") for k in range(1, 5))]
    assert len({site["installation_id"] for site in plant}) == 5
    amid = bridge[GPPD, "amid four"]
    refused = lake.records(
        "FROM curated.pv_links WHERE refusal IS NOT NULL"
        f" AND '{amid['observation_id']}' IN (observation_id_a, observation_id_b)"
    )
    assert "phase" in {link["refusal"] for link in refused}


def test_sums_over_what_is_no_part_count_nothing_twice(lake: ResolutionLake, installation) -> None:
    sites = [installation(OTHER, "whole of 6"), *(installation(LISTED_ONCE, f"phase {k} of 6") for k in range(1, 7))]
    ids = ", ".join(f"'{site['installation_id']}'" for site in sites)
    ((all_rows, no_parts, area_m2),) = lake.query(
        f"""
        SELECT sum(capacity_mw), sum(capacity_mw) FILTER (part_of IS NULL), sum(area_m2) FILTER (part_of IS NULL)
        FROM prepared.prep_pv_installations WHERE installation_id IN ({ids})
        """
    )
    assert no_parts == 12
    assert all_rows > 20
    assert area_m2 == pytest.approx(6 * 150 * 300, rel=0.01)


def test_neighbours_wall_to_wall_stay_apart(installation) -> None:
    sites = [
        {installation(dataset, f"neighbour {n}")["installation_id"] for dataset in (LISTED_ONCE, OTHER, SEVERAL_ROWS)}
        for n in range(3)
    ]
    assert [len(ids) for ids in sites] == [1, 1, 1]
    assert len(set.union(*sites)) == 3
    assert {installation(OTHER, f"neighbour {n}")["part_of"] for n in range(3)} == {None}


def test_low_trust_supports_but_creates_no_installation(installation, bridge) -> None:
    assert not {(TILES, "alone"), (TILES, "company"), ("some_dataset", "company")} & bridge.keys()
    supported = installation(OTHER, "supported")
    assert supported["datasets"] == sorted([OTHER, TILES])
    assert installation(TILES, "support") == supported
    assert supported["geometry_source"] == observation_id(OTHER, "supported")


def test_all_licences_and_the_strictest_use_hold(installation) -> None:
    shared = installation(LISTED_ONCE, "free")
    assert shared["n_observations"] == 3
    assert (shared["licence"], shared["commercial_use"]) == ("CC-BY-4.0 AND CC-BY-NC-4.0 AND ODbL-1.0", "no")
    silent = installation(LISTED_ONCE, "silent")
    assert silent["n_observations"] == 2
    assert silent["commercial_use"] == "unknown"


def test_each_attribute_comes_from_the_source_that_takes_precedence(installation) -> None:
    plant = installation(USPVDB, "plant")
    assert plant["datasets"] == sorted([USPVDB, GM_SEUS, GPPD, HARMONIZED])
    expected = {
        "geometry": (None, GM_SEUS),
        "name": ("Marsh Solar", USPVDB),
        "capacity_mw": (20.0, USPVDB),
        "capacity_mw_dc": (26.0, USPVDB),
        "installed_year": (2019, USPVDB),
        "operator": ("Reed LLC", GPPD),
        "country_iso3": ("USA", HARMONIZED),
        "level": ("plant", GM_SEUS),
    }
    for attribute, (value, source) in expected.items():
        assert plant[f"{attribute}_source"] == observation_id(source, "plant"), attribute
        assert value in (None, plant[attribute]), attribute
    assert (plant["geometry_kind"], plant["capacity_basis"]) == ("polygon", "ac")
    assert plant["area_m2"] == pytest.approx(600**2, rel=0.01)
    assert plant["area_m2_source"] == observation_id(GM_SEUS, "plant")


def test_axis_tilt_and_azimuth_come_from_one_observation(installation) -> None:
    plant = installation(USPVDB, "plant")
    assert plant["orientation_source"] == observation_id(USPVDB, "plant")
    # the other source's tilt is that of fixed modules
    assert (plant["axis"], plant["tilt_deg"], plant["azimuth_deg"]) == ("single", None, 180.0)
    assert installation(OTHER, "supported")["orientation_source"] is None


def test_what_no_source_says_has_no_source(installation) -> None:
    site = installation(OTHER, "supported")
    for attribute in ("name", "operator", "capacity_mw", "installed_year"):
        assert (site[attribute], site[f"{attribute}_source"]) == (None, None)
    assert site["capacity_basis"] is None


def test_direct_current_is_converted_and_kept(installation) -> None:
    site = installation(LISTED_ONCE, "direct")
    ratio = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]["dc_ac_ratio"]
    assert site["capacity_mw"] == pytest.approx(6.3 / ratio)
    assert (site["capacity_basis"], site["capacity_mw_dc"]) == ("from_dc", 6.3)


def test_copies_are_in_the_bridge(installation, bridge) -> None:
    site, copy = bridge[LISTED_ONCE, "direct"], bridge[LISTED_ONCE, "direct again"]
    assert (site["rule_id"], copy["rule_id"]) == ("only_source", "exact_duplicate")
    assert site["installation_id"] == copy["installation_id"] == installation_founded_by(LISTED_ONCE, "direct")
    assert installation(LISTED_ONCE, "direct")["n_observations"] == 2
