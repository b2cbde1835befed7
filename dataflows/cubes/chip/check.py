"""What must hold of a build of chips before it becomes ``main``."""

from __future__ import annotations

import icechunk
import numpy as np
import zarr

from dataflows.cubes.chip.group import ChipGroup
from dataflows.cubes.pixels.quality import Quality
from db.errors import CubeError

# Chunks of a group that are read again
CHECKED_CHUNKS = 8


def check(session: icechunk.Session) -> None:
    """Raise where a build's result must not become ``main``.

    Raises:
        CubeError: arrays disagree in length, a chip without a scene has pixels of one or the reverse, or a mask is none.
    """
    root = zarr.open_group(session.store, mode="r")
    for collection, inner in root.groups():
        for name, _ in inner.groups():
            group = ChipGroup.open(session.store, f"{collection}/{name}", read_only=True)
            assert group is not None
            _check_group(group)


def _check_group(group: ChipGroup) -> None:
    months = group.months
    if group["pixels"].shape[1] != len(months) or not np.array_equal(np.diff(months), np.ones(max(len(months) - 1, 0))):
        raise CubeError(f"{group.path}: the months are {months.tolist()}, which is not one after the other.")
    key = np.asarray(group["scene_key"][:])
    if not np.array_equal(np.asarray(group["item_id"][:]).astype(object) != "", key != 0):
        raise CubeError(f"{group.path}: chips and the items they are cut from do not agree.")
    step = max(1, group.chips * len(months) // group.chips_per_chunk // CHECKED_CHUNKS)
    chunks = [(start, month) for month in range(len(months)) for start in range(0, group.chips, group.chips_per_chunk)]
    for start, month in chunks[::step]:
        part = slice(start, start + group.chips_per_chunk)
        missing = (np.asarray(group["quality"][part, month]) == Quality.MISSING).all(axis=(1, 2))
        if not np.array_equal(missing, key[part, month] == 0):
            raise CubeError(f"{group.path}: a chip without a scene has pixels, or the reverse.")
    own, joint = (np.asarray(group[name][: group.chips_per_chunk]) for name in ("own_mask", "mask"))
    if own.min(initial=0) < 0 or joint.max(initial=0) > 1 or (own > joint + 1e-5).any():
        raise CubeError(f"{group.path}: a mask is not a share between 0 and 1.")
