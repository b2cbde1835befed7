"""Ids with a history: the text of `prep_pv_memberships` itself, over random histories, against the rule in plain Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import duckdb
from hypothesis import example, given, settings
from hypothesis import strategies as st
from membership_rule import KEYS, REPEATS, Rule, Seen, World, clusters, creates, fingerprint, groups, nodes, originals, touched
from resolution_sql import Project

from db.sql import literal


class _Relation(str):
    """A table by its name, in the catalog ``lake``."""

    database = "lake"


PROJECT = Project(this=_Relation("prep_pv_memberships"), prepared=str)
FIRST = PROJECT.model("prep_pv_memberships")
with PROJECT.having(replaces_part=True):
    LATER = PROJECT.model("prep_pv_memberships")
CLOSE = PROJECT.render("{{ close_memberships() }}")


class Lake:
    """The model's tables in memory, and the model over them."""

    def __init__(self) -> None:
        self.con = duckdb.connect(config={"threads": 1})
        self.con.execute("""
            CREATE SCHEMA lake;
            CREATE TABLE snapshot_ids (snapshot_id BIGINT);
            CREATE MACRO lake.snapshots() AS TABLE FROM snapshot_ids;
        """)
        self.world: World = {}
        self.snapshot = 0

    def __enter__(self) -> Lake:
        return self

    def __exit__(self, *_: object) -> None:
        self.con.close()

    def resolve(self, world: World, *, in_part: bool = False, order: Iterable[int] = KEYS) -> dict[int, int | None]:
        """One build, of everything or of what is touched; returns observation → id."""
        self.snapshot += 1
        scope = nodes(self.world, world) if in_part else set(groups(world, "sites"))
        changed = touched(self.world, world) if in_part else set(world)
        of_original = groups(world, "sites")
        self._fill("prep_pv_nodes (observation_key UBIGINT)", [(key,) for key in order if key in scope])
        self._fill("prep_pv_touched (observation_key UBIGINT)", [(key,) for key in order if key in changed])
        self._fill(
            "prep_pv_clusters (observation_key UBIGINT, cluster_key UBIGINT, creates_installation BOOLEAN)",
            [(key, of_original[key], creates(of_original[key], world)) for key in order if key in of_original],
        )
        repeated = {key: original for key, original in originals(world).items() if key != original}
        self._fill(
            "prep_pv_footprints (observation_key UBIGINT, fingerprint VARCHAR, duplicate_key UBIGINT)",
            [(key, fingerprint(key, world), repeated.get(key)) for key in order if key in world],
        )
        self._fill("snapshot_ids (snapshot_id BIGINT)", [(self.snapshot,)])
        if self.snapshot == 1:
            self.con.execute(f"CREATE TABLE prep_pv_memberships AS {FIRST}")
        else:
            self.con.execute(f"INSERT INTO prep_pv_memberships BY NAME {LATER}")
        self.con.execute(CLOSE)
        self.world = world
        return self.assignment()

    def assignment(self) -> dict[int, int | None]:
        rows = self.con.execute(
            "SELECT observation_key, installation_key FROM prep_pv_memberships WHERE valid_to_snapshot IS NULL"
        ).fetchall()
        assignment = dict(rows)
        assert len(rows) == len(assignment), "an observation has two open rows"
        return assignment

    @property
    def rows(self) -> set[tuple]:
        rows = self.con.execute("FROM prep_pv_memberships").fetchall()
        assert len(rows) == len(set(rows))
        return set(rows)

    def _fill(self, definition: str, rows: list[tuple]) -> None:
        self.con.execute(f"CREATE OR REPLACE TABLE {definition}")
        if rows:
            values = ", ".join(f"({', '.join(map(literal_of, row))})" for row in rows)
            self.con.execute(f"INSERT INTO {definition.split()[0]} VALUES {values}")


def literal_of(value: str | bool | int | None) -> str:
    return literal(value) if isinstance(value, str) else "NULL" if value is None else str(value)


SITES = st.integers(0, 7)
# Mostly at one site: what a build in part leaves alone should be most of a world
seen = st.builds(
    Seen,
    st.one_of(*[st.frozensets(SITES, min_size=1, max_size=1)] * 4, st.frozensets(SITES, min_size=2, max_size=2)),
    st.just(0),
)
revised = st.builds(Seen, st.frozensets(SITES, min_size=1, max_size=1), st.just(1))


def worlds(keys: Iterable[int] = KEYS, min_size: int = 0) -> st.SearchStrategy[World]:
    return st.dictionaries(st.sampled_from(sorted(keys)), seen, min_size=min_size)


@st.composite
def histories(draw: st.DrawFn, keys: Iterable[int] = KEYS, max_size: int = 6) -> list[World]:
    """Worlds, each with few differences from the one before."""
    history = [draw(worlds(keys, min_size=len(list(keys)) // 2))]
    for _ in range(draw(st.integers(0, max_size - 1))):
        news = draw(st.dictionaries(st.sampled_from(sorted(keys)), st.none() | seen | revised, min_size=1, max_size=2))
        following = {**history[-1], **news}
        history.append({key: following[key] for key in following if following[key] is not None})
    return history


orders = st.permutations(KEYS)
budget = settings(max_examples=40)


def at(**sites: int) -> World:
    """Observations k0, k1 … of KEYS at one site each."""
    return {KEYS[int(name[1:])]: Seen(frozenset([site]), 0) for name, site in sites.items()}


@budget
# A founder that returns elsewhere takes its id from a cluster in a component that nothing touched
@example([at(k0=0, k1=0), at(k1=0), at(k0=4, k1=0)], KEYS)
# With its founder gone, an id falls back to who held it longest, in a component that nothing touched
@example([at(k0=4, k1=0, k3=0), at(k0=4, k1=4, k3=0), at(k0=4, k3=0)], KEYS)
# Of two ids that meet the older one stays, not the one with the lesser key
@example([at(k3=0), at(k0=4, k3=0), at(k0=0, k3=0)], KEYS)
# Of two that hold an id without its founder the senior keeps it, not the one with the lesser key
@example([at(k1=0), at(k1=0, k3=0), at(k0=0, k1=0, k3=0), at(k0=4, k3=0)], KEYS)
@given(histories(), orders)
def test_history_is_that_of_the_rule_whatever_the_order_of_rows_and_the_scope(
    history: list[World], order: Sequence[int]
) -> None:
    rule = Rule()
    with Lake() as whole, Lake() as in_part:
        for snapshot, world in enumerate(history, start=1):
            rule.step(world, snapshot)
            whole.resolve(world, order=order)
            in_part.resolve(world, in_part=snapshot > 1, order=[*reversed(order)])
            assert whole.rows == rule.rows
            assert in_part.rows == rule.rows


@budget
@given(histories())
def test_every_cluster_has_one_id_and_every_id_one_cluster(history: list[World]) -> None:
    with Lake() as lake:
        for world in history:
            assignment = lake.resolve(world, in_part=bool(lake.world))
            assert assignment.keys() == world.keys()
            ids = [{assignment[key] for key in keys} for cluster, keys in clusters(world).items() if creates(cluster, world)]
            assert all(len(of_cluster) == 1 for of_cluster in ids)
            assert len(set().union(*ids)) == len(ids)
            for cluster, keys in clusters(world).items():
                if not creates(cluster, world):
                    assert {assignment[key] for key in keys} == {None}


@budget
@given(histories(max_size=4), st.booleans(), orders)
def test_another_run_over_the_same_adds_and_closes_no_row(history: list[World], in_part: bool, order: list[int]) -> None:
    with Lake() as lake:
        for world in history:
            lake.resolve(world)
        before = lake.rows
        lake.resolve(world, in_part=in_part, order=order)
        assert lake.rows == before


@budget
@given(histories(KEYS[:4]), worlds(KEYS[4:]))
def test_with_further_observations_every_id_survives_or_its_members_are_found_under_another_that_existed(
    history: list[World], further: World
) -> None:
    with Lake() as lake:
        for world in history:
            before = lake.resolve(world)
        existed = {row[1] for row in lake.rows}
        after = lake.resolve({**world, **further}, in_part=True)
        for installation in set(before.values()) - {None}:
            members = {after[key] for key, held in before.items() if held == installation}
            assert installation in after.values() or members <= existed


def datasets() -> Iterator[tuple[frozenset[int], frozenset[int]]]:
    """What stays and what comes and goes: copies are of the dataset of what they repeat."""
    for chosen in combinations(KEYS, 4):
        if all((copy in chosen) == (original in chosen) for copy, original in REPEATS.items()):
            yield frozenset(KEYS) - frozenset(chosen), frozenset(chosen)


@budget
@given(st.data())
def test_a_dataset_that_comes_and_goes_leaves_every_assignment_as_it_was(data: st.DataObject) -> None:
    staying, passing = data.draw(st.sampled_from(list(datasets())))
    earlier = data.draw(histories(max_size=4))
    world = data.draw(worlds(staying))
    visiting = data.draw(st.lists(worlds(passing), min_size=1, max_size=2))
    with Lake() as lake:
        for past in earlier:
            lake.resolve(past)
        before = lake.resolve(world)
        for visitors in visiting:
            lake.resolve({**world, **visitors}, in_part=True)
        assert lake.resolve(world, in_part=True) == before
