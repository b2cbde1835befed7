"""Builds of chips: complete or invisible, resumable, and nothing done twice."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import icechunk
import numpy as np
import pyarrow as pa
import pytest
import shapely
import xarray as xr
from chip_world import BANDS, COLLECTION, COLUMNS, EPSG, ROWS, Asset, World, by_rasterio, metres, opened, square

from dataflows.cubes.chip.means import Progress
from dataflows.cubes.chip.plan import ChipPlan
from dataflows.cubes.chips import ChipBuild, build_chips
from dataflows.cubes.pixels.quality import Quality
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from db.errors import CubeError
from db.settings import Settings

SIZE = 48
PATH = f"{COLLECTION}/epsg-{EPSG}"


class InterruptedBuildError(Exception):
    """What a test stops a build with."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """More chips than share a chunk of 64: 3 bands × 48² × 2 bytes make 13.8 kB."""
    found = World(tmp_path / "scenes")
    found.sites = {f"site-{n:03d}": square(260 + 20.7 * n, 260 + 197.3 * (n % 11), 60) for n in range(100)}
    return found


def build(world: World, lake: Settings, **more) -> ChipBuild:
    return build_chips(world.plan(), bands=BANDS, size=SIZE, lake=lake, **more)


def main(lake: Settings) -> str:
    return store.repository("chips", lake=lake).lookup_branch("main")


def changed_chunks(lake: Settings, one: str, other: str) -> dict[str, set]:
    diff = store.repository("chips", lake=lake).diff(from_snapshot_id=one, to_snapshot_id=other)
    return {path.removeprefix(f"/{PATH}/"): {tuple(chunk) for chunk in chunks} for path, chunks in diff.updated_chunks.items()}


def tables_of(plan: ChipPlan) -> tuple[pa.Table, ...]:
    return plan.installations, plan.scenes, plan.assets


def truncate(asset: Asset) -> None:
    path = Path(asset.href)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_build_is_one_commit_that_says_where_it_came_from(world: World, home: Settings):
    world.scene(3)
    world.scene(4)
    result = build(world, home, checkpoint_s=0, dbt_invocation_id="run-1")
    repo = store.repository("chips", lake=home)
    commits = list(repo.ancestry(branch="main"))
    assert len(commits) == 2
    assert commits[0].id == result.snapshot_id
    assert repo.lookup_tag(result.tag) == result.snapshot_id
    assert repo.list_branches() == {"main"}
    metadata = CommitMetadata.of(commits[0])
    assert metadata.dbt_invocation_id == "run-1"
    assert {(item.item_id, item.asset_key) for item in metadata.items} == {
        (item, key) for item in ("S0305", "S0405") for key in (*BANDS, "scl")
    }


def test_a_second_run_reads_no_pixel_and_makes_no_commit(world: World, home: Settings):
    world.scene(3)
    build(world, home)
    before = main(home)
    again = build(world, home)
    assert again.snapshot_id is None
    assert again.groups[0].tiles_decoded == again.groups[0].written == again.groups[0].masks == 0
    assert main(home) == before


def test_a_new_scene_touches_only_its_own_chunks(world: World, home: Settings):
    world.scene(3)
    world.scene(5)
    first = build(world, home).snapshot_id
    world.scene(4)
    result = build(world, home)
    changed = changed_chunks(home, first, result.snapshot_id)
    assert changed["pixels"] == {(0, 1, 0, 0, 0), (1, 1, 0, 0, 0)}
    assert changed["quality"] == {(0, 1, 0, 0), (1, 1, 0, 0)}
    assert not {"mask", "own_mask", "transform", "installation_id"} & set(changed)
    assert {chunk[1] for name in ("item_id", "scene_key", "datetime") for chunk in changed[name]} == {1}
    assert result.groups[0].written == 100


def test_a_better_scene_of_some_installations_leaves_the_other_chips_alone(world: World, home: Settings):
    world.scene(3)
    build(world, home)
    before = opened(home)
    better = world.scene(3, day=20)
    plan = world.plan()
    chosen = [row["installation_id"] == "site-007" or row["item_id"] != better.item_id for row in plan.scenes.to_pylist()]
    scenes = [
        {**row, "rank": 1 if row["item_id"] == better.item_id else 2}
        for row, wanted in zip(plan.scenes.to_pylist(), chosen, strict=True)
        if wanted
    ]
    plan = replace(plan, scenes=type(plan.scenes).from_pylist(scenes, plan.scenes.schema))
    result = build_chips(plan, bands=BANDS, size=SIZE, lake=home)
    after = opened(home)
    chip = after.installation_id.values.tolist().index("site-007")
    others = np.arange(100) != chip
    assert result.groups[0].written == 1
    assert after.item_id.values[chip, 0] == better.item_id
    np.testing.assert_array_equal(
        after.pixels.values[chip, 0, 0], by_rasterio(better.assets[0].href, after.transform.values[chip], SIZE)
    )
    assert after.isel(chip=others).identical(before.isel(chip=others))


def test_new_installations_follow_and_earlier_months_come_before(world: World, home: Settings):
    world.scene(5)
    build(world, home)
    before = opened(home)
    world.scene(3)
    world.sites["new"] = square(1500, 1200)
    build(world, home)
    after = opened(home)
    assert after.installation_id.values.tolist() == [*before.installation_id.values.tolist(), "new"]
    assert after.time.values.astype("datetime64[M]").astype(str).tolist() == ["2025-03", "2025-04", "2025-05"]
    kept = after.isel(chip=slice(0, 100), time=[2])
    for name in ("pixels", "quality", "own_mask", "item_id", "datetime", "transform"):
        np.testing.assert_array_equal(kept[name].values, before[name].values)
    assert (after.item_id.values[:, 1] == "").all()
    assert (after.item_id.values[:, [0, 2]] != "").all()


@pytest.mark.parametrize("fault", ["missing file", "broken file", "no such asset", "no raster", "other type", "other scale"])
def test_a_scene_that_cannot_be_read_gives_way_to_the_next_best(world: World, home: Settings, fault: str):
    good = world.scene(3, day=20, rank=2)
    bad = world.scene(3, day=5)
    red = bad.assets[0]
    match fault:
        case "missing file":
            Path(red.href).unlink()
        case "broken file":
            truncate(red)
        case "no such asset":
            world.items[1] = replace(bad, assets=bad.assets[1:])
        case "no raster":
            Path(red.href).write_text("<html>404</html>")
        case "other type":
            values = np.ones((ROWS, COLUMNS), np.float32)
            world.asset("S0305/red.tif", "red", values, 10)
        case "other scale":
            world.items[1] = replace(bad, assets=(replace(red, scale=0.01), *bad.assets[1:]))
    result = build(world, home)
    cube = opened(home)
    broken = cube.item_id.values[:, 0] == good.item_id
    assert broken.all() if fault != "broken file" else broken.any()
    (failure,) = result.failures
    assert (failure.item_id, failure.period) == (bad.item_id, date(2025, 3, 1))
    assert failure.chips == broken.sum()
    assert ("red" in failure.reason) or (bad.item_id in failure.reason)
    for chip in np.flatnonzero(broken)[::17]:
        expected = by_rasterio(good.assets[1].href, cube.transform.values[chip], SIZE)
        np.testing.assert_array_equal(cube.pixels.values[chip, 0, 1], expected)
    assert build(world, home).snapshot_id is None


def test_chips_of_several_broken_tiles_are_cut_from_the_next_best_scene(world: World, home: Settings):
    # One installation a tile of 256 pixels; of the file, the first half is left
    world.sites = {f"site-{x}-{y}": square(x, y, 60) for x in (300, 2780) for y in (300, 2580)}
    good = world.scene(3, day=20, rank=2)
    truncate(world.scene(3, day=5).assets[0])
    (group,) = build(world, home).groups
    cube = opened(home)
    broken = np.flatnonzero(cube.item_id.values[:, 0] == good.item_id)
    assert len(broken) >= 2
    assert group.missing == 0
    for chip in broken:
        expected = by_rasterio(good.assets[0].href, cube.transform.values[chip], SIZE)
        np.testing.assert_array_equal(cube.pixels.values[chip, 0, 0], expected)


def test_hazard_without_a_readable_scene_a_chip_is_missing_and_never_zeros(world: World, home: Settings):
    world.scene(3)
    truncate(world.scene(4).assets[1])
    result = build(world, home)
    cube = opened(home)
    missing = cube.item_id.values[:, 1] == ""
    assert 0 < missing.sum() == result.groups[0].missing
    assert (cube.quality.values[missing, 1] == Quality.MISSING).all()
    assert (cube.quality.values[~missing, 1] != Quality.MISSING).all()
    assert np.isnat(cube.datetime.values[missing, 1]).all()
    assert np.isnan(cube.reflectance_offset.values[missing, 1]).all()


def test_a_scene_that_was_broken_is_taken_once_it_can_be_read(world: World, home: Settings):
    item = world.scene(3)
    world.scene(4)
    whole = Path(item.assets[0].href).read_bytes()
    truncate(item.assets[0])
    build(world, home)
    assert (opened(home).item_id.values[:, 0] == "").any()
    Path(item.assets[0].href).write_bytes(whole)
    build(world, home)
    assert (opened(home).item_id.values[:, 0] == item.item_id).all()


def test_hazard_a_failed_build_leaves_main_where_it_was(world: World, home: Settings):
    world.scene(3)
    build(world, home)
    before, cube = main(home), opened(home)
    world.scene(4)
    world.scene(5)

    def stop(progress: Progress) -> None:
        if progress.done >= 100:
            raise InterruptedBuildError

    with pytest.raises(InterruptedBuildError):
        build(world, home, checkpoint_s=0, progress=stop)
    assert main(home) == before
    assert opened(home).identical(cube)


def test_an_interrupted_build_goes_on_and_equals_an_uninterrupted_one(world: World, home: Settings, tmp_path: Path):
    for month in (3, 4, 5):
        world.scene(month)

    def stop(progress: Progress) -> None:
        if progress.done >= 150:
            raise InterruptedBuildError

    with pytest.raises(InterruptedBuildError):
        build(world, home, checkpoint_s=0, progress=stop)
    result = build(world, home, checkpoint_s=0)
    assert 0 < result.groups[0].written < 300
    whole = Settings(home=tmp_path / "whole", _env_file=None)
    build(world, whole)
    assert opened(home).identical(opened(whole))
    assert len(list(store.repository("chips", lake=home).ancestry(branch="main"))) == 2


def test_an_interrupted_build_of_another_plan_is_not_published(world: World, home: Settings):
    world.scene(3)
    world.sites["doomed"] = square(1500, 1200)

    def stop(progress: Progress) -> None:
        raise InterruptedBuildError

    with pytest.raises(InterruptedBuildError):
        build(world, home, checkpoint_s=-1, progress=stop)
    del world.sites["doomed"]
    build(world, home)
    assert "doomed" not in opened(home).installation_id.values


KILLED = """
import os, pickle, signal, sys
from dataflows.cubes.chips import build_chips
from db.settings import Settings

def stop(progress):
    if progress.done >= 150:
        os.kill(os.getpid(), signal.SIGKILL)

with open(sys.argv[1], "rb") as file:
    plan = pickle.load(file)
lake = Settings(home=sys.argv[2], _env_file=None)
build_chips(plan, bands=("red", "nir", "swir16"), size=48, lake=lake, checkpoint_s=0, progress=stop)
"""


def test_hazard_kill_9_in_the_middle_leaves_main_and_the_next_build_goes_on(world: World, home: Settings, tmp_path: Path):
    world.scene(3)
    build(world, home)
    before = main(home)
    world.scene(4)
    world.scene(5)
    (tmp_path / "plan").write_bytes(pickle.dumps(world.plan()))
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "plan", home.home], env={**os.environ}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert main(home) == before
    result = build(world, home)
    assert 0 < result.groups[0].written < 200
    cube = opened(home)
    assert (cube.item_id.values != "").all()
    for chip in range(0, 100, 9):
        expected = by_rasterio(world.items[2].assets[0].href, cube.transform.values[chip], SIZE)
        np.testing.assert_array_equal(cube.pixels.values[chip, 2, 0], expected)


def test_an_installation_that_moved_does_not_keep_pixels_of_its_old_place(world: World, home: Settings):
    world.scene(3)
    world.scene(4)
    build(world, home)
    world.sites["site-007"] = square(1900, 1500)
    result = build_chips(world.plan(world.items[:1]), bands=BANDS, size=SIZE, lake=home)
    cube = opened(home)
    chip = cube.installation_id.values.tolist().index("site-007")
    expected = by_rasterio(world.items[0].assets[0].href, cube.transform.values[chip], SIZE)
    np.testing.assert_array_equal(cube.pixels.values[chip, 0, 0], expected)
    assert cube.own_mask.values[chip].sum() == pytest.approx(400, abs=1)
    # The plan says nothing about April: what is there belongs to the old place
    assert cube.item_id.values[chip, 1] == ""
    assert (cube.quality.values[chip, 1] == Quality.MISSING).all()
    assert (cube.item_id.values[np.arange(100) != chip, 1] != "").all()
    assert result.groups[0].written == 1


def test_chips_that_a_smaller_outline_no_longer_needs_are_emptied(world: World, home: Settings):
    world.sites = {"plant": metres(shapely.box(403, 403, 1903, 803)), "other": square(2000, 1500)}
    world.scene(3)
    build(world, home)
    before = opened(home)
    plant = before.installation_id.values == "plant"
    assert plant.sum() == 4
    world.sites["plant"] = square(1000, 600, 100)
    build(world, home)
    after = opened(home)
    emptied = plant & (after.item_id.values[:, 0] == "")
    assert emptied.sum() == 3
    assert (after.quality.values[emptied] == Quality.MISSING).all()
    assert not after.own_mask.values[emptied].any()
    assert after.own_mask.values[plant].sum() == pytest.approx(100, rel=1e-4)
    assert after.isel(chip=~plant).identical(before.isel(chip=~plant))
    assert build(world, home).snapshot_id is None


def test_hazard_no_scale_factor_leaks_from_chips_into_what_is_computed(world: World, home: Settings):
    world.scene(3)
    build(world, home)
    cube = opened(home)
    for holder in (cube.pixels.attrs, cube.pixels.encoding):
        assert not {"scale_factor", "add_offset", "_FillValue"} & {name for name, value in holder.items() if value is not None}
    reflectance = cube.pixels.sel(band="nir") * cube.reflectance_scale.sel(band="nir") + cube.reflectance_offset.sel(band="nir")
    session = icechunk.Repository.create(icechunk.in_memory_storage()).writable_session("main")
    xr.Dataset({"nir": reflectance.drop_vars([*reflectance.coords])}).to_zarr(session.store, consolidated=False)
    again = xr.open_zarr(session.store, consolidated=False).nir.values
    np.testing.assert_array_equal(again, reflectance.values)
    assert 0.4 < np.nanmean(again) < 0.6


def test_scenes_of_two_zones_make_two_groups(world: World, home: Settings):
    item = world.scene(3)
    # The same metres in the next zone: an installation of its own there
    other = world.scene(4, epsg=32632)
    (red, *_) = other.assets
    here = replace(world, sites={"west": metres(shapely.box(480, 480, 520, 520), 32632)}, items=[other])
    both = [world.plan([item]), here.plan()]
    joint = ChipPlan(*(pa.concat_tables(tables) for tables in zip(*map(tables_of, both), strict=True)))
    result = build_chips(joint, bands=BANDS, size=SIZE, lake=home)
    assert [group.path for group in result.groups] == [f"{COLLECTION}/epsg-32632", f"{COLLECTION}/epsg-32633"]
    assert result.failures == ()
    assert (opened(home).item_id.values == item.item_id).all()
    west = opened(home, f"{COLLECTION}/epsg-32632")
    np.testing.assert_array_equal(west.pixels.values[0, 0, 0], by_rasterio(red.href, west.transform.values[0], SIZE))


def test_hazard_a_file_of_another_zone_than_its_item_says_is_refused(world: World, home: Settings):
    good = world.scene(3, day=20, rank=2)
    world.items.append(replace(world.scene(3, day=5, epsg=32632), epsg=EPSG))
    del world.items[1]
    result = build(world, home)
    assert (opened(home).item_id.values == good.item_id).all()
    assert "EPSG:32632" in result.failures[0].reason


def test_other_bands_or_another_size_are_refused(world: World, home: Settings):
    world.scene(3)
    build(world, home)
    before = main(home)
    with pytest.raises(CubeError, match="red, nir, swir16"):
        build_chips(world.plan(), bands=("red",), lake=home)
    with pytest.raises(CubeError, match="48 pixels, not 64"):
        build_chips(world.plan(), bands=BANDS, size=64, lake=home)
    assert main(home) == before


def test_a_collection_without_any_readable_scene_makes_no_group(world: World, home: Settings):
    for asset in world.scene(3).assets:
        Path(asset.href).unlink()
    result = build(world, home)
    assert result.snapshot_id is None
    assert result.groups[0].missing == 100
    assert "is missing" in result.failures[0].reason or "No such file" in result.failures[0].reason
