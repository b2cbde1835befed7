"""Versions of cubes: listed, named, compared with what the plan changed, and forgotten without losing what is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import icechunk
import numpy as np
import pytest
import xarray as xr
from chip_world import BANDS, COLLECTION, EPSG, World, opened, square
from lakes_on_s3 import on_s3
from rasters import pixels, scene, write_raster

from dataflows.cubes.chip.new_scenes import held, not_held
from dataflows.cubes.chips import build_chips
from dataflows.cubes.history.diff import SceneChange, diff
from dataflows.cubes.history.garbage import collect_garbage, named_snapshots
from dataflows.cubes.history.versions import create_tag, is_build_tag, versions
from dataflows.cubes.landed_series import land_series
from dataflows.cubes.repository import store
from dataflows.cubes.repository.storage import CubeName
from dataflows.cubes.virtual import build_virtual
from db import connect
from db.errors import CubeConflictError, CubeError, SnapshotNotFoundError
from db.settings import Settings

SIZE = 24
PATH = f"{COLLECTION}/epsg-{EPSG}"
SITES = ("a", "b", "c")
AT_ONCE = timedelta(0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path / "scenes")
    found.sites = {name: square(500 + 700 * index, 900, 80) for index, name in enumerate(SITES)}
    return found


def built(world: World, lake: Settings, **more) -> str | None:
    return build_chips(world.plan(), bands=BANDS, size=SIZE, lake=lake, **more).snapshot_id


def repo(lake: Settings) -> icechunk.Repository:
    return store.repository("chips", lake=lake)


def files(lake: Settings) -> dict[str, int]:
    root = Path(lake.icechunk_root) / "chips"
    return {str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*") if path.is_file()}


def test_versions_are_the_commits_with_what_they_came_from(world: World, home: Settings):
    world.scene(3)
    first = built(world, home, dbt_invocation_id="run-1")
    world.scene(4)
    second = built(world, home, dbt_invocation_id="run-2")
    assert create_tag(home, CubeName.CHIPS, "paper", as_of=first) == first
    found = versions(repo(home))
    assert [version.snapshot_id for version in found[:2]] == [second, first]
    assert found[0].parent_id == first
    assert (found[0].branches, found[1].branches) == (("main",), ())
    assert [{tag for tag in version.tags if not is_build_tag(tag)} for version in found] == [set(), {"paper"}, set()]
    assert all(any(is_build_tag(tag) for tag in version.tags) for version in found[:2])
    assert [version.metadata.dbt_invocation_id for version in found[:2]] == ["run-2", "run-1"]
    assert {item.item_id for item in found[0].metadata.items} == {"S0405"}
    assert found[2].metadata is None
    assert found[2].parent_id is None


def test_names_that_mean_something_else_are_refused(world: World, home: Settings):
    world.scene(3)
    first = built(world, home)
    create_tag(home, CubeName.CHIPS, "paper")
    build_tag = next(tag for tag in repo(home).list_tags() if is_build_tag(tag))
    for name in ("paper", "main", "2025-01-01", build_tag, "", "a/b"):
        with pytest.raises(CubeError):
            create_tag(home, CubeName.CHIPS, name)
    with pytest.raises(SnapshotNotFoundError):
        create_tag(home, CubeName.CHIPS, "nothing", as_of="never-written")
    repo(home).delete_tag("paper")
    with pytest.raises(CubeConflictError, match="paper"):
        create_tag(home, CubeName.CHIPS, "paper")
    assert repo(home).lookup_branch("main") == first


def test_a_diff_names_the_scenes_that_were_added_replaced_and_recut(world: World, home: Settings):
    world.scene(3)
    world.scene(5)
    first = built(world, home)
    added = world.scene(4)
    replaced = world.scene(5, day=20)
    world.items[1] = replace(world.items[1], rank=2)
    world.items[0] = replace(world.items[0], version=2)
    second = built(world, home)
    found = diff(home, CubeName.CHIPS, first, second)
    expected = {
        *(SceneChange(PATH, site, 0, date(2025, 3, 1), "recut", "S0305", "S0305") for site in SITES),
        *(SceneChange(PATH, site, 0, date(2025, 4, 1), "added", "", added.item_id) for site in SITES),
        *(SceneChange(PATH, site, 0, date(2025, 5, 1), "replaced", "S0505", replaced.item_id) for site in SITES),
    }
    assert set(found.scenes) == expected
    assert len(found.scenes) == len(expected)
    assert (found.groups_added, found.groups_removed, found.arrays) == ((), (), ())
    assert found.chunks[f"{PATH}/pixels"] == found.chunks[f"{PATH}/quality"] == 3
    assert f"{PATH}/mask" not in found.chunks
    back = diff(home, CubeName.CHIPS, second, first)
    opposite = {"added": "removed", "recut": "recut", "replaced": "replaced"}
    assert {
        change._replace(kind=opposite[change.kind], before=change.after, after=change.before) for change in found.scenes
    } == set(back.scenes)
    assert back.chunks == found.chunks
    assert diff(home, CubeName.CHIPS, first, first).is_empty
    assert diff(home, CubeName.CHIPS, second).is_empty


def test_a_diff_names_chips_that_are_new_or_have_another_outline(world: World, home: Settings):
    world.scene(3)
    first = built(world, home)
    world.sites["a"] = square(500, 900, 60)
    world.sites["d"] = square(1500, 1700, 80)
    found = diff(home, CubeName.CHIPS, first, built(world, home))
    assert set(found.scenes) == {
        SceneChange(PATH, "a", 0, None, "outline", "", ""),
        SceneChange(PATH, "d", 0, None, "new chip", "", ""),
        SceneChange(PATH, "d", 0, date(2025, 3, 1), "added", "", "S0305"),
    }
    resized = {change.path.rpartition("/")[2]: (change.before[0], change.after[0]) for change in found.arrays}
    assert resized["pixels"] == resized["mask"] == resized["installation_id"] == (3, 4)
    assert {change.kind for change in found.arrays} == {"resized"}


def test_a_diff_with_the_beginning_names_everything(world: World, home: Settings):
    world.scene(3)
    built(world, home)
    beginning = versions(repo(home))[-1].snapshot_id
    found = diff(home, CubeName.CHIPS, beginning)
    assert found.groups_added == (PATH,)
    assert {change.kind for change in found.arrays} == {"added"}
    assert len([change for change in found.scenes if change.kind == "added"]) == len(SITES)


def test_a_diff_of_virtual_cubes_names_items_and_changed_sources(home: Settings, tmp_path: Path):
    paths = [write_raster(tmp_path / f"{day}.tif", pixels(seed=day), nodata=0) for day in range(3)]
    build_virtual([scene(paths[0], 0), scene(paths[1], 1)], lake=home)
    first = store.repository("virtual", lake=home).lookup_branch("main")
    write_raster(paths[1], pixels(seed=9), nodata=0)
    build_virtual([scene(path, day) for day, path in enumerate(paths)], lake=home, replace_changed=True)
    found = diff(home, CubeName.VIRTUAL, first)
    assert [(change.kind, change.after) for change in found.scenes if change.kind != "source"] == [("added", "item-002")]
    (source,) = [change for change in found.scenes if change.kind == "source"]
    assert paths[1].name in source.before
    assert paths[1].name in source.after
    assert source.before != source.after


@pytest.fixture
def three(world: World, home: Settings) -> list[str]:
    """Three builds: the second has a scene more, the third a better one in its place; the first is named."""
    world.scene(3)
    found = [built(world, home)]
    world.scene(4)
    found.append(built(world, home))
    world.items[1] = replace(world.items[1], rank=2)
    world.scene(4, day=20)
    found.append(built(world, home))
    create_tag(home, CubeName.CHIPS, "paper", as_of=found[0])
    return found


def test_garbage_is_first_only_told_then_collected_and_what_is_tagged_stays(three: list[str], home: Settings):
    paper = {name: array.values.copy() for name, array in as_of(home, "paper").items()}
    main = opened(home)
    before = files(home)
    told = collect_garbage(home, CubeName.CHIPS, AT_ONCE, build_tags=True)
    assert files(home) == before
    assert not told.applied
    done = collect_garbage(home, CubeName.CHIPS, AT_ONCE, build_tags=True, apply=True)
    assert (done.tags, done.expired) == (told.tags, told.expired)
    assert three[1] in done.expired
    assert not {three[0], three[2]} & set(done.expired)
    gone = set(before) - set(files(home))
    assert (done.snapshots, done.chunks, done.manifests) == tuple(
        sum(path.startswith(kind) for path in gone) for kind in ("snapshots/", "chunks/", "manifests/")
    )
    assert f"snapshots/{three[1]}" in gone
    # April's pixels of the scene that gave way
    assert done.chunks >= 1
    assert done.bytes >= sum(before[path] for path in gone if not path.startswith("transactions/"))
    for name, values in paper.items():
        np.testing.assert_array_equal(as_of(home, "paper")[name].values, values)
    assert main.identical(opened(home))
    with pytest.raises(SnapshotNotFoundError):
        store.open_readonly("chips", three[1], lake=home)
    assert collect_garbage(home, CubeName.CHIPS, AT_ONCE, build_tags=True, apply=True).bytes == 0


def test_after_expiry_versions_still_compare_but_their_chunks_are_unknown(three: list[str], home: Settings):
    whole = diff(home, CubeName.CHIPS, "paper")
    assert whole.chunks is not None
    collect_garbage(home, CubeName.CHIPS, AT_ONCE, build_tags=True, apply=True)
    found = diff(home, CubeName.CHIPS, "paper")
    assert found.scenes == whole.scenes
    assert {(change.kind, change.after) for change in found.scenes} == {("added", "S0420")}
    assert found.chunks is None


def test_builds_are_kept_by_their_tags_by_age_and_by_the_lake(three: list[str], home: Settings):
    assert collect_garbage(home, CubeName.CHIPS, AT_ONCE, apply=True).expired == ()
    assert collect_garbage(home, CubeName.CHIPS, timedelta(days=1), build_tags=True, apply=True).expired == ()
    later = datetime.now(UTC) + timedelta(days=2)
    kept = collect_garbage(home, CubeName.CHIPS, timedelta(days=1), build_tags=True, keep={three[1]}, now=later)
    assert (kept.tags, kept.expired) == (tuple(tag for tag in kept.tags if three[0] in tag), ())
    with connect(lake=home) as lake:
        assert named_snapshots(lake) == frozenset()
        land_series(lake, store.open_readonly("chips", three[1], lake=home))
        assert named_snapshots(lake) == {three[1]}


@pytest.mark.xdist_group("services")
def test_on_s3_nothing_is_deleted_that_a_builder_may_be_writing(world: World, dev: Settings, tmp_path: Path):
    lake = on_s3(dev, tmp_path.name)
    world.scene(3)
    built(world, lake)
    world.scene(4)
    second = built(world, lake)
    world.scene(5)
    built(world, lake)
    done = collect_garbage(lake, CubeName.CHIPS, AT_ONCE, build_tags=True, apply=True)
    assert second in done.expired
    assert (done.snapshots, done.chunks, done.bytes) == (0, 0, 0)
    assert second not in {version.snapshot_id for version in versions(repo(lake))}
    assert (opened(lake).item_id.values == ["S0305", "S0405", "S0505"]).all()


def test_a_branch_that_can_never_be_resumed_is_dropped(world: World, home: Settings):
    world.scene(3)
    built(world, home)
    repo(home).create_branch("build/resumable/chips-old", repo(home).lookup_branch("main"))
    session = repo(home).writable_session("build/resumable/chips-old")
    session.commit("half of a build", allow_empty=True)
    assert collect_garbage(home, CubeName.CHIPS, AT_ONCE, apply=True).branches == ()
    world.scene(4)
    built(world, home)
    assert collect_garbage(home, CubeName.CHIPS, timedelta(days=1), apply=True).branches == ()
    done = collect_garbage(home, CubeName.CHIPS, AT_ONCE, apply=True)
    assert done.branches == ("build/resumable/chips-old",)
    assert repo(home).list_branches() == {"main"}


def test_what_the_chips_have_is_left_out_of_a_plan(world: World, home: Settings):
    world.scene(3)
    built(world, home)
    session = store.open_readonly("chips", lake=home)
    assert set(held(session)["installation_id"].to_pylist()) == set(SITES)
    world.items[0] = replace(world.items[0], rank=2)
    world.scene(3, day=20)
    world.scene(4)
    world.sites["d"] = square(1500, 1700, 80)
    plan = world.plan()
    part = not_held(plan, session)
    left = {(row["installation_id"], row["item_id"]) for row in part.scenes.to_pylist()}
    assert left == {*((site, "S0405") for site in (*SITES, "d")), ("d", "S0305"), ("d", "S0320")}
    assert part.scenes.schema == plan.scenes.schema
    assert part.installations is plan.installations
    everything = plan.scenes.to_pylist()
    assert part.scenes.to_pylist() == [row for row in everything if (row["installation_id"], row["item_id"]) in left]
    assert not_held(world.plan(world.items[:1]), session).assets.num_rows > 0
    del world.sites["d"]
    nothing = not_held(world.plan(world.items[:1]), session)
    assert nothing.scenes.num_rows == nothing.assets.num_rows == 0
    build_chips(part, bands=BANDS, size=SIZE, lake=home)
    cube = opened(home)
    by_site = dict(zip(cube.installation_id.values.tolist(), cube.item_id.values.tolist(), strict=True))
    assert by_site == {**{site: ["S0305", "S0405"] for site in SITES}, "d": ["S0320", "S0405"]}


def as_of(lake: Settings, version: str) -> xr.Dataset:
    session = store.open_readonly("chips", version, lake=lake)
    return xr.open_zarr(session.store, group=PATH, consolidated=False, chunks=None)
