"""A disk that is full in the middle of a build: main stays readable where it was, and the build goes on once there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from chip_world import BANDS, World, by_rasterio, opened, square

from dataflows.cubes.chips import build_chips
from dataflows.cubes.repository import store
from db.errors import CubeError
from db.settings import Settings

SIZE = 48
SMALL, LARGE = "3m", "64m"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", folder], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(f"CI mounts file systems: {mounted.stderr}")
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_leaves_main_where_it_was_and_the_build_goes_on_with_more_room(tmp_path: Path, disk: Path):
    world = World(tmp_path / "scenes")
    world.sites = {f"site-{n:03d}": square(260 + 20.7 * n, 260 + 197.3 * (n % 11), 60) for n in range(100)}
    lake = Settings(home=disk / "home", _env_file=None)
    world.scene(3)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=lake)
    main = store.repository("chips", lake=lake).lookup_branch("main")
    before = opened(lake).load()
    for month in range(4, 9):
        world.scene(month)
    with pytest.raises(CubeError, match=r"(?i)could not be written.*(no space|os error 28)"):
        build_chips(world.plan(), bands=BANDS, size=SIZE, lake=lake, checkpoint_s=0)
    assert store.repository("chips", lake=lake).lookup_branch("main") == main
    xr.testing.assert_identical(opened(lake).load(), before)

    subprocess.run(["mount", "-o", f"remount,size={LARGE}", disk], check=True)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=lake)
    cube = opened(lake)
    assert (cube.item_id.values != "").all()
    for chip in range(0, 100, 17):
        expected = by_rasterio(world.items[5].assets[0].href, cube.transform.values[chip], SIZE)
        np.testing.assert_array_equal(cube.pixels.values[chip, 5, 0], expected)
