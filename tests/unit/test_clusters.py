"""Each rule of clustering by an example."""

from __future__ import annotations

import pyarrow as pa
import pytest
from cluster_worlds import LINKS, OBSERVATIONS, Row, World, link, observation, part

from dataflows.prepared.resolve import clusters
from db.errors import BuildError

# About 111 m of latitude
STEP_DEG = 0.001


def resolved(observations: list[Row], links: list[Row]) -> dict[int, Row]:
    return {row["observation_key"]: row for row in clusters(*World(observations, links).tables()).to_pylist()}


def groups(observations: list[Row], links: list[Row]) -> list[list[int]]:
    found: dict[int, list[int]] = {}
    for key, row in resolved(observations, links).items():
        found.setdefault(row["cluster_key"], []).append(key)
    return sorted(found.values())


def parents(observations: list[Row], links: list[Row]) -> dict[int, int | None]:
    return {key: row["parent_cluster_key"] for key, row in resolved(observations, links).items()}


def test_linked_observations_of_different_datasets_are_one_site() -> None:
    rows = resolved([observation(3), observation(1), observation(2), observation(9)], [link(2, 3, 0.9), link(1, 2, 0.99)])
    assert [rows[key]["cluster_key"] for key in (1, 2, 3, 9)] == [1, 1, 1, 9]
    assert [rows[key]["component_key"] for key in (1, 2, 3, 9)] == [1, 1, 1, 9]
    assert [rows[key]["link_key"] for key in (1, 2, 3, 9)] == [2, 1, 2, None]
    assert list(rows) == [1, 2, 3, 9]


def test_a_link_below_the_threshold_joins_nothing_not_even_components() -> None:
    rows = resolved([observation(1), observation(2)], [link(1, 2, 0.4, same_site=False)])
    assert [row["component_key"] for row in rows.values()] == [1, 2]


class TestPhases:
    """Observations 1 and 2 are the phases that source a lists of the whole 3."""

    OBSERVATIONS = (observation(1, "a"), observation(2, "a"), observation(3), observation(4))
    WITHIN = (part(1, 3, 0.999, iou=0.4), part(2, 3, 0.999, iou=0.4))

    def test_what_is_linked_with_a_phase_and_the_whole_joins_the_one_that_it_is_linked_with_best(self) -> None:
        to_phase, to_whole = link(1, 4, 0.9), link(3, 4, 0.99)
        assert groups([*self.OBSERVATIONS], [*self.WITHIN, to_phase, to_whole]) == [[1], [2], [3, 4]]
        to_phase["match_probability"] = 0.995
        assert groups([*self.OBSERVATIONS], [*self.WITHIN, to_phase, to_whole]) == [[1, 4], [2], [3]]

    def test_the_guard_sees_members_of_both_sides(self) -> None:
        fifth = observation(5)
        detour = [link(1, 4, 0.999), link(3, 5, 0.998), link(4, 5, 0.99)]
        assert groups([*self.OBSERVATIONS, fifth], [*self.WITHIN, *detour]) == [[1, 4], [2], [3, 5]]

    def test_one_outline_within_a_whole_is_no_phase(self) -> None:
        links = [part(1, 3, 0.999, iou=0.4), link(1, 4, 0.9), link(3, 4, 0.99)]
        assert groups([*self.OBSERVATIONS], links) == [[1, 3, 4], [2]]


class TestOnePerSource:
    def test_two_duplicate_free_sources_cannot_chain_three_plants(self) -> None:
        plants = [observation(1, "a"), observation(2, "b"), observation(3, "a"), observation(4, "b")]
        chain = [link(1, 2, 0.999), link(2, 3, 0.98), link(3, 4, 0.99)]
        assert groups(plants, chain) == [[1, 2], [3, 4]]

    def test_adjacent_plants_stay_apart_although_each_matches_both(self) -> None:
        plants = [observation(1, "a"), observation(2, "a"), observation(3, "b"), observation(4, "b")]
        links = [link(1, 3, 0.995), link(1, 4, 0.97), link(2, 3, 0.98), link(2, 4, 0.96)]
        assert groups(plants, links) == [[1, 3], [2, 4]]

    def test_a_third_source_does_not_bridge_them(self) -> None:
        plants = [observation(1, "a"), observation(2, "a"), observation(3, "c")]
        rows = resolved(plants, [link(1, 3, 0.97), link(2, 3, 0.98)])
        assert [row["cluster_key"] for row in rows.values()] == [1, 2, 2]
        assert [row["component_key"] for row in rows.values()] == [1, 1, 1]
        assert rows[1]["link_key"] is None

    def test_levels_of_one_source_may_share_a_site(self) -> None:
        assert groups([observation(1, "a"), observation(2, "a", level="array")], [link(1, 2)]) == [[1, 2]]

    def test_a_chain_is_split_at_its_weakest_link(self) -> None:
        chain = [observation(1, "a"), observation(2), observation(3), observation(4), observation(5, "a")]
        links = [link(1, 2, 0.97), link(2, 3, 0.99), link(3, 4, 0.95), link(4, 5, 0.98)]
        assert groups(chain, links) == [[1, 2, 3], [4, 5]]

    @pytest.mark.parametrize(
        ("near", "far"),
        [
            ({"match_probability": 0.99}, {"match_probability": 0.98, "iou": 0.9, "distance_m": 0.0}),
            ({"iou": 0.8}, {"iou": 0.7, "distance_m": 0.0}),
            ({"distance_m": 5.0}, {"distance_m": 6.0}),
        ],
    )
    def test_strength_is_probability_then_iou_then_distance(self, near: Row, far: Row) -> None:
        plants = [observation(1, "a"), observation(2, "a"), observation(3)]
        assert groups(plants, [link(1, 3) | near, link(2, 3) | far]) == [[1, 3], [2]]
        assert groups(plants, [link(1, 3) | far, link(2, 3) | near]) == [[1], [2, 3]]

    def test_equal_links_are_taken_by_key(self) -> None:
        assert groups([observation(1, "a"), observation(2, "a"), observation(3)], [link(2, 3), link(1, 3)]) == [[1, 3], [2]]


class TestSourcesWithDuplicates:
    def several(self, key: int) -> Row:
        return observation(key, "m", one_row_per_site=False)

    def test_duplicates_that_match_each_other_share_a_site(self) -> None:
        rows = [self.several(1), self.several(2), observation(3)]
        assert groups(rows, [link(1, 3), link(2, 3), link(1, 2, 0.91)]) == [[1, 2, 3]]

    def test_those_that_match_only_a_third_observation_do_not(self) -> None:
        rows = [self.several(1), self.several(2), observation(3)]
        assert groups(rows, [link(1, 3, 0.95), link(2, 3)]) == [[1], [2, 3]]

    def test_a_duplicate_of_one_of_them_is_enough(self) -> None:
        rows = [self.several(1), self.several(2), self.several(3)]
        assert groups(rows, [link(1, 2), link(2, 3)]) == [[1, 2, 3]]

    def test_links_among_some_of_them_say_nothing_about_another(self) -> None:
        rows = [self.several(1), self.several(2), self.several(3), self.several(4), observation(5)]
        assert groups(rows, [link(1, 2), link(1, 3), link(2, 3), link(3, 5), link(4, 5, 0.91)]) == [[1, 2, 3, 5], [4]]


class TestExtent:
    def test_a_chain_ends_where_its_caps_end(self) -> None:
        line = [observation(key, lat_deg=50 + key * STEP_DEG, extent_cap_m=230.0) for key in range(1, 6)]
        links = [link(key, key + 1, 0.99 - key / 1000) for key in range(1, 5)]
        assert groups(line, links) == [[1, 2, 3], [4, 5]]

    def test_the_largest_cap_of_the_members_counts(self) -> None:
        pair = [observation(1, extent_cap_m=0.0), observation(2, lat_deg=50 + STEP_DEG, extent_cap_m=111.3)]
        assert groups(pair, [link(1, 2)]) == [[1, 2]]
        pair[1]["extent_cap_m"] = 111.1
        assert groups(pair, [link(1, 2)]) == [[1], [2]]

    def test_a_cap_that_comes_later_does_not_excuse_an_earlier_step(self) -> None:
        rows = [observation(1, extent_cap_m=0.0), observation(2, lat_deg=50 + STEP_DEG, extent_cap_m=0.0), observation(3)]
        assert groups(rows, [link(1, 2, 0.99), link(1, 3, 0.98)]) == [[1, 3], [2]]
        assert groups(rows, [link(1, 2, 0.97), link(1, 3, 0.98)]) == [[1, 2, 3]]

    @pytest.mark.parametrize(("cap_m", "expected"), [(23.0, [[1, 2]]), (22.0, [[1], [2]])])
    def test_the_antimeridian_is_no_distance(self, cap_m: float, expected: list[list[int]]) -> None:
        place = {"lat_deg": 0.0, "extent_cap_m": cap_m}
        pair = [observation(1, lon_deg=179.9999, **place), observation(2, lon_deg=-179.9999, **place)]
        assert groups(pair, [link(1, 2)]) == expected

    def test_180_degrees_east_is_180_degrees_west(self) -> None:
        pair = [observation(1, lon_deg=180.0, extent_cap_m=0.0), observation(2, lon_deg=-180.0, extent_cap_m=0.0)]
        assert groups(pair, [link(1, 2)]) == [[1, 2]]

    def test_longitudes_shrink_towards_the_poles(self) -> None:
        place = {"lat_deg": 89.999, "extent_cap_m": 1000.0}
        assert groups([observation(1, lon_deg=0, **place), observation(2, lon_deg=120, **place)], [link(1, 2)]) == [[1, 2]]

    def test_a_shared_id_or_name_is_exempt(self) -> None:
        far = [observation(1, extent_cap_m=0.0), observation(2, lat_deg=50.3, extent_cap_m=0.0)]
        assert groups(far, [link(1, 2, distance_m=33_000.0)]) == [[1], [2]]
        assert groups(far, [link(1, 2, distance_m=33_000.0, by_attribute=True)]) == [[1, 2]]

    def test_around_a_far_pair_there_is_still_room_for_what_lies_at_its_ends(self) -> None:
        rows = [observation(1), observation(2, lat_deg=50.3), observation(3, lat_deg=50.3 + 5 * STEP_DEG)]
        assert groups(rows, [link(1, 2, 0.999, by_attribute=True), link(2, 3)]) == [[1, 2, 3]]

    def test_an_exemption_inside_a_cluster_is_one_for_all_of_it(self) -> None:
        rows = [observation(1), observation(2), observation(3, lat_deg=50 + 10 * STEP_DEG)]
        assert groups(rows, [link(1, 2, 0.999), link(2, 3)]) == [[1, 2], [3]]
        named = link(1, 2, 0.998, by_attribute=True, distance_m=400.0)
        assert groups(rows, [named, link(2, 3)]) == [[1, 2, 3]]


class TestLowTrust:
    def low(self, key: int, dataset: str = "", **changes) -> Row:
        return observation(key, dataset, trust="low", **changes)

    def test_it_supports_but_does_not_bridge(self) -> None:
        rows = resolved([observation(1), observation(2), self.low(3)], [link(1, 3, 0.97), link(2, 3, 0.99)])
        assert [row["cluster_key"] for row in rows.values()] == [1, 2, 2]
        assert [row["creates_installation"] for row in rows.values()] == [True, True, True]

    def test_it_comes_after_all_others(self) -> None:
        rows = [observation(1), observation(2, "a"), self.low(3, "a")]
        assert groups(rows, [link(1, 3, 0.99), link(1, 2, 0.91)]) == [[1, 2], [3]]

    def test_it_creates_nothing_and_joins_nothing_of_its_kind(self) -> None:
        rows = resolved([self.low(1), self.low(2)], [link(1, 2)])
        assert [row["cluster_key"] for row in rows.values()] == [1, 2]
        assert [row["component_key"] for row in rows.values()] == [1, 1]
        assert [row["link_key"] for row in rows.values()] == [None, None]
        assert not any(row["creates_installation"] for row in rows.values())

    def test_its_second_link_into_the_same_site_may_be_the_exempt_one(self) -> None:
        rows = [observation(1), observation(2), self.low(3), self.low(4, lat_deg=50 + 10 * STEP_DEG)]
        links = [link(1, 2, 0.999), link(1, 3, 0.99), link(2, 3, 0.98), link(1, 4, 0.97)]
        assert groups(rows, links) == [[1, 2, 3], [4]]
        links[2] |= {"by_attribute": True, "distance_m": 400.0}
        assert groups(rows, links) == [[1, 2, 3, 4]]

    def test_where_a_guard_objects_the_next_strongest_is_tried(self) -> None:
        rows = [observation(1, "a"), observation(2, "b"), self.low(3, "a")]
        assert groups(rows, [link(1, 3, 0.99), link(2, 3, 0.95)]) == [[1], [2, 3]]

    def test_the_least_member_may_be_of_low_trust(self) -> None:
        assert groups([self.low(1), observation(2)], [link(1, 2)]) == [[1, 2]]
        assert resolved([self.low(1), observation(2)], [link(1, 2)])[2]["cluster_key"] == 1

    def test_duplicates_of_low_trust_may_support_one_site_together(self) -> None:
        rows = [self.low(1, "m", one_row_per_site=False), self.low(2, "m", one_row_per_site=False), observation(3)]
        assert groups(rows, [link(1, 3), link(2, 3, 0.98)]) == [[1, 3], [2]]
        assert groups(rows, [link(1, 3), link(2, 3, 0.98), link(1, 2, 0.91)]) == [[1, 2, 3]]


class TestPartOf:
    def test_the_topmost_whole_is_named(self) -> None:
        rows = [observation(1, level="plant"), observation(2, level="array"), observation(3, level="rooftop")]
        assert parents(rows, [part(3, 2), part(2, 1, 0.95)]) == {1: None, 2: 1, 3: 1}

    def test_a_whole_is_named_by_its_least_member(self) -> None:
        rows = [observation(key) for key in (1, 2, 3, 4)]
        assert parents(rows, [link(1, 4), link(2, 3), part(3, 4)]) == {1: None, 2: 1, 3: 1, 4: None}

    def test_inside_one_cluster_there_are_no_parts(self) -> None:
        assert parents([observation(1), observation(2)], [link(1, 2, part_key=1)]) == {1: None, 2: None}

    def test_the_strongest_relation_wins(self) -> None:
        rows = [observation(1), observation(2), observation(3)]
        assert parents(rows, [part(1, 2, 0.95), part(1, 3, 0.96)]) == {1: 3, 2: None, 3: None}
        assert parents(rows, [part(1, 2, iou=0.2), part(1, 3, iou=0.1)]) == {1: 2, 2: None, 3: None}

    def test_a_circle_is_cut_at_its_weakest_relation(self) -> None:
        rows = [observation(key) for key in (1, 2, 3, 4)]
        united = [link(1, 2), link(3, 4)]
        assert parents(rows, [*united, part(1, 3, 0.95), part(4, 2, 0.93)]) == {1: 3, 2: 3, 3: None, 4: None}
        assert parents(rows, [*united, part(1, 3, 0.93), part(4, 2, 0.95)]) == {1: None, 2: None, 3: 1, 4: 1}

    def test_what_a_circle_refuses_takes_the_next_whole(self) -> None:
        rows = [observation(key) for key in (1, 2, 3, 4, 5)]
        relations = [link(1, 2), link(3, 4), part(1, 3, 0.95), part(4, 2, 0.93), part(3, 5, 0.92)]
        assert parents(rows, relations) == {1: 5, 2: 5, 3: 5, 4: 5, 5: None}

    def test_low_trust_alone_is_neither_whole_nor_part(self) -> None:
        low = observation(2, trust="low")
        assert parents([observation(1), low], [part(1, 2)]) == {1: None, 2: None}
        assert parents([observation(1), low], [part(2, 1)]) == {1: None, 2: None}

    def test_parts_and_wholes_are_one_component(self) -> None:
        assert [row["component_key"] for row in resolved([observation(1), observation(2)], [part(2, 1)]).values()] == [1, 1]


class TestInterface:
    def test_readers_are_read_and_other_columns_are_ignored(self) -> None:
        observations, links = World([observation(1), observation(2**64 - 1)], [link(1, 2**64 - 1)]).tables()
        observations = observations.append_column("name", pa.array(["a", "b"]))
        table = clusters(observations.to_reader(), links.to_reader())
        assert table.column("cluster_key").to_pylist() == [1, 1]
        assert table.column("link_key").to_pylist() == [2**64 - 1, 1]
        keys = ("observation_key", "component_key", "cluster_key", "parent_cluster_key", "link_key")
        assert table.schema == pa.schema([*((key, pa.uint64()) for key in keys), ("creates_installation", pa.bool_())])

    @pytest.mark.parametrize("rows", [[], [observation(1), observation(2)]])
    def test_no_links_at_all(self, rows: list[Row]) -> None:
        assert groups(rows, []) == [[row["observation_key"]] for row in rows]

    @pytest.mark.parametrize(
        ("observations", "links", "message"),
        [
            ([observation(1), observation(1)], [], "observation_key 1 occurs twice"),
            ([observation(1, lat_deg=float("nan"))], [], "must be finite"),
            ([observation(1, extent_cap_m=-1.0)], [], "at least 0"),
            ([observation(1, level=None)], [], "level is null in 1 rows"),
            ([observation(1)], [link(1, 7)], "key_b 7 is no observation"),
            ([observation(1), observation(2)], [link(2, 1)], "key_a must be less"),
            ([observation(1), observation(2)], [link(1, 1)], "key_a must be less"),
            ([observation(1), observation(2), observation(3)], [link(1, 2, part_key=3)], "part_key one of the two"),
            ([observation(1), observation(2)], [link(1, 2), link(1, 2, 0.5)], "pair occurs twice"),
            ([observation(1), observation(2)], [link(1, 2, float("nan"))], "must be numbers"),
            ([observation(1), observation(2)], [link(1, 2, None)], "match_probability is null in 1 rows"),
        ],
    )
    def test_what_cannot_be_resolved_is_said(self, observations: list[Row], links: list[Row], message: str) -> None:
        with pytest.raises(BuildError, match=message) as error:
            clusters(*World(observations, links).tables())
        assert error.value.remedy

    def test_a_missing_column_is_said(self) -> None:
        observations = OBSERVATIONS.empty_table().drop_columns(["trust"])
        with pytest.raises(BuildError, match="no column 'trust'"):
            clusters(observations, LINKS.empty_table())
