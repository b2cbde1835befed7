"""An S3 server that refuses writes in the middle of a build: for a moment, or for good."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from chip_world import BANDS, World, by_rasterio, opened, square
from lakes_on_s3 import on_s3
from s3_gateway import S3Gateway

from dataflows.cubes.chips import build_chips
from dataflows.cubes.repository import store
from db.errors import CubeError
from db.settings import Settings

SIZE = 48

pytestmark = pytest.mark.xdist_group("services")


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "scenes")
    world.sites = {f"site-{n:03d}": square(260 + 20.7 * n, 260 + 197.3 * (n % 11), 60) for n in range(100)}
    return world


@pytest.fixture
def lake(dev: Settings, tmp_path: Path) -> Settings:
    """Without cubes, on S3."""
    return on_s3(dev, tmp_path.name)


def behind(lake: Settings, gateway: S3Gateway) -> Settings:
    return lake.model_copy(update={"s3_endpoint": gateway.endpoint})


def test_writes_that_fail_for_a_moment_are_tried_again(world: World, lake: Settings):
    world.scene(3)
    world.scene(4)
    writes = count()
    with S3Gateway(
        lake.s3_endpoint, lambda method, path: 503 if method == "PUT" and next(writes) % 5 == 2 else None
    ) as gateway:
        result = build_chips(world.plan(), bands=BANDS, size=SIZE, lake=behind(lake, gateway))
    assert len(gateway.refused) > 2
    assert (result.groups[0].written, result.failures) == (200, ())
    cube = opened(lake)
    for chip in range(0, 100, 17):
        for month, item in enumerate(world.items):
            expected = by_rasterio(item.assets[0].href, cube.transform.values[chip], SIZE)
            np.testing.assert_array_equal(cube.pixels.values[chip, month, 0], expected)


@pytest.mark.parametrize("what", ["chunks/", "transactions/", "repo"])
def test_writes_that_fail_for_good_leave_main_where_it_was(world: World, lake: Settings, what: str):
    world.scene(3)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=lake)
    main = store.repository("chips", lake=lake).lookup_branch("main")
    before = opened(lake).load()
    world.scene(4)
    started = []

    def refuse(method: str, path: str) -> int | None:
        # What makes the build's branch is let through: the build itself is to fail
        started.extend([path] if "/chunks/" in path and method == "PUT" else [])
        return 403 if method == "PUT" and started and f"/chips/{what}" in path else None

    with S3Gateway(lake.s3_endpoint, refuse) as gateway, pytest.raises(CubeError, match="could not be written"):
        build_chips(world.plan(), bands=BANDS, size=SIZE, lake=behind(lake, gateway))
    assert gateway.refused
    assert store.repository("chips", lake=lake).lookup_branch("main") == main
    xr.testing.assert_identical(opened(lake).load(), before)
    assert build_chips(world.plan(), bands=BANDS, size=SIZE, lake=lake).groups[0].written > 0
    assert (opened(lake).item_id.values != "").all()
