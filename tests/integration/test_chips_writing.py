"""Chunks that are encoded beside zarr are those that zarr writes, byte for byte."""

from __future__ import annotations

import asyncio

import icechunk
import numpy as np
import pytest
from zarr.core.buffer import default_buffer_prototype

from dataflows.cubes.chip.group import ChipGroup
from dataflows.cubes.chip.writing import write_chunk

CHIPS, SIZE, BANDS = 100, 64, ("blue", "green", "red", "nir")
KEYS = {"pixels": "made-l2a/epsg-32633/pixels/c/{}/1/0/0/0", "quality": "made-l2a/epsg-32633/quality/c/{}/1/0/0"}


@pytest.mark.parametrize("dtype", ["uint16", "uint8", "float32"])
@pytest.mark.parametrize("last", [False, True], ids=["whole", "last"])
def test_a_chunk_is_what_zarr_writes(dtype: str, last: bool):
    session = icechunk.Repository.create(icechunk.in_memory_storage()).writable_session("main")
    months = np.arange(600, 603)
    group = ChipGroup.create(
        session.store,
        "made-l2a/epsg-32633",
        bands=BANDS,
        scales=[1e-4] * 4,
        size=SIZE,
        dtype=dtype,
        fill=3,
        chips=CHIPS,
        months=months,
    )
    number = CHIPS // group.chips_per_chunk if last else 0
    first = number * group.chips_per_chunk
    length = min(group.chips_per_chunk, CHIPS - first)
    assert (length < group.chips_per_chunk) == last
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 250, (length, len(BANDS), SIZE, SIZE)).astype(dtype)
    classes = rng.integers(0, 8, (length, SIZE, SIZE), dtype=np.uint8)

    def stored() -> dict[str, bytes]:
        prototype = default_buffer_prototype()
        found = {name: asyncio.run(session.store.get(key.format(number), prototype)) for name, key in KEYS.items()}
        return {name: buffer.to_bytes() for name, buffer in found.items()}

    write_chunk(group, first, 1, pixels, classes)
    ours = stored()
    np.testing.assert_array_equal(group["pixels"][first : first + length, 1], pixels)
    group["pixels"][first : first + length, 1] = pixels
    group["quality"][first : first + length, 1] = classes
    assert stored() == ours
