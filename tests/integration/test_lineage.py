"""Which commit wrote what a chip shows: not the newest that names the scene, and unknown where the history has been expired."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from chip_world import BANDS, COLLECTION, EPSG, World, square

from dataflows import lineage
from dataflows.cubes.chips import build_chips
from dataflows.cubes.history.garbage import collect_garbage
from dataflows.cubes.history.scene_origins import SceneOrigin, scene_origins
from dataflows.cubes.repository import store
from dataflows.cubes.repository.storage import CubeName
from db import connect
from db.errors import CubeNotFoundError, LakeNotFoundError, SnapshotNotFoundError
from db.settings import Settings

SIZE = 24
PATH = f"{COLLECTION}/epsg-{EPSG}"
MARCH, APRIL = date(2025, 3, 1), date(2025, 4, 1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path / "scenes")
    found.sites = {"a": square(500, 900, 80), "large": square(1700, 1500, 500)}
    found.scene(3)
    return found


def build(world: World, lake: Settings) -> str:
    snapshot = build_chips(
        world.plan(), bands=BANDS, size=SIZE, lake=lake, dbt_invocation_id=f"run-{len(world.items)}"
    ).snapshot_id
    assert snapshot is not None
    return snapshot


def origins(lake: Settings, name: str, snapshot: str | None = None) -> list[SceneOrigin]:
    repo = store.repository("chips", lake=lake)
    return scene_origins(repo, snapshot or repo.lookup_branch("main"), name)


def test_a_scene_comes_from_the_commit_that_wrote_it_into_this_chip(world: World, home: Settings):
    first = build(world, home)
    # The same scene is cut for another installation later, which is no news for the first
    world.sites["later"] = square(1000, 300, 80)
    second = build(world, home)
    world.scene(4)
    third = build(world, home)
    assert [(origin.period, origin.commit) for origin in origins(home, "a")] == [(MARCH, first), (APRIL, third)]
    assert [(origin.period, origin.commit) for origin in origins(home, "later")] == [(MARCH, second), (APRIL, third)]
    large = origins(home, "large")
    assert {origin.chip_number for origin in large} == set(range(len(large) // 2))
    assert len(large) > 4
    assert {(origin.period, origin.commit) for origin in large} == {(MARCH, first), (APRIL, third)}
    assert {origin.group for origin in large} == {PATH}
    assert {asset.asset_key for asset in origins(home, "a")[0].assets} == {*BANDS, "scl"}
    assert {asset.item_id for asset in origins(home, "a")[1].assets} == {"S0405"}
    assert [origin.dbt_invocation_id for origin in origins(home, "a")] == ["run-1", "run-2"]
    assert [origin.commit for origin in origins(home, "a", second)] == [first]
    assert origins(home, "nobody") == []


def test_a_new_version_of_an_item_is_a_new_origin(world: World, home: Settings):
    build(world, home)
    world.items[0] = replace(world.items[0], version=2)
    second = build(world, home)
    (found,) = origins(home, "a")
    assert (found.commit, found.item_id, found.version) == (second, "S0305", 2)


def test_what_was_expired_has_no_commit(world: World, home: Settings):
    build(world, home)
    world.scene(4)
    second = build(world, home)
    collect_garbage(home, CubeName.CHIPS, timedelta(0), build_tags=True, apply=True)
    march, april = origins(home, "a")
    assert (march.item_id, march.commit, march.version, march.assets) == ("S0305", None, None, ())
    assert (april.item_id, april.commit) == ("S0405", second)


def test_a_lake_without_the_tables_or_the_cubes_says_so(world: World, home: Settings):
    with connect(lake=home):
        pass
    with pytest.raises(LakeNotFoundError, match="no installation"):
        lineage.of_installation(home, "a")
    with pytest.raises(CubeNotFoundError, match="eopv cube build"):
        lineage.of_commit(home, "anything")
    snapshot = build(world, home)
    with pytest.raises(SnapshotNotFoundError, match="anything"):
        lineage.of_commit(home, "anything")
    # A plan made by hand has no lake behind it: what the commit itself says is told all the same
    found = lineage.of_commit(home, snapshot)
    assert {row["item_id"] for row in found.items} == {"S0305"}
    assert found.installations == ("a", "large")
    assert (found.lake_snapshot, found.lake_is_there, found.publications) == (None, False, ())
