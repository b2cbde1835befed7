"""What becomes of ids when observations come, go, move and change: events, one by one, in three resolutions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import pytest
from resolution_lake import ResolutionLake, installation_founded_by, observation, square

from db import connect
from db.settings import REPOSITORY_ROOT

pytestmark = pytest.mark.xdist_group("resolution_history")

LISTED_ONCE, OTHER, SEVERAL_ROWS = "deu_ufz_open_field_pv_2015", "ind_pv_solar_farms_2022", "deu_osm_pv_2023"
BYSTANDERS = 40
DOCS = REPOSITORY_ROOT / "docs" / "sql"

Place = tuple[str, str]


def founder(*of: Place) -> str:
    """Id of an installation that observations founded at once."""
    return min(installation_founded_by(*place) for place in of)


def at_first() -> dict[Place, dict[str, Any]]:
    """Sites kilometres apart, but for what a name says."""
    seen = {
        (LISTED_ONCE, "west"): square(0, 0, 200),
        (OTHER, "east"): square(250, 0, 200),
        (LISTED_ONCE, "settled"): square(10_000, 0, 200),
        (OTHER, "mover"): square(10_000, 0, 200),
        (LISTED_ONCE, "renamed"): square(20_000, 0, 200),
        (LISTED_ONCE, "passing"): square(30_000, 0, 200),
        (LISTED_ONCE, "joined"): square(40_000, 0, 200),
        (LISTED_ONCE, "one"): square(50_000, 0, 200),
        (OTHER, "two"): square(50_000, 0, 200),
        **{(LISTED_ONCE, f"bystander {number}"): square(3000 * number, 30_000, 200) for number in range(BYSTANDERS)},
    }
    places: dict[Place, dict[str, Any]] = {place: {"geometry": geometry} for place, geometry in seen.items()}
    places[LISTED_ONCE, "renamed"]["capacity_mw"] = 5.0
    places[LISTED_ONCE, "passing"]["capacity_mw"] = 2.0
    return places


def then() -> dict[Place, dict[str, Any]]:
    """One outline around two sites, one site moved, one renamed, two gone, one joined twice, one new."""
    seen = at_first()
    seen[SEVERAL_ROWS, "both"] = {"geometry": square(125, 0, 450, 200)}
    seen[OTHER, "mover"] = {"geometry": square(15_000, 0, 200)}
    seen[LISTED_ONCE, "renamed"] |= {"name": "Zanzara", "capacity_mw": 8.0}
    seen[SEVERAL_ROWS, "joining"] = seen[LISTED_ONCE, "joined"]
    seen[SEVERAL_ROWS, "copy"] = {**seen[LISTED_ONCE, "joined"], "duplicate_of": (SEVERAL_ROWS, "joining")}
    seen[SEVERAL_ROWS, "new"] = {"geometry": square(60_000, 0, 200)}
    del seen[LISTED_ONCE, "passing"]
    del seen[min((LISTED_ONCE, "one"), (OTHER, "two"), key=lambda place: installation_founded_by(*place))]
    return seen


def published(seen: dict[Place, dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([observation(*place, **attributes) for place, attributes in seen.items()])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> ResolutionLake:
    """The first state, the second, and the first again."""
    lake = ResolutionLake.at(tmp_path_factory.mktemp("history") / "home")
    for seen in (at_first(), then(), at_first()):
        lake.observe(published(seen))
        lake.resolve()
    assert not lake.last_resolution()["everything"]
    return lake


@pytest.fixture(scope="module")
def changes(lake: ResolutionLake) -> dict[str, list[tuple[Any, ...]]]:
    """By installation: number of the resolution, change, other installation, observations joined, left, revised, and now."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for record in lake.numbered("FROM curated.pv_installation_changes ORDER BY snapshot"):
        found.setdefault(record.pop("installation_id"), []).append(tuple(record.values()))
    return found


def test_ids_that_merge_come_back_when_what_joined_them_is_gone(changes: dict[str, list[tuple[Any, ...]]]) -> None:
    kept, given_up = sorted(installation_founded_by(*place) for place in [(LISTED_ONCE, "west"), (OTHER, "east")])
    assert changes[kept] == [
        (1, "created", None, 1, 0, 0, 1),
        (2, "members_changed", given_up, 2, 0, 0, 3),
        (3, "members_changed", given_up, 0, 2, 0, 1),
    ]
    assert changes[given_up] == [
        (1, "created", None, 1, 0, 0, 1),
        (2, "merged", kept, 0, 1, 0, 0),
        (3, "returned", kept, 1, 0, 0, 1),
    ]


def test_what_moves_away_splits_off_and_merges_when_it_returns(changes: dict[str, list[tuple[Any, ...]]]) -> None:
    settled, mover = (LISTED_ONCE, "settled"), (OTHER, "mover")
    kept = founder(settled, mover)
    (split_off,) = {installation_founded_by(*settled), installation_founded_by(*mover)} - {kept}
    (created, parted, joined) = changes[kept]
    assert created == (1, "created", None, 2, 0, 0, 2)
    assert parted[:3] == (2, "members_changed", split_off)
    assert joined[:3] == (3, "members_changed", split_off)
    assert joined[-1] == 2
    assert changes[split_off] == [(2, "split_off", kept, 1, 0, 0, 1), (3, "merged", kept, 0, 1, 0, 0)]


def test_new_content_is_a_revision(changes: dict[str, list[tuple[Any, ...]]]) -> None:
    assert changes[installation_founded_by(LISTED_ONCE, "renamed")] == [
        (1, "created", None, 1, 0, 0, 1),
        (2, "revised", None, 0, 0, 1, 1),
        (3, "revised", None, 0, 0, 1, 1),
    ]


def test_what_goes_is_retired_and_returns_under_its_id(changes: dict[str, list[tuple[Any, ...]]]) -> None:
    assert changes[installation_founded_by(LISTED_ONCE, "passing")] == [
        (1, "created", None, 1, 0, 0, 1),
        (2, "retired", None, 0, 1, 0, 0),
        (3, "returned", None, 1, 0, 0, 1),
    ]
    assert changes[installation_founded_by(SEVERAL_ROWS, "new")] == [
        (2, "created", None, 1, 0, 0, 1),
        (3, "retired", None, 0, 1, 0, 0),
    ]


def test_an_installation_outlives_its_founder(changes: dict[str, list[tuple[Any, ...]]]) -> None:
    assert changes[founder((LISTED_ONCE, "one"), (OTHER, "two"))] == [
        (1, "created", None, 2, 0, 0, 2),
        (2, "members_changed", None, 0, 1, 0, 1),
        (3, "members_changed", None, 1, 0, 0, 2),
    ]


def test_copies_are_observations_too(changes: dict[str, list[tuple[Any, ...]]]) -> None:
    assert changes[installation_founded_by(LISTED_ONCE, "joined")] == [
        (1, "created", None, 1, 0, 0, 1),
        (2, "members_changed", None, 2, 0, 0, 3),
        (3, "members_changed", None, 0, 2, 0, 1),
    ]


def test_bystanders_do_not_change(changes: dict[str, list[tuple[Any, ...]]]) -> None:
    ids = {installation_founded_by(LISTED_ONCE, f"bystander {number}") for number in range(BYSTANDERS)}
    assert {tuple(changes[installation]) for installation in ids} == {((1, "created", None, 1, 0, 0, 1),)}


def test_events_and_installations_say_the_same(lake: ResolutionLake, changes: dict[str, list[tuple[Any, ...]]]) -> None:
    now = {record["installation_id"]: record for record in lake.numbered("FROM prepared.prep_pv_installations")}
    assert {installation: events[-1][-1] for installation, events in changes.items() if events[-1][-1]} == {
        installation: record["n_observations"] for installation, record in now.items()
    }
    for installation, record in now.items():
        assert record["first_seen_snapshot"] == changes[installation][0][0]
        assert record["last_changed_snapshot"] == changes[installation][-1][0]


def test_the_second_state_can_still_be_seen(lake: ResolutionLake) -> None:
    during = lake.query("SELECT observation_id FROM curated.pv_installation_observations", as_of=lake.began[2])
    assert {identifier for (identifier,) in during} == ids_of(then())
    assert {identifier for (identifier,) in lake.query("SELECT observation_id FROM curated.pv_installation_observations")} == (
        ids_of(at_first())
    )


EVENTS = {
    **dict.fromkeys(("created", "returned", "split_off"), "new"),
    **dict.fromkeys(("retired", "merged"), "gone"),
    **dict.fromkeys(("members_changed", "revised"), "changed"),
}


def test_the_example_of_changes_between_snapshots_agrees_with_the_events(
    lake: ResolutionLake, changes: dict[str, list[tuple[Any, ...]]]
) -> None:
    text = (DOCS / "changes_between_snapshots.sql").read_text(encoding="utf-8")
    # This lake ends with the table that curated.pv_installations adds context to
    text = text.replace("curated.pv_installations", "prepared.prep_pv_installations")
    chosen, query = text.split(");\n", 1)
    assert "SET VARIABLE before" in chosen
    capacities = "SELECT installation_id, capacity_mw FROM prepared.prep_pv_installations"
    then_mw, now_mw = dict(lake.query(capacities, as_of=lake.began[2])), dict(lake.query(capacities))
    with connect(read_only=True, lake=lake.settings) as con:
        con.execute(f"SET VARIABLE before = {lake.began[2]}")
        found = {row[0]: row[1:] for row in con.execute(query).fetchall()}
    of_the_third = {installation: EVENTS[events[-1][1]] for installation, events in changes.items() if events[-1][0] == 3}
    groups: dict[str, list[str]] = {}
    for installation in then_mw.keys() | now_mw.keys():
        groups.setdefault(of_the_third.get(installation, "the same"), []).append(installation)
    assert set(groups) == {"new", "gone", "changed", "the same"}
    assert {change: row[0] for change, row in found.items()} == {change: len(ids) for change, ids in groups.items()}
    for change, ids in groups.items():
        for place, capacity_mw in enumerate((then_mw, now_mw), start=1):
            given = [capacity_mw[one] for one in ids if capacity_mw.get(one) is not None]
            assert found[change][place] == (round(sum(given), 1) if given else None)
    # This source's capacity is DC; AC is less by dc_ac_ratio, 1.26
    assert found["changed"][1:] == (round(8 / 1.26, 1), round(5 / 1.26, 1))
    assert found["new"][1:] == (None, round(2 / 1.26, 1))


def ids_of(places: Iterable[Place]) -> set[str]:
    return {observation(*place)["observation_id"] for place in places}
