"""Ids with a history: the text of `prep_pv_memberships` itself, over random histories, against the rule in plain Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st
from resolution_sql import Project

from db.sql import literal

# Beyond 2^63 too: keys are unsigned
KEYS = (3, 5, 8, 2**63 + 1, 2**63 + 2, 2**64 - 3, 2**64 - 2, 2**64 - 1)
LOW_TRUST = {KEYS[2], KEYS[5]}
# An exact duplicate stands for nothing of its own while what it repeats is there
REPEATS = {KEYS[4]: KEYS[3], KEYS[7]: KEYS[1]}


class _Relation(str):
    """A table by its name, in the catalog ``lake``."""

    database = "lake"


PROJECT = Project(this=_Relation("prep_pv_memberships"), prepared=str)
FIRST = PROJECT.model("prep_pv_memberships")
with PROJECT.having(replaces_part=True):
    LATER = PROJECT.model("prep_pv_memberships")
CLOSE = PROJECT.render("{{ close_memberships() }}")


@dataclass(frozen=True)
class Seen:
    """An observation: those that share a site are one cluster, those that share a region one component."""

    sites: frozenset[int]
    revision: int

    @property
    def regions(self) -> frozenset[int]:
        return frozenset(site // 2 for site in self.sites)


World = dict[int, Seen]


def originals(world: World) -> dict[int, int]:
    """What each observation stands for: itself, or what it repeats."""
    return {key: REPEATS[key] if REPEATS.get(key) in world else key for key in world}


def groups(world: World, attribute: str) -> dict[int, int]:
    """The least member of each original's connected group."""
    group = {key: key for key, original in originals(world).items() if key == original}
    for _ in group:
        for a, b in combinations(group, 2):
            if getattr(world[a], attribute) & getattr(world[b], attribute):
                group[a] = group[b] = min(group[a], group[b])
    return group


def clusters(world: World) -> dict[int, set[int]]:
    """Cluster key → members, duplicates among them."""
    of_original = groups(world, "sites")
    found: dict[int, set[int]] = {}
    for key, original in originals(world).items():
        found.setdefault(of_original[original], set()).add(key)
    return found


def creates(cluster_key: int, world: World) -> bool:
    of_original = groups(world, "sites")
    return any(key not in LOW_TRUST for key, cluster in of_original.items() if cluster == cluster_key)


def fingerprint(key: int, world: World) -> str:
    return f"{sorted(world[key].sites)} {world[key].revision} {originals(world)[key]}"


def touched(before: World, now: World) -> set[int]:
    return {
        key
        for key in before.keys() | now.keys()
        if key not in before or key not in now or fingerprint(key, before) != fingerprint(key, now)
    }


def nodes(before: World, now: World) -> set[int]:
    """Originals of the components that something touched belongs to, did belong to, or is linked with now."""
    changed = touched(before, now)
    changed |= {originals(now)[key] for key in changed if key in now}
    old, new = groups(before, "regions"), groups(now, "regions")
    seeds = changed | {key for key in new if any(other in new and now[key].regions & now[other].regions for other in changed)}
    reached = {old[key] for key in seeds if key in old}
    return {key for key in new if key in seeds or old.get(key) in reached}


@dataclass
class Rule:
    """The rule of seniority over everything at every step: slow, plain, and without any scope."""

    holders: dict[int, dict[int, int]] = field(default_factory=dict)  # id → observation → held since
    open_rows: dict[int, tuple[int | None, str, int]] = field(default_factory=dict)
    closed_rows: list[tuple[int, int | None, str, int, int]] = field(default_factory=list)

    def assign(self, world: World) -> dict[int, int | None]:
        """Observation → id, None in clusters that create no installation."""
        members = clusters(world)
        cluster_of = {key: cluster for cluster, keys in members.items() for key in keys if creates(cluster, world)}
        claims: dict[int, list[tuple[int, int]]] = {}
        for installation, since in self.holders.items():
            present = sorted((key != installation, held, key) for key, held in since.items() if key in cluster_of)
            if present:
                known_since = min(held for _, held, _ in present)
                claims.setdefault(cluster_of[present[0][2]], []).append((known_since, installation))
        return {
            key: (min(claims[cluster])[1] if cluster in claims else cluster) if creates(cluster, world) else None
            for cluster, keys in members.items()
            for key in keys
        }

    def step(self, world: World, snapshot: int) -> None:
        for key, installation in self.assign(world).items():
            row = (installation, fingerprint(key, world))
            if key in self.open_rows and self.open_rows[key][:2] == row:
                continue
            self._close(key, snapshot)
            self.open_rows[key] = (*row, snapshot)
            if installation is not None:
                self.holders.setdefault(installation, {}).setdefault(key, snapshot)
        for key in self.open_rows.keys() - world.keys():
            self._close(key, snapshot)

    def _close(self, key: int, snapshot: int) -> None:
        if key in self.open_rows:
            self.closed_rows.append((key, *self.open_rows.pop(key), snapshot))

    @property
    def rows(self) -> set[tuple]:
        return {(key, *row, None) for key, row in self.open_rows.items()} | set(self.closed_rows)


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


places = st.frozensets(st.integers(0, 9), min_size=1, max_size=1)
bridges = st.frozensets(st.integers(0, 9), min_size=2, max_size=2)
# Mostly at one site: what a build in part leaves alone should be most of a world
seen = st.builds(Seen, places | places | places | bridges, st.integers(0, 1))


def worlds(keys: Iterable[int] = KEYS) -> st.SearchStrategy[World]:
    return st.dictionaries(st.sampled_from(sorted(keys)), seen, max_size=8)


histories = st.lists(worlds(), min_size=1, max_size=4)
orders = st.permutations(KEYS)
budget = settings(max_examples=40, deadline=None)


@budget
@given(st.lists(st.tuples(worlds(), orders), min_size=1, max_size=4))
def test_history_is_that_of_the_rule_whatever_the_order_of_rows_and_the_scope(history: list[tuple[World, list[int]]]) -> None:
    rule = Rule()
    with Lake() as whole, Lake() as in_part:
        for snapshot, (world, order) in enumerate(history, start=1):
            rule.step(world, snapshot)
            whole.resolve(world, order=order)
            in_part.resolve(world, in_part=snapshot > 1, order=order[::-1])
            assert whole.rows == rule.rows
            assert in_part.rows == rule.rows


@budget
@given(histories)
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
@given(histories, st.booleans(), orders)
def test_another_run_over_the_same_adds_and_closes_no_row(history: list[World], in_part: bool, order: list[int]) -> None:
    with Lake() as lake:
        for world in history:
            lake.resolve(world)
        before = lake.rows
        lake.resolve(world, in_part=in_part, order=order)
        assert lake.rows == before


@budget
@given(st.lists(worlds(KEYS[:4]), min_size=1, max_size=4), worlds(KEYS[4:]))
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
    earlier = data.draw(histories)
    world = data.draw(worlds(staying))
    visiting = data.draw(st.lists(worlds(passing), min_size=1, max_size=2))
    with Lake() as lake:
        for past in earlier:
            lake.resolve(past)
        before = lake.resolve(world)
        for visitors in visiting:
            lake.resolve({**world, **visitors}, in_part=True)
        assert lake.resolve(world, in_part=True) == before
