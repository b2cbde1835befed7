"""Share of installations on buildings, and the rules that say how they are mounted."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pyarrow as pa
import pytest
import shapely
from land_sql import LANDED_AT, Land, Row, area, box, point, site

from dataflows.elt import PROJECT_DIR

REPORTED = ["rooftop", "ground", "canopy", "floating", "mixed"]
TOWN = ["residential", "commercial", "industrial", "retail"]
SHARES = [None, 0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.4, 0.5, 0.7, 0.8, 1.0]


@pytest.fixture(scope="module")
def land() -> Land:
    return Land()


def built(
    land: Land, sites: list[Row], buildings: list[Row], uses: list[Row] | None = None, parkings: list[Row] | None = None
) -> dict[str, Row]:
    land.place(sites)
    land.have("stg_buildings", buildings)
    land.have("stg_land_use", uses or [])
    land.have("stg_parking", parkings or [])
    return land.mounts()


def of_class(geometry: shapely.Geometry, building_class: str | None = None, **attributes: Any) -> Row:
    return area(geometry, **{"class": building_class}, **attributes)


class TestShare:
    def test_overlapping_footprints_count_once(self, land: Land) -> None:
        buildings = [of_class(box(0, 0, 60, 100)), of_class(box(40, 0, 40, 100)), of_class(box(300, 0, 9, 9))]
        found = built(land, [site(box(0, 0, 100, 100))], buildings)["s0"]
        assert found["building_share"] == pytest.approx(0.8, abs=1e-4)
        assert found["n_buildings"] == 2

    def test_what_is_underground_carries_nothing(self, land: Land) -> None:
        buildings = [of_class(box(0, 0, 100, 100), is_underground=True), of_class(box(300, 0, 9, 9), is_underground=False)]
        found = built(land, [site(box(0, 0, 100, 100))], buildings)["s0"]
        assert (found["building_share"], found["n_buildings"]) == (0, 0)

    def test_points_are_on_buildings_within_their_position_error(self, land: Land) -> None:
        buildings = [of_class(box(0, -5, 10, 10)), of_class(box(0, 2, 10, 3))]
        places = {"on": 5, "near": -3, "off": -8}
        found = built(land, [site(point(east, 0), position_error_m=5.0) for east in places.values()], buildings)
        shares = [found[f"s{number}"]["building_share"] for number in range(3)]
        assert shares == [1, 1, 0]
        assert [found[f"s{number}"]["n_buildings"] for number in range(3)] == [2, 2, 0]

    def test_points_that_may_be_anywhere_say_something_on_a_building_only(self, land: Land) -> None:
        sites = [site(point(east, 0), position_error_m=500.0) for east in (5, -1)]
        found = built(land, sites, [of_class(box(0, -5, 10, 10))])
        assert (found["s0"]["building_share"], found["s0"]["mount_rule"]) == (1, "point_on_building")
        assert (found["s1"]["building_share"], found["s1"]["n_buildings"]) == (None, None)
        assert (found["s1"]["mount"], found["s1"]["mount_rule"]) == ("unknown", "position_too_uncertain")

    def test_no_buildings_around_are_no_evidence(self, land: Land) -> None:
        sites = [site(box(0, 0, 100, 100)), site(box(1000, 0, 100, 100)), site(box(30_000, 0, 100, 100))]
        found = built(land, sites, [of_class(box(300, 0, 9, 9))])
        assert [found[name]["building_share"] for name in ("s0", "s1", "s2")] == [0, 0, None]
        assert (found["s2"]["mount"], found["s2"]["mount_probability"], found["s2"]["n_buildings"]) == ("unknown", None, None)
        nothing = built(land, sites, [])
        assert {row["mount_rule"] for row in nothing.values()} == {"no_buildings_known"}

    def test_buildings_acquired_since_the_site_was_landed_leave_none_out(self, land: Land) -> None:
        sites = [site(box(5000, 0, 100, 100)), site(box(200_000, 0, 100, 100)), site(point(5000, 500), position_error_m=500.0)]
        later, before = LANDED_AT + timedelta(hours=1), LANDED_AT - timedelta(hours=1)
        shares = {}
        for at in (later, before, None):
            land.acquire(at)
            found = built(land, sites, [of_class(box(300, 0, 9, 9))])
            shares[at] = [found[name]["building_share"] for name in ("s0", "s1", "s2")]
        land.acquire(None)
        assert shares == {later: [0, None, None], before: [None] * 3, None: [None] * 3}

    def test_a_point_beside_the_antimeridian_meets_a_building_on_its_other_side(self, land: Land) -> None:
        found = built(land, [site(point(-2, 0, lon=180))], [of_class(box(1, -5, 10, 10, lon=180))])["s0"]
        assert found["building_share"] == 1

    def test_sites_without_a_geometry_are_kept(self, land: Land) -> None:
        land.place([site(box(0, 0, 10, 10))])
        land.con.execute("UPDATE prep_pv_installations SET geometry = NULL")
        assert land.mounts()["s0"]["mount"] == "unknown"


class TestMount:
    @pytest.mark.parametrize(
        ("building_class", "mount"), [(None, "rooftop"), ("industrial", "rooftop"), ("carport", "canopy"), ("roof", "canopy")]
    )
    def test_what_kind_of_building(self, land: Land, building_class: str | None, mount: str) -> None:
        roof = site(box(0, 0, 20, 10), level="rooftop")
        assert built(land, [roof], [of_class(box(-2, -2, 30, 30), building_class)])["s0"]["mount"] == mount

    def test_a_canopy_beneath_the_outline_of_a_building_is_what_panels_are_on(self, land: Land) -> None:
        buildings = [of_class(box(-2, -2, 90, 90), "retail"), of_class(box(-1, -1, 30, 30), "carport")]
        assert built(land, [site(box(0, 0, 20, 10))], buildings)["s0"]["mount_rule"] == "on_canopy"

    def test_over_a_car_park(self, land: Land) -> None:
        parkings = [of_class(box(-9, -9, 40, 99), "parking"), of_class(box(20, -9, 30, 99), "parking_space")]
        sites = [site(shape, level="array") for shape in (box(0, 0, 50, 20), box(31, 30, 60, 20), point(5, 5))]
        sites += [site(point(5, 5), level="array", position_error_m=90.0)]
        found = built(land, sites, [of_class(box(200, 0, 9, 9))], parkings=parkings)
        rules = [found[name]["mount_rule"] for name in ("s0", "s1", "s2")]
        assert rules == ["over_parking", "site_off_building", "over_parking"]
        assert found["s0"]["mount"] == "canopy"
        assert found["s0"]["parking_share"] == pytest.approx(1, abs=1e-4)
        assert found["s1"]["parking_share"] == pytest.approx(19 / 60, abs=1e-3)
        assert (found["s3"]["parking_share"], found["s3"]["mount_rule"]) == (None, "position_too_uncertain")

    def test_a_car_park_underground_or_in_a_building_is_under_no_canopy(self, land: Land) -> None:
        below = of_class(box(-9, -9, 99, 99), "parking", is_underground=True)
        garage, deck = of_class(box(-5, -5, 90, 90), "parking"), of_class(box(-5, -5, 90, 90), "parking")
        array = site(box(0, 0, 50, 20), level="array")
        assert built(land, [array], [of_class(box(200, 0, 9, 9))], parkings=[below])["s0"]["mount_rule"] == "site_off_building"
        assert built(land, [array], [garage], parkings=[deck])["s0"]["mount"] == "rooftop"

    def test_whoever_calls_a_building_a_carport_knows_better_than_a_list(self, land: Land) -> None:
        listed = site(box(0, 0, 100, 20), datasets=["usa_gm_seus_v1_2025"], level="array")
        found = [built(land, [listed], [of_class(box(-2, -2, 200, 30), kind)])["s0"]["mount"] for kind in ("carport", None)]
        assert found == ["canopy", "ground"]

    def test_lists_of_ground_mounted_plants_are_believed_and_so_of_their_parts(self, land: Land) -> None:
        plant = site(box(0, 0, 300, 300), datasets=["usa_uspvdb_v3_2025"])
        part = site(box(10, 10, 20, 20), level="rooftop", datasets=["usa_cali_usgs_pv_2016"], part_of="s0")
        alone = site(box(900, 10, 20, 20), level="rooftop", datasets=["usa_cali_usgs_pv_2016"])
        found = built(land, [plant, part, alone], [])
        assert [found[name]["mount"] for name in ("s0", "s1", "s2")] == ["ground", "ground", "rooftop"]

    def test_small_points_in_a_town_are_on_roofs_and_large_ones_of_a_list_of_farms_are_not(self, land: Land) -> None:
        uses = [area(box(-900, -900, 2000, 2000), "residential", **{"class": "residential"})]
        listed = {"datasets": ["global_harmonized_large_solar_farms_2020"], "position_error_m": 100.0}
        sites = [site(point(0, 0), area_m2=size, **listed) for size in (300.0, 7000.0, 50_000.0)]
        found = built(land, sites, [of_class(box(50, 0, 10, 10))], uses)
        assert [found[f"s{number}"]["mount"] for number in range(3)] == ["rooftop", "unknown", "ground"]

    def test_a_plant_in_the_open(self, land: Land) -> None:
        found = built(land, [site(box(0, 0, 300, 300))], [of_class(box(20, 20, 9, 9))])["s0"]
        assert (found["mount"], found["mount_rule"], found["n_buildings"]) == ("ground", "site_off_building", 1)


class TestRules:
    """Every combination of what may be known, without geometry."""

    @pytest.fixture(scope="class")
    @classmethod
    def decisions(cls, land: Land) -> dict[tuple[Any, ...], list[Row]]:
        datasets = [row[0] for row in land.con.sql("SELECT DISTINCT dataset FROM mount_rules WHERE dataset != '*'").fetchall()]
        known = {
            "datasets": [[], *([name] for name in datasets), sorted(datasets)],
            "level": [None, "rooftop", "array", "plant"],
            "geometry_kind": ["point", "polygon"],
            "roof": [None, "building", "canopy", "greenhouse"],
            "land_use_class": [None, "farmland", *TOWN],
            "parking_share": [None, 0.4, 0.9],
            "area_m2": [None, 100.0, 1e5],
            "reported_mount": [None],
        }
        # what a source says stands before all else: a few of the other facts are enough
        said = {
            **known,
            "datasets": [[], sorted(datasets)],
            "land_use_class": [None],
            "parking_share": [None, 0.9],
            "area_m2": [None],
            "reported_mount": REPORTED,
        }
        facts = [*product(*known.values()), *product(*said.values())]
        # of an unknown share, buildings are known around (the position is uncertain) or not
        states = [(None, False), *((share, True) for share in SHARES)]
        rows = [
            {"number": number, **dict(zip(known, fact, strict=True)), "building_share": share, "buildings_known": are_known}
            for number, fact in enumerate(facts)
            for share, are_known in states
        ]
        land.con.register("evidence", pa.Table.from_pylist(rows))
        text = land.project.render(
            "SELECT number, evidence.building_share, mount, probability, rule, precedence FROM evidence"
            " LEFT JOIN mount_rules ON {{ mount_rule_holds('evidence', 'mount_rules') }}"
            " QUALIFY row_number() OVER ("
            "   PARTITION BY number, evidence.building_share, evidence.buildings_known ORDER BY precedence) = 1"
            " ORDER BY number, evidence.building_share NULLS FIRST, evidence.buildings_known"
        )
        decisions: dict[tuple[Any, ...], list[Row]] = {}
        for row in land.con.sql(text).to_arrow_table().to_pylist():
            decisions.setdefault(tuple(map(str, facts[row["number"]])), []).append(row)
        land.con.unregister("evidence")
        assert len(decisions) == len(facts)
        return decisions

    def test_whatever_is_known_some_rule_decides(self, decisions: dict[tuple[Any, ...], list[Row]]) -> None:
        for rows in decisions.values():
            assert len(rows) == len(SHARES) + 1
            assert all((row["mount"] == "unknown") == (row["probability"] is None) for row in rows)
            assert all(row["probability"] is None or 0.5 < row["probability"] < 1 for row in rows)

    def test_more_on_buildings_never_makes_the_ground_likelier(self, decisions: dict[tuple[Any, ...], list[Row]]) -> None:
        for facts, rows in decisions.items():
            on_ground = [row["mount"] == "ground" for row in rows if row["building_share"] is not None]
            assert on_ground == sorted(on_ground, reverse=True), facts

    def test_the_probability_of_the_ground_falls_with_the_share(self, decisions: dict[tuple[Any, ...], list[Row]]) -> None:
        compared = 0
        for facts, rows in decisions.items():
            known = [row for row in rows if row["building_share"] is not None]
            # what is left to a canopy is no probability of the ground
            if {row["mount"] for row in known} <= {"ground", "rooftop"} and "greenhouse" not in facts:
                ground = [row["probability"] if row["mount"] == "ground" else 1 - row["probability"] for row in known]
                assert ground == sorted(ground, reverse=True), facts
                compared += 1
        assert compared > 100

    def test_what_is_unknown_is_never_taken_for_open_ground(self, decisions: dict[tuple[Any, ...], list[Row]]) -> None:
        for rows in decisions.values():
            unknown = [row for row in rows if row["building_share"] is None]
            assert len(unknown) == 2
            assert all(row["mount"] != "ground" or row["rule"].startswith(("listed_", "reported_")) for row in unknown)

    def test_every_rule_decides_something(self, land: Land, decisions: dict[tuple[Any, ...], list[Row]]) -> None:
        used = {row["precedence"] for rows in decisions.values() for row in rows}
        assert used >= {row[0] for row in land.con.sql("SELECT precedence FROM mount_rules").fetchall()}

    def test_datasets_of_rules_are_in_the_manifest(self, land: Land) -> None:
        named = {row[0] for row in land.con.sql("SELECT DISTINCT dataset FROM mount_rules").fetchall()} - {"*"}
        profiles = (PROJECT_DIR / "seeds" / "source_profiles.csv").read_text(encoding="utf-8")
        assert all(f"\n{name}," in profiles for name in named)

    def test_what_was_learnt_says_from_how_many(self, land: Land) -> None:
        rows = land.con.sql("SELECT origin, n_sites, probability FROM mount_rules").fetchall()
        assert all((n_sites is not None) == (origin == "learnt") for origin, n_sites, _ in rows)
        assert all(n_sites >= 30 and probability is not None for origin, n_sites, probability in rows if origin == "learnt")
        assert {origin for origin, *_ in rows} == {"learnt", "declared"}
