"""What holds for the clusters of any world; each is resolved by a plain reference implementation too."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa
from cluster_reference import Reference, ends, violations
from cluster_worlds import Row, World, worlds
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.prepared import clusters as clusters_dag
from dataflows.run import build_driver

DRIVER = build_driver(clusters_dag)


def resolved(world: World, **overrides: np.ndarray) -> list[Row]:
    observations, links = world.tables()
    inputs = {"observations": observations, "links": links}
    table: pa.Table = DRIVER.execute(["clusters"], inputs=inputs, overrides=overrides)["clusters"]
    return table.to_pylist()


@settings(max_examples=400)
@given(worlds())
def test_clusters_are_those_of_the_reference(world: World) -> None:
    assert resolved(world) == Reference(world).rows_out()


@settings(max_examples=150)
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_rows_has_no_say(world: World, random) -> None:
    shuffled = World(
        random.sample(world.observations, k=len(world.observations)), random.sample(world.links, k=len(world.links))
    )
    assert resolved(shuffled) == resolved(world)


@settings(max_examples=250)
@given(worlds(max_size=12))
def test_labelling_gives_what_walking_gives(world: World) -> None:
    assert resolved(world) == resolved(world, contested=np.ones(len(world.observations), np.bool_))


@settings(max_examples=200)
@given(worlds(max_size=12))
def test_no_cluster_breaks_a_guard(world: World) -> None:
    members = defaultdict(set)
    for row in resolved(world):
        members[row["cluster_key"]].add(row["observation_key"])
    assert not violations(world, members)
    assert all(key == min(of_cluster) for key, of_cluster in members.items())


@settings(max_examples=150)
@given(worlds(max_size=12), st.data())
def test_components_are_resolved_on_their_own(world: World, data: st.DataObject) -> None:
    whole = resolved(world)
    component = {row["observation_key"]: row["component_key"] for row in whole}
    chosen = data.draw(st.sets(st.sampled_from(sorted(set(component.values())))))
    observations = [row for row in world.observations if component[row["observation_key"]] in chosen]
    links = [row for row in world.links if set(map(component.get, ends(row))) <= chosen]
    assert resolved(World(observations, links)) == [row for row in whole if row["component_key"] in chosen]


@settings(max_examples=100)
@given(worlds())
def test_what_a_cluster_is_part_of_is_part_of_nothing(world: World) -> None:
    rows = {row["observation_key"]: row for row in resolved(world)}
    for row in rows.values():
        if row["parent_cluster_key"] is not None:
            parent = rows[row["parent_cluster_key"]]
            assert parent["cluster_key"] == parent["observation_key"] != row["cluster_key"]
            assert parent["parent_cluster_key"] is None
            assert parent["creates_installation"]
