"""Chips as users open them, now and as of earlier versions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from chip_world import BANDS, COLLECTION, EPSG, World, opened, square

from dataflows.cubes import open_chips
from dataflows.cubes.chips import build_chips
from db.errors import CubeNotFoundError, SnapshotNotFoundError
from db.settings import Settings

PATH = f"{COLLECTION}/epsg-{EPSG}"


def test_chips_open_by_group_and_by_collection_and_as_of(tmp_path: Path, home: Settings):
    world = World(tmp_path / "scenes", {"site": square(700, 700)})
    with pytest.raises(CubeNotFoundError, match="eopv cube build"):
        open_chips(PATH, lake=home)
    world.scene(3)
    first = build_chips(world.plan(), bands=BANDS, size=32, lake=home)
    world.scene(4)
    second = build_chips(world.plan(), bands=BANDS, size=32, lake=home)
    cube = open_chips(COLLECTION, lake=home)
    assert cube.attrs["group"] == PATH
    assert cube.attrs["icechunk_snapshot_id"] == second.snapshot_id
    assert cube.sizes["time"] == 2
    np.testing.assert_array_equal(cube.pixels.values, opened(home).pixels.values)
    for as_of in (first.tag, first.snapshot_id):
        before = open_chips(PATH, lake=home, as_of=as_of)
        assert before.sizes["time"] == 1
        np.testing.assert_array_equal(before.pixels.values[:, 0], cube.pixels.values[:, 0])
    assert open_chips(PATH, lake=home, chunks={}).pixels.chunks is not None
    with pytest.raises(CubeNotFoundError, match=PATH):
        open_chips("other", lake=home)
    with pytest.raises(SnapshotNotFoundError):
        open_chips(PATH, lake=home, as_of="never")
