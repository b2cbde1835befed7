"""What to do about the chunks of an array: other lengths, shards, or another kind of cube.

An array in time and space is asked for series and for dates. A chunk that is long in time makes the one cheap and the other
dear; both need equally many chunks at the lengths that :func:`balanced` finds (R. Rew 2013, "Chunking Data: Choosing Shapes",
Unidata). Whether chunks are stored alone or several to a shard changes nothing about what is decoded, only how many objects
there are: S3 serves requests of 8 to 16 MB best (AWS, "Performance guidelines for Amazon S3: use byte-range fetches").
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

# Below these, what a request or a decoder's call costs outweighs the bytes; above, readers hold much that they do not need
LEAST_STORED = 128 * 1024
MOST_DECODED = 64 * 1024 * 1024
SHARD_BYTES = 12 * 1024 * 1024

# So few objects cost nothing, whatever their size
FEW_OBJECTS = 256

# Advice to rechunk is given where a question gets at least so many times cheaper
WORTH = 4.0


class Kind(StrEnum):
    """What is advised."""

    FINE = "fine"
    RECHUNK = "rechunk"
    SHARD = "shard"
    SPLIT = "split"
    MATERIALISE = "materialise"


class Stored(Protocol):
    """What is looked at: a :class:`~dataflows.cubes.analysis.chunk_report.ArrayLayout`."""

    @property
    def array(self) -> str: ...  # noqa: D102
    @property
    def dims(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def chunk(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def shard(self) -> tuple[int, ...] | None: ...  # noqa: D102
    @property
    def kind(self) -> str | None: ...  # noqa: D102
    @property
    def stored(self) -> int: ...  # noqa: D102
    @property
    def stored_bytes(self) -> int: ...  # noqa: D102
    @property
    def chunk_bytes(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class Advice:
    """One thing to do.

    Attributes:
        array: name in the group; stands for all that are stored alike.
        kind: what.
        text: one or two sentences with the numbers.
        chunk: lengths to write, where others are better.
        shard: lengths of shards to write, where there should be some.
    """

    array: str
    kind: Kind
    text: str
    chunk: tuple[int, ...] | None = None
    shard: tuple[int, ...] | None = None


def advice(layout: Stored) -> Iterator[Advice]:
    """What to do about an array; one entry of the kind ``fine`` where there is nothing to do."""
    found = [each for each in (_split(layout), _rechunked(layout), _sharded(layout)) if each is not None]
    yield from found or [Advice(layout.array, Kind.FINE, "Nothing to do: chunks suit series and dates alike, or are few.")]


def questions(layout: Stored, chunk: tuple[int, ...]) -> tuple[int, int]:
    """Chunks that one pixel's series and one date need, if the array had chunks of these lengths."""
    needed = {dim: -(-length // part) for dim, length, part in zip(layout.dims, layout.shape, chunk, strict=True)}
    series = math.prod(count for dim, count in needed.items() if dim not in ("chip", "y", "x"))
    return series, math.prod(count for dim, count in needed.items() if dim != "time")


def balanced(layout: Stored, chunk_bytes: int | None = None) -> tuple[int, ...]:
    """Lengths of chunks, powers of two in time and space, at which the dearer of a series and a date is cheapest.

    Args:
        layout: of the array.
        chunk_bytes: most that a chunk may take decoded; what it takes now when omitted.
    """
    most = (chunk_bytes or layout.chunk_bytes) // (layout.chunk_bytes // math.prod(layout.chunk))

    def rank(chunk: tuple[int, ...]) -> tuple[float, ...]:
        series, date = questions(layout, chunk)
        return max(series, date), series + date, -math.prod(chunk)

    return min((chunk for chunk in _candidates(layout) if math.prod(chunk) <= most), key=rank, default=layout.chunk)


def _candidates(layout: Stored) -> Iterator[tuple[int, ...]]:
    lengths = dict(zip(layout.dims, layout.shape, strict=True))
    now = dict(zip(layout.dims, layout.chunk, strict=True))
    # A chip is read whole: its pixels are not divided
    space = ("chip",) if "chip" in lengths else ("y", "x")
    for time in _powers(lengths["time"]):
        for edge in _powers(max(lengths[dim] for dim in space)):
            changed = {"time": time} | {dim: min(edge, lengths[dim]) for dim in space}
            yield tuple((now | changed).values())


def _powers(length: int) -> list[int]:
    return [min(1 << power, length) for power in range((length - 1).bit_length() + 1)]


def _split(layout: Stored) -> Advice | None:
    if layout.chunk_bytes <= MOST_DECODED:
        return None
    text = f"A chunk takes {_size(layout.chunk_bytes)} decoded, whatever is read of it: make it {_size(MOST_DECODED)} or less."
    chunk = balanced(layout, MOST_DECODED)
    return Advice(layout.array, Kind.SPLIT, text, chunk=chunk)


def _rechunked(layout: Stored) -> Advice | None:
    series, date = questions(layout, layout.chunk)
    other = balanced(layout)
    other_series, other_date = questions(layout, other)
    if max(series, date) < WORTH * max(other_series, other_date) or layout.stored <= FEW_OBJECTS:
        return None
    dear, cheap = ("a pixel's series", "a date") if series > date else ("a date", "a pixel's series")
    text = (
        f"{dear.capitalize()} needs {max(series, date):,} chunks, {cheap} {min(series, date):,}. "
        f"Chunks of {_lengths(layout.dims, other)} need {other_series:,} a series and {other_date:,} a date."
    )
    if layout.kind == "virtual":
        text += " Virtual chunks are the tiles of published files: where series are read often, read chips or a region."
        return Advice(layout.array, Kind.MATERIALISE, text, chunk=other)
    return Advice(layout.array, Kind.RECHUNK, f"{text} Worth it only where {dear} is read often.", chunk=other)


def _sharded(layout: Stored) -> Advice | None:
    if layout.kind == "virtual" or layout.shard is not None or layout.stored <= FEW_OBJECTS:
        return None
    mean = layout.stored_bytes / layout.stored
    if mean >= LEAST_STORED:
        return None
    shard, together = list(layout.chunk), 1
    while mean * together * 2 <= SHARD_BYTES:
        room = [axis for axis, length in enumerate(layout.shape) if shard[axis] < length]
        if not room:
            break
        # Space before time: a date that is appended rewrites the shards that it falls into
        axis = min(room, key=lambda axis: (layout.dims[axis] == "time", shard[axis] // layout.chunk[axis]))
        shard[axis] *= 2
        together *= 2
    text = (
        f"{layout.stored:,} objects hold {_size(mean)} on average. Shards of {_lengths(layout.dims, tuple(shard))} put "
        f"{together:,} chunks into one; what is decoded stays the same. A shard is rewritten whole when a chunk of it changes."
    )
    return Advice(layout.array, Kind.SHARD, text, shard=tuple(shard))


def _lengths(dims: tuple[str, ...], lengths: tuple[int, ...]) -> str:
    return " × ".join(f"{length} {dim}" for dim, length in zip(dims, lengths, strict=True))


def _size(count: float) -> str:
    return f"{count / 1024:,.0f} KiB" if count < 1024**2 else f"{count / 1024**2:,.1f} MiB"
