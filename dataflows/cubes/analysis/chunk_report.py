"""What reading a cube costs in chunks and bytes, told by its metadata and the sizes of its chunks; no chunk is read.

Three questions are asked of every array: the series of one pixel, the whole of one date, and one region on all dates (of chips:
one chip on all dates). What it wants, what it must fetch and what it must decode are set against each other; a layout is good
at the questions that are asked of it. :mod:`dataflows.cubes.analysis.chunk_advice` says what another one would cost.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import icechunk
import numpy as np
import zarr
from zarr.core.sync import sync

from dataflows.cubes.analysis.chunk_advice import Advice, advice
from dataflows.cubes.opening import named_group
from dataflows.cubes.rasters import virtual_tiff_workarounds as _codecs  # noqa: F401 - registers the codecs of virtual chunks
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.repository import store
from dataflows.cubes.repository.storage import CubeName
from dataflows.cubes.repository.store import AsOf
from db.errors import CubeError
from db.settings import Settings

REGION_PX = 256

# The size of a chunk takes 0.15 ms to look up: more than these are sampled at equal distances
MOST_LOOKED_AT = 20_000
_AT_ONCE = 2_000

_SPACE = frozenset(("y", "x"))

Selection = dict[str, slice]


class Pattern(StrEnum):
    """What is read."""

    PIXEL = "pixel series"
    DATE = "one date"
    REGION = "one region"


@dataclass(frozen=True)
class ArrayLayout:
    """How an array is stored.

    Attributes:
        array: name in the group.
        dims: names of its dimensions.
        shape: its lengths.
        dtype: type of its values.
        chunk: lengths of what is decoded at once.
        shard: lengths of what is stored as one object, where that is more than a chunk, else ``None``.
        kind: where the stored chunks are: ``native``, ``virtual`` or ``inline`` (of the first one); ``None`` where none is.
        objects: chunks, or shards, that the array has room for.
        stored: those of them that are stored; the others read as the fill value.
        stored_bytes: their size, compressed.
        estimated: ``stored`` and ``stored_bytes`` are from a sample.
    """

    array: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    chunk: tuple[int, ...]
    shard: tuple[int, ...] | None
    kind: str | None
    objects: int
    stored: int
    stored_bytes: int
    estimated: bool

    @property
    def chunk_bytes(self) -> int:
        """A chunk, decoded."""
        return math.prod(self.chunk) * np.dtype(self.dtype).itemsize

    @property
    def ratio(self) -> float | None:
        """Decoded bytes per stored byte; ``None`` where nothing is stored."""
        within = math.prod(length // part for length, part in zip(self.shard or self.chunk, self.chunk, strict=True))
        return self.stored * within * self.chunk_bytes / self.stored_bytes if self.stored_bytes else None


@dataclass(frozen=True)
class AccessCost:
    """What one question to one array costs.

    Attributes:
        array: name in the group.
        pattern: the question.
        selection: index ranges by dimension, ``first:end``; dimensions that are read whole are left out.
        chunks: chunks that must be decoded, as if all were stored.
        requests: objects that must be asked for: chunks, or shards.
        stored: those that are stored; what is not costs nothing.
        fetched_bytes: compressed bytes of the chunks that are stored; of parts of shards, in proportion.
        decoded_bytes: what they are decoded to.
        wanted_bytes: what was asked for.
        estimated: ``stored`` and ``fetched_bytes`` are from a sample.
    """

    array: str
    pattern: Pattern
    selection: dict[str, str]
    chunks: int
    requests: int
    stored: int
    fetched_bytes: int
    decoded_bytes: int
    wanted_bytes: int
    estimated: bool

    @property
    def amplification(self) -> float:
        """Decoded bytes per byte that was asked for."""
        return self.decoded_bytes / self.wanted_bytes


@dataclass(frozen=True)
class ChunkReport:
    """A group's layout and what it costs.

    Attributes:
        cube: repository.
        group: path.
        snapshot_id: version that was looked at.
        layouts: one an array.
        costs: one an array and pattern.
        advice: what to do about it; empty where there is nothing to do.
    """

    cube: str
    group: str
    snapshot_id: str
    layouts: tuple[ArrayLayout, ...]
    costs: tuple[AccessCost, ...]
    advice: tuple[Advice, ...]


def chunk_report(
    name: CubeName | str,
    group: str,
    *,
    arrays: Sequence[str] | None = None,
    at: Mapping[str, int] | None = None,
    region_px: int = REGION_PX,
    as_of: AsOf | None = None,
    lake: Settings | None = None,
    access: Access | None = None,
) -> ChunkReport:
    """What one pixel's series, one date and one region of a group cost.

    Args:
        name: ``virtual``, ``chips`` or ``regions``.
        group: its path, or the beginning of a path that only one group has.
        arrays: names; all with the dimensions time, y and x when omitted.
        at: index by dimension (``time``, ``y``, ``x``, ``chip``) of the pixel, the date and the region's centre; the middle of
            a dimension that is not named.
        region_px: edge of the region in pixels.
        as_of: tag, branch, snapshot id or time; ``main`` as it is now when omitted.
        lake: settings; those of the process when omitted.
        access: credentials of sources of virtual chunks; sources are not read.

    Raises:
        CubeNotFoundError: no such repository, or no or several such groups.
        CubeError: no such array, or an index outside of it.
        SnapshotNotFoundError: there is no such version.
    """
    session = store.open_readonly(name, as_of, lake=lake, access=access)
    path = named_group(session, group, CubeName(name))
    opened = zarr.open_group(session.store, path=path, mode="r", zarr_format=3)
    cubes = [_cube(opened, array) for array in arrays] if arrays is not None else _cubes(opened)
    if not cubes:
        raise CubeError(f"{path} has no array with the dimensions time, y and x.", remedy="Name its arrays.")
    layouts, costs = [], []
    for array in cubes:
        layouts.append(_layout(session, array))
        for pattern in Pattern:
            costs.append(_cost(session, array, pattern, selection_of(array, pattern, dict(at or {}), region_px)))
    advised = tuple(itertools.chain.from_iterable(advice(layout) for layout in _distinct(layouts)))
    return ChunkReport(str(CubeName(name)), path, session.snapshot_id, tuple(layouts), tuple(costs), advised)


def selection_of(array: zarr.Array, pattern: Pattern, at: Mapping[str, int], region_px: int = REGION_PX) -> Selection:
    """The index ranges of a question by dimension; dimensions that are read whole are not in it.

    Raises:
        CubeError: an index is outside of the array.
    """
    lengths = dict(zip(_dims(array), array.shape, strict=True))
    middle = {dim: at.get(dim, length // 2) for dim, length in lengths.items()}
    if outside := [dim for dim, length in lengths.items() if not 0 <= middle[dim] < length]:
        dim = outside[0]
        raise CubeError(f"{array.path} has no {dim} {middle[dim]}.", remedy=f"It has 0 to {lengths[dim] - 1}.")
    one = {dim: slice(index, index + 1) for dim, index in middle.items()}
    if pattern is Pattern.DATE:
        return {"time": one["time"]}
    if pattern is Pattern.PIXEL:
        return {dim: one[dim] for dim in ("chip", "y", "x") if dim in lengths}
    if "chip" in lengths:
        return {"chip": one["chip"]}
    return {dim: _around(middle[dim], region_px, lengths[dim]) for dim in ("y", "x")}


def _around(centre: int, width: int, length: int) -> slice:
    first = max(0, min(centre - width // 2, length - width))
    return slice(first, min(first + width, length))


def _dims(array: zarr.Array) -> tuple[str, ...]:
    return tuple(str(dim) for dim in array.metadata.dimension_names or ())


def _cubes(group: zarr.Group) -> list[zarr.Array]:
    return [array for _, array in sorted(group.arrays()) if {"time", *_SPACE} <= set(_dims(array)) and array.size]


def _cube(group: zarr.Group, name: str) -> zarr.Array:
    held = {array.name.rpartition("/")[2]: array for array in _cubes(group)}
    if name not in held:
        raise CubeError(f"{group.path} has no array {name!r} in time and space.", remedy=f"It has {', '.join(held) or 'none'}.")
    return held[name]


def _ranges(selection: Selection, array: zarr.Array, lengths: Sequence[int]) -> list[range]:
    """Indices, by dimension, of the blocks of some lengths that a selection meets."""
    whole = (selection.get(dim, slice(0, size)) for dim, size in zip(_dims(array), array.shape, strict=True))
    return [range(part.start // length, -(-part.stop // length)) for part, length in zip(whole, lengths, strict=True)]


def _layout(session: icechunk.Session, array: zarr.Array) -> ArrayLayout:
    ranges = _ranges({}, array, array.shards or array.chunks)
    stored, stored_bytes, estimated, first = _stored(session, array, ranges)
    kind = None if first is None else str(session.chunk_type(f"/{array.path}", first)).rpartition(".")[2]
    return ArrayLayout(
        array.path.rpartition("/")[2],
        _dims(array),
        array.shape,
        str(array.dtype),
        array.chunks,
        array.shards,
        kind,
        math.prod(map(len, ranges)),
        stored,
        stored_bytes,
        estimated,
    )


def _cost(session: icechunk.Session, array: zarr.Array, pattern: Pattern, selection: Selection) -> AccessCost:
    objects = _ranges(selection, array, array.shards or array.chunks)
    stored, stored_bytes, estimated, _ = _stored(session, array, objects)
    requests, chunks = math.prod(map(len, objects)), math.prod(map(len, _ranges(selection, array, array.chunks)))
    held = math.prod(outer // inner for outer, inner in zip(array.shards or array.chunks, array.chunks, strict=True))
    wanted = math.prod(
        part.stop - part.start
        for dim, size in zip(_dims(array), array.shape, strict=True)
        for part in [selection.get(dim, slice(0, size))]
    )
    return AccessCost(
        array.path.rpartition("/")[2],
        pattern,
        {dim: f"{part.start}:{part.stop}" for dim, part in selection.items()},
        chunks,
        requests,
        stored,
        round(stored_bytes * chunks / (requests * held)),
        round(stored / requests * chunks) * math.prod(array.chunks) * array.dtype.itemsize,
        wanted * array.dtype.itemsize,
        estimated,
    )


def _stored(session: icechunk.Session, array: zarr.Array, ranges: list[range]) -> tuple[int, int, bool, tuple[int, ...] | None]:
    """Number and bytes of the objects of a box that are stored, whether that is from a sample, and the first that is."""
    total = math.prod(map(len, ranges))
    step = -(-total // MOST_LOOKED_AT)
    # A step that has no divisor in common with the lengths does not always meet the same column
    while step > 1 and any(math.gcd(step, len(part)) > 1 for part in ranges):
        step += 1
    looked_at = [_place(index, ranges) for index in range(0, total, step)]
    sizes = sync(_sizes(session, array, looked_at))
    stored = [(place, size) for place, size in zip(looked_at, sizes, strict=True) if size]
    share = total / len(looked_at)
    first = stored[0][0] if stored else None
    return round(len(stored) * share), round(sum(size for _, size in stored) * share), step > 1, first


def _place(index: int, ranges: list[range]) -> tuple[int, ...]:
    found = []
    for part in reversed(ranges):
        index, offset = divmod(index, len(part))
        found.append(part[offset])
    return tuple(reversed(found))


async def _sizes(session: icechunk.Session, array: zarr.Array, places: list[tuple[int, ...]]) -> list[int]:
    # Icechunk 2.3.0 answers 0 for a chunk that is not stored, where zarr's other stores raise FileNotFoundError
    keys = (f"{array.path}/{array.metadata.encode_chunk_key(place)}" for place in places)
    found: list[int] = []
    for batch in itertools.batched(keys, _AT_ONCE):
        found += await asyncio.gather(*map(session.store.getsize, batch))
    return found


def _distinct(layouts: list[ArrayLayout]) -> list[ArrayLayout]:
    """One of those that are stored alike: the bands of a scene are not advised one by one."""
    return list({(each.dims, each.shape, each.dtype, each.chunk, each.shard, each.kind): each for each in layouts}.values())
