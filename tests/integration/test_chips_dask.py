"""Chips cut by the processes of a Dask cluster are those that one process cuts, bit for bit."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr
from chip_world import BANDS, COLLECTION, EPSG, World, square
from distributed import Client, LocalCluster
from lakes_on_s3 import on_s3
from zarr.core.buffer import default_buffer_prototype

from dataflows.cubes.chip import scale_out
from dataflows.cubes.chip.orders import Order
from dataflows.cubes.chip.parts import FilledPart
from dataflows.cubes.chips import ChipBuild, build_chips
from dataflows.cubes.pixels.quality import Quality
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from db.errors import CubeError
from db.settings import Settings

pytestmark = pytest.mark.xdist_group("services")

SIZE = 48
PATH = f"{COLLECTION}/epsg-{EPSG}"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    """Two processes of one thread each."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0") as processes,
        Client(processes) as client,
    ):
        yield client


@pytest.fixture
def world(tmp_path: Path) -> World:
    """150 sites, so that months fall into several parts of whole chunks of 64; three months, one without a scene."""
    found = World(tmp_path / "scenes")
    found.sites = {f"site-{n:03d}": square(260 + 14.3 * n, 260 + 197.3 * (n % 11), 60) for n in range(150)}
    for month in (3, 5):
        found.scene(month)
    return found


def build(world: World, lake: Settings, cluster: Client | None = None, **more) -> ChipBuild:
    return build_chips(world.plan(), bands=BANDS, size=SIZE, lake=lake, cluster=cluster, workers=1, **more)


def stored(lake: Settings) -> dict[str, bytes]:
    """Every key of the group, metadata and compressed chunks, with its bytes as they lie in the store."""
    session = store.open_readonly("chips", lake=lake)

    async def read() -> dict[str, bytes]:
        keys = [key async for key in session.store.list_prefix(PATH)]
        values = [await session.store.get(key, default_buffer_prototype()) for key in keys]
        return {key: value.to_bytes() for key, value in zip(keys, values, strict=True)}

    return asyncio.run(read())


def arrays(lake: Settings) -> dict[str, np.ndarray]:
    group = zarr.open_group(store.open_readonly("chips", lake=lake).store, path=PATH, mode="r")
    return {name: np.asarray(array[:]) for name, array in group.arrays()}


def same(lake: Settings, other: Settings) -> None:
    """Every array, and every chunk as it is compressed."""
    ours, theirs = arrays(lake), arrays(other)
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        assert values.dtype == theirs[name].dtype
        np.testing.assert_array_equal(values, theirs[name], err_msg=name)
    chunks, others = stored(lake), stored(other)
    assert sum("/pixels/c/" in key for key in chunks) >= 6
    assert chunks == others


def history(lake: Settings) -> list[icechunk.SnapshotInfo]:
    return list(store.repository("chips", lake=lake).ancestry(branch="main"))


def truncate(path: str) -> None:
    Path(path).write_bytes(Path(path).read_bytes()[: Path(path).stat().st_size // 2])


def test_a_cluster_with_s3_builds_the_same_bits_as_one_process(world: World, dev: Settings, home: Settings, cluster: Client):
    # A scene of which a file breaks off half-way, and a second choice: what a worker finds out must reach the builder
    world.scene(3, day=9, rank=2)
    truncate(world.items[0].assets[0].href)
    lake = on_s3(dev, "chips-dask")
    alone, shared = build(world, home), build(world, lake, cluster)
    same(home, lake)
    one, other = alone.groups[0], shared.groups[0]
    assert (one.written, one.missing, one.scenes, one.failures) == (other.written, other.missing, other.scenes, other.failures)
    assert [failure.item_id for failure in one.failures] == [world.items[0].item_id]
    assert set(arrays(lake)["item_id"][:, 0]) == {world.items[2].item_id}
    assert (arrays(lake)["quality"][:, 1] == Quality.MISSING).all()
    # One commit, however many forks and checkpoints
    assert len(history(lake)) == 2
    assert CommitMetadata.of(history(lake)[0]) == CommitMetadata.of(history(home)[0])
    assert store.repository("chips", lake=lake).list_branches() == {"main"}


def test_what_a_cluster_adds_to_chips_that_are_there(world: World, tmp_path: Path, home: Settings, cluster: Client):
    """A scene more, a site more, and a better scene for some: the parts begin within the group, and merge what is there."""
    other = Settings(home=tmp_path / "other", _env_file=None)
    build(world, home)
    build(world, other)
    world.sites |= {"site-new": square(300, 300, 60)}
    world.items[1] = world.scene(5, day=20)
    world.items.pop()
    world.scene(6)
    alone, shared = build(world, home), build(world, other, cluster)
    assert alone.groups[0].written == shared.groups[0].written == 2 * 151 + 1
    same(home, other)


def test_nothing_new_makes_no_commit_on_a_cluster(world: World, home: Settings, cluster: Client):
    build(world, home, cluster)
    again = build(world, home, cluster)
    assert again.snapshot_id is None
    assert again.groups[0].tiles_decoded == again.groups[0].written == 0


def test_several_rounds_are_one_commit(world: World, tmp_path: Path, home: Settings, cluster: Client, monkeypatch):
    monkeypatch.setattr("dataflows.cubes.chip.scale_out.PARTS_A_ROUND", 1)
    build(world, home, cluster)
    assert len(history(home)) == 2
    other = Settings(home=tmp_path / "other", _env_file=None)
    build(world, other)
    same(home, other)


def test_the_work_is_done_by_the_processes_of_the_cluster(world: World, home: Settings, cluster: Client, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError(f"process {os.getpid()} decodes")

    monkeypatch.setattr("dataflows.cubes.rasters.tiles.TileReader._decode", refuse)
    assert build(world, home, cluster).groups[0].written == 300


def test_a_worker_that_dies_is_replaced_and_its_parts_are_done_again(
    world: World, tmp_path: Path, home: Settings, cluster: Client
):
    killed = []

    def kill() -> None:
        while not killed:
            for worker, parts in cluster.processing().items():
                if parts:
                    killed.append(pids[worker])
                    os.kill(pids[worker], signal.SIGKILL)
                    return
            time.sleep(0.01)

    pids = cluster.run(os.getpid)
    other = Settings(home=tmp_path / "other", _env_file=None)
    build(world, other)
    with ThreadPoolExecutor(1) as pool:
        death = pool.submit(kill)
        build(world, home, cluster)
        death.result()
    same(home, other)
    assert set(cluster.run(os.getpid).values()) != set(pids.values())


def test_an_error_in_a_worker_reaches_the_builder_and_main_stays(world: World, home: Settings, cluster: Client, monkeypatch):
    build(world, home)
    before = history(home)[0].id
    world.scene(7)
    fill = scale_out.fill

    def astray(orders: list[Order], *more: Any) -> list[FilledPart]:
        return fill([replace(order, path="elsewhere/epsg-1") for order in orders], *more)

    monkeypatch.setattr(scale_out, "fill", astray)
    with pytest.raises(CubeError, match="no group elsewhere/epsg-1"):
        build(world, home, cluster)
    assert history(home)[0].id == before
