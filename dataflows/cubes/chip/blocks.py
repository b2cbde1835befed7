"""Walks through a group of chips, as many chips and months at a time as memory allows, in whole chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.cubes.chip.group import ChipGroup
from dataflows.cubes.pixels import quality

BLOCK_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Block:
    """Some chips and months.

    Attributes:
        chips: first and last but one.
        months: first and last but one.
        pixels: digital numbers, shape (chip, time, band, y, x).
        usable: pixels that show the ground, shape (chip, time, y, x).
    """

    chips: slice
    months: slice
    pixels: NDArray[np.generic]
    usable: NDArray[np.bool_]


def blocks(group: ChipGroup, there: NDArray[np.bool_], *, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Blocks of whole chunks, chips first; those without any scene are passed over.

    Args:
        group: chips.
        there: where a chip has a scene, shape (chip, time).
        block_bytes: bytes of pixels of a block; one chunk at least.
    """
    _, periods, *inner = group["pixels"].shape
    together = group.chips_per_chunk
    chunk_bytes = together * int(np.prod(inner)) * group["pixels"].dtype.itemsize
    step = max(1, block_bytes // chunk_bytes)
    for first in range(0, group.chips, together):
        chips = slice(first, min(first + together, group.chips))
        for begin in range(0, periods, step):
            months = slice(begin, min(begin + step, periods))
            if there[chips, months].any():
                pixels = np.asarray(group["pixels"][chips, months])
                classes = np.asarray(group["quality"][chips, months])
                yield Block(chips, months, pixels, quality.usable(classes))
