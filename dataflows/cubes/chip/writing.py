"""Writes chunks of pixels and of their quality.

zarr's own way takes a chunk through some thirty steps of its event loop and several threads, which costs more than to
encode it. A whole chunk is therefore encoded here, by the codec that its array names, and both arrays are set at once. What
zarr reads is the same.
"""

from __future__ import annotations

import asyncio

import numpy as np
import zarr
from numcodecs.blosc import Blosc
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.codecs import BloscCodec, BytesCodec
from zarr.core.buffer import default_buffer_prototype

from dataflows.cubes.chip.group import ChipGroup

_SHUFFLES = {"noshuffle": Blosc.NOSHUFFLE, "shuffle": Blosc.SHUFFLE, "bitshuffle": Blosc.BITSHUFFLE}


def write_chunk(group: ChipGroup, first: int, month: int, pixels: NDArray[np.generic], classes: NDArray[np.uint8]) -> None:
    """Write one chunk of both arrays; not from a thread that runs an event loop.

    Args:
        group: where to.
        first: the chunk's first chip.
        month: place on the axis of time.
        pixels: shape (chip, band, y, x).
        classes: shape (chip, y, x).
    """
    written = {"pixels": pixels, "quality": classes}
    codecs = {name: _blosc(group[name]) for name in written}
    if None in codecs.values():
        for name, values in written.items():
            group[name][first : first + len(values), month] = values
        return
    encoded = {}
    for name, codec in codecs.items():
        array = group[name]
        place = (first // group.chips_per_chunk, month, *(0 for _ in array.shape[2:]))
        encoded[f"{array.path}/{array.metadata.encode_chunk_key(place)}"] = codec.encode(_padded(written[name], array))
    asyncio.run(_set(group["pixels"].store, encoded))


async def _set(store: Store, encoded: dict[str, bytes]) -> None:
    buffer = default_buffer_prototype().buffer
    await asyncio.gather(*(store.set(key, buffer.from_bytes(value)) for key, value in encoded.items()))


def _padded(values: NDArray[np.generic], array: zarr.Array) -> NDArray[np.generic]:
    """A chunk in its full length: the last one of an array is stored so, too."""
    missing = array.chunks[0] - len(values)
    if missing == 0:
        return values
    return np.concatenate([values, np.full((missing, *values.shape[1:]), array.fill_value, values.dtype)])


def _blosc(array: zarr.Array) -> Blosc | None:
    """What encodes a chunk of an array; ``None`` where that is not Blosc alone."""
    if len(array.compressors) != 1 or array.filters or not isinstance(array.serializer, BytesCodec):
        return None
    (codec,) = array.compressors
    if not isinstance(codec, BloscCodec):
        return None
    stated = codec.to_dict()["configuration"]
    return Blosc(
        stated["cname"], stated["clevel"], _SHUFFLES[stated["shuffle"]], stated["blocksize"], typesize=stated["typesize"]
    )
