"""Cuts what an order lists: month by month, in the order of place, each tile decoded once, whole chunks written.

While the chips of one batch are cut, the tiles of the next one are being decoded. Memory holds the tiles of these two
batches, the cache of the reader, the chunks that are being filled and a few that wait to be written; none of it grows with
the number of chips.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from dataflows.cubes.chip.cutting import Cut, Place
from dataflows.cubes.chip.group import ChipGroup
from dataflows.cubes.chip.orders import Done, Failures, Job, Order
from dataflows.cubes.pixels.quality import Quality
from dataflows.cubes.pixels.scenes import Scene
from dataflows.cubes.rasters.tiles import Decoding, Part, Tile, TileReader
from db.errors import CubeError, SourceError

# Decoded pixels of tiles that one batch may add
BATCH_BYTES = 64 * 1024 * 1024
BATCH_CHIPS = 512

# Chunks that wait to be written
QUEUE = 4


@dataclass
class _Chunk:
    """A chunk that is being filled."""

    first: int
    pixels: NDArray[np.generic]
    quality: NDArray[np.uint8]
    jobs: int
    waiting: int
    changed: bool = False
    outcomes: dict[int, int | None] = field(default_factory=dict)


@dataclass
class _Batch:
    """Chips that are cut together, and the decoding of their tiles."""

    index: int
    cuts: list[tuple[Job, Cut | None]]
    decoding: Decoding


class Cutter:
    """The work on one order. Leave its block only when :meth:`run` has ended: what waits to be written is written there.

    Args:
        order: what to do.
        group: where to; grown to hold it.
        reader: decodes tiles.
        on_done: told of each complete chunk, in the thread that runs.
    """

    def __init__(self, order: Order, group: ChipGroup, reader: TileReader, on_done: Callable[[Done], None]) -> None:
        self.group = group
        self.failures = Failures()
        self._order, self._reader, self._on_done = order, reader, on_done
        self._writes: deque[Future[None]] = deque()
        self._spare: deque[tuple[NDArray[np.generic], NDArray[np.uint8]]] = deque(maxlen=QUEUE)
        self._fill = group["pixels"].fill_value
        self._scales = tuple(np.asarray(group["reflectance_scale"][:]).tolist())
        self._together, self._size = group.chips_per_chunk, group.size
        self._waiting: dict[int, Counter[int]] = {}
        self._chunks: dict[tuple[int, int], _Chunk] = {}

    def __enter__(self) -> Cutter:
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="chips")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.shutdown(cancel_futures=error is not None)

    def run(self) -> None:
        """Do it; ends when everything is written."""
        batches = self._batches()
        following = next(batches, None)
        while (batch := following) is not None:
            following = next(batches, None)
            self._cut_batch(batch)
            self._reader.trim(following.decoding if following else None)
            if following is None or following.index != batch.index:
                kept = self._order.files(following.index) if following else set()
                self._reader.forget(self._files.pop(batch.index) - kept)
        self.settle()

    def settle(self) -> None:
        """Wait until all that was handed to the writer is written."""
        while self._writes:
            self._writes.popleft().result()

    def _batches(self) -> Iterator[_Batch]:
        """Batches of all months; the tiles of one are being decoded from when it is yielded."""
        self._files: dict[int, set[str]] = {}
        for index, jobs in self._order.months.items():
            # Before any scene is dropped from a job
            self._files[index] = self._order.files(index)
            best = {scene for job in jobs for scene in job.scenes[:1]}
            self._reader.rasters(sorted(_files(self._order.scenes[scene] for scene in best)))
            self._reader.checksums.verify(file for scene in sorted(best) for file in self._order.scenes[scene].promised)
            self._waiting[index] = Counter(job.slot // self._together for job in jobs)
            queue = deque(jobs)
            while queue:
                yield self._begun(index, queue)

    def _begun(self, index: int, queue: deque[Job]) -> _Batch:
        cuts = list(self._taken(index, queue))
        wanted: dict[str, list[Part]] = {}
        for _, cut in cuts:
            for href, part in cut.parts() if cut else ():
                wanted.setdefault(href, []).append(part)
        return _Batch(index, cuts, self._reader.begin(wanted))

    def _taken(self, index: int, queue: deque[Job]) -> Iterator[tuple[Job, Cut | None]]:
        """The next chips, as many as their tiles allow; a scene that cannot be used is passed over."""
        room, chips = BATCH_BYTES, 0
        counted: set[Tile] = set()
        while queue and room > 0 and chips < BATCH_CHIPS:
            job = queue.popleft()
            cut = self._usable(index, job)
            for href, part in cut.parts() if cut else ():
                room -= self._new_bytes(href, part, counted)
            chips += 1
            yield job, cut

    def _new_bytes(self, href: str, part: Part, counted: set[Tile]) -> int:
        """Bytes of the tiles of a part that are neither held nor counted already."""
        raster = self._reader.raster(href)
        absent = 0
        for tile in part.blocks(raster.block):
            if (href, tile) not in counted and not self._reader.holds(href, tile):
                counted.add((href, tile))
                absent += 1
        return absent * raster.tile_bytes

    def _usable(self, index: int, job: Job) -> Cut | None:
        """The cut from the best scene whose files can be opened; others are dropped from the job, with the reason."""
        at = job.slot - self._order.begin
        while job.scenes:
            scene = self._order.scenes[job.scenes[0]]
            if scene.key == self._order.key[at, index] and not self._order.void[at, index]:
                # A better scene is still not to be had, and this one's pixels are there
                return None
            try:
                self._refuse_other_scale(scene)
                cut = Cut(scene, self._place(at), self._reader, self.group.resampling)
                self._reader.checksums.require(scene.promised)
            except SourceError as error:
                self._drop(index, job, error)
            else:
                return cut
        return None

    def _refuse_other_scale(self, scene: Scene) -> None:
        scales = tuple(each.scale for each in scene.calibration)
        if scales != self._scales and not np.allclose(scales, self._scales, rtol=1e-9, atol=0):
            raise SourceError(f"{scene.item_id} has the scales {scales}, the group has {self._scales}.")

    def _place(self, at: int) -> Place:
        order = self._order
        height, width = order.resolution[at].tolist()
        return Place(order.epsg, float(order.top[at]), float(order.left[at]), (height, width), self._size)

    def _drop(self, index: int, job: Job, error: CubeError) -> None:
        self.failures.add(job.scenes.pop(0), index, error.message)

    def _cut_batch(self, batch: _Batch) -> None:
        """Cut all chips of a batch; those whose scene turns out to be broken from their next one, until they have one."""
        self._reader.finish(batch.decoding)
        again: deque[Job] = deque()
        for job, cut in batch.cuts:
            number = job.slot // self._together
            place = batch.index, number
            if place not in self._chunks:
                self._chunks[place] = self._chunk(batch.index, number)
            if not self._cut(batch.index, self._chunks[place], job, cut):
                again.append(job)
            elif self._chunks[place].waiting == 0:
                self._complete(batch.index, self._chunks.pop(place))
        while again:
            self._cut_batch(self._begun(batch.index, again))

    def _chunk(self, index: int, number: int) -> _Chunk:
        """A chunk to be filled: empty, or as it is where chips of it stay as they are."""
        waiting = self._waiting[index][number]
        first = number * self._together
        last = min(first + self._together, self._order.chips)
        if self._order.key[first - self._order.begin : last - self._order.begin, index].any():
            pixels = np.array(self.group["pixels"][first:last, index])
            return _Chunk(first, pixels, np.array(self.group["quality"][first:last, index]), waiting, waiting)
        pixels, classes = self._buffers()
        pixels, classes = pixels[: last - first], classes[: last - first]
        if waiting < last - first:
            pixels[...], classes[...] = self._fill, Quality.MISSING
        return _Chunk(first, pixels, classes, waiting, waiting)

    def _buffers(self) -> tuple[NDArray[np.generic], NDArray[np.uint8]]:
        """Memory for a chunk, of one that has been written where there is any: the kernel takes its time to give new pages."""
        if self._spare:
            return self._spare.pop()
        shape = (self._together, *self.group["pixels"].shape[2:])
        return np.empty(shape, self.group["pixels"].dtype), np.empty((shape[0], *shape[2:]), np.uint8)

    def _cut(self, index: int, chunk: _Chunk, job: Job, cut: Cut | None) -> bool:
        """Fill a chip; ``False`` where its scene turned out to be broken and another one is to be tried."""
        place = job.slot - chunk.first
        if cut is None and job.scenes:
            chunk.waiting -= 1
            return True
        if cut is None:
            chunk.pixels[place], chunk.quality[place] = self._fill, Quality.MISSING
        else:
            try:
                chunk.quality[place] = cut.into(chunk.pixels[place], self._fill)
            except CubeError as error:
                self._drop(index, job, error)
                return False
        chunk.outcomes[job.slot] = None if cut is None else job.scenes[0]
        at = job.slot - self._order.begin
        key = 0 if cut is None else cut.scene.key
        chunk.changed |= bool(key != self._order.key[at, index] or self._order.void[at, index])
        chunk.waiting -= 1
        return True

    def _complete(self, index: int, chunk: _Chunk) -> None:
        """Hand a chunk to the writer, and say so."""
        if chunk.changed:
            while len(self._writes) >= QUEUE:
                self._writes.popleft().result()
            self._writes.append(self._writer.submit(self._write, self.group, index, chunk))
        self._on_done(Done(index, chunk.outcomes, chunk.jobs, chunk.pixels.nbytes if chunk.changed else 0))

    def _write(self, group: ChipGroup, index: int, chunk: _Chunk) -> None:
        last = chunk.first + len(chunk.pixels)
        group["pixels"][chunk.first : last, index] = chunk.pixels
        group["quality"][chunk.first : last, index] = chunk.quality
        if len(chunk.pixels) == group.chips_per_chunk:
            self._spare.append((chunk.pixels, chunk.quality))


def _files(scenes: Iterator[Scene]) -> set[str]:
    return {band.href for scene in scenes for band in (*scene.bands, scene.classification) if band is not None}
