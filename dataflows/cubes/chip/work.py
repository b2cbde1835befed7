"""Cuts what an order lists: month by month, in the order of place, each tile decoded once, whole chunks written.

While the chips of one batch are cut, the tiles of the next two are being decoded. A tile is dropped after the last chip that
needs it. Memory holds the tiles of three batches and of those that later chips of the month need, the chunks that are being
filled and a few that wait to be written; none of it grows with the number of chips.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, islice
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from dataflows.cubes.chip.cutting import Cut, Places
from dataflows.cubes.chip.group import ChipGroup
from dataflows.cubes.chip.orders import Done, Failures, Job, Order
from dataflows.cubes.chip.writing import write_chunk
from dataflows.cubes.pixels.quality import Quality
from dataflows.cubes.pixels.scenes import Scene
from dataflows.cubes.rasters.tiles import Block, Decoding, Tile, TileReader
from db.errors import CubeError, SourceError

# Decoded pixels of tiles that one batch may add
BATCH_BYTES = 32 * 1024 * 1024
BATCH_CHIPS = 512

# Batches that are being decoded while one is cut
AHEAD = 2

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
    """Chips that are cut together, and the decoding of their tiles.

    Attributes:
        index: place on the axis of time.
        cuts: jobs with the scene that they are cut from, and their number among the places of the cut.
        without: jobs that no scene is left for, or whose pixels stay.
        last: number of the last job, among those of the month.
        decoding: of the tiles.
    """

    index: int
    cuts: list[tuple[Cut, list[tuple[int, Job]]]]
    without: list[Job]
    last: int
    decoding: Decoding


class Cutter:
    """The work on one order; its first tiles are being decoded from when the block begins.

    Leave the block only when :meth:`run` has ended: what waits to be written is written there.

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
        self._fill, self._dtype, self._resampling = group["pixels"].fill_value, group["pixels"].dtype, group.resampling
        self._scales = tuple(np.asarray(group["reflectance_scale"][:]).tolist())
        self._together, self._size = group.chips_per_chunk, group.size
        self._waiting: dict[int, Counter[int]] = {}
        # By month: tiles with the number of the last job that needs them, the first to be dropped at the end
        self._last_uses: dict[int, list[tuple[int, Tile]]] = {}
        self._files: dict[int, set[str]] = {}
        self._batches, self._ahead = self._listed_batches(), deque[_Batch]()
        self._chunks: dict[tuple[int, int], _Chunk] = {}

    def __enter__(self) -> Cutter:
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="chips")
        self._begin_next()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.shutdown(cancel_futures=error is not None)

    def run(self) -> None:
        """Do it; ends when everything is written."""
        while self._ahead:
            self._begin_next()
            batch = self._ahead.popleft()
            self._cut_batch(batch)
            self._drop_used(batch)
            self._reader.trim([each.decoding for each in self._ahead])
            if not self._ahead or self._ahead[0].index != batch.index:
                kept = {href for each in self._ahead for href in self._order.files(each.index)}
                self._reader.forget(self._files.pop(batch.index) - kept)
        self.settle()

    def _begin_next(self) -> None:
        """Have enough tiles decoded that those who decode need not wait for those who cut."""
        self._ahead.extend(islice(self._batches, 1 + AHEAD - len(self._ahead)))

    def settle(self) -> None:
        """Wait until all that was handed to the writer is written."""
        while self._writes:
            self._writes.popleft().result()

    def _listed_batches(self) -> Iterator[_Batch]:
        """Batches of all months; the tiles of one are being decoded from when it is yielded."""
        for index, jobs in self._order.months.items():
            # Before any scene is dropped from a job
            self._files[index] = self._order.files(index)
            best = {scene for job in jobs for scene in job.scenes[:1]}
            self._reader.rasters(sorted(_files(self._order.scenes[scene] for scene in best)))
            self._reader.checksums.verify(file for scene in sorted(best) for file in self._order.scenes[scene].promised)
            self._waiting[index] = Counter(job.slot // self._together for job in jobs)
            queue = deque(enumerate(jobs))
            self._last_uses[index] = self._counted(index, list(queue))
            while queue:
                yield self._begun(index, queue)

    def _counted(self, index: int, jobs: list[tuple[int, Job]]) -> list[tuple[int, Tile]]:
        """Tiles of the best scenes, with the number of the last job that needs them, the last one first."""
        last: dict[Tile, int] = {}
        for cut, places in self._usable(index, jobs)[0]:
            for needed in cut.needed:
                for at, (number, _) in enumerate(places):
                    for block in needed.blocks(at):
                        for href in needed.hrefs:
                            last[href, block] = max(number, last.get((href, block), 0))
        return sorted(((number, tile) for tile, number in last.items()), reverse=True)

    def _drop_used(self, batch: _Batch) -> None:
        uses = self._last_uses[batch.index]
        used = []
        while uses and uses[-1][0] <= batch.last:
            used.append(uses.pop()[1])
        self._reader.drop(used)

    def _begun(self, index: int, queue: deque[tuple[int, Job]]) -> _Batch:
        """The next chips, as many as their tiles allow."""
        numbers, jobs = zip(*(queue.popleft() for _ in range(min(BATCH_CHIPS, len(queue)))), strict=True)
        cuts, without = self._usable(index, list(enumerate(jobs)))
        needs = {position: (cut, at) for cut, places in cuts for at, (position, _) in enumerate(places)}
        wanted: dict[str, set[Block]] = {}
        counted: set[tuple[int, Block]] = set()
        room, taken = BATCH_BYTES, 0
        while taken < len(jobs) and room > 0:
            cut, at = needs.get(taken, (None, 0))
            for needed in cut.needed if cut is not None else ():
                for block in needed.blocks(at):
                    if (id(needed), block) not in counted:
                        counted.add((id(needed), block))
                        room -= 0 if self._reader.holds(needed.hrefs[0], block) else needed.block_bytes
                        for href in needed.hrefs:
                            wanted.setdefault(href, set()).add(block)
            taken += 1
        queue.extendleft(reversed(list(zip(numbers[taken:], jobs[taken:], strict=True))))
        return _Batch(
            index,
            [(cut, [(at, job) for at, (position, job) in enumerate(places) if position < taken]) for cut, places in cuts],
            [job for position, job in without if position < taken],
            numbers[taken - 1],
            self._reader.begin(wanted),
        )

    def _usable(
        self, index: int, jobs: list[tuple[int, Job]]
    ) -> tuple[list[tuple[Cut, list[tuple[int, Job]]]], list[tuple[int, Job]]]:
        """Jobs by the best scene whose files can be opened, and those without; other scenes are dropped, with the reason."""
        found, without = [], []
        while jobs:
            by_scene: dict[int, list[tuple[int, Job]]] = {}
            for number, job in jobs:
                if not job.scenes or self._is_there(index, job):
                    without.append((number, job))
                else:
                    by_scene.setdefault(job.scenes[0], []).append((number, job))
            jobs = []
            for number, places in by_scene.items():
                scene = self._order.scenes[number]
                try:
                    self._refuse_other_scale(scene)
                    of_scene = self._places([job for _, job in places])
                    cut = Cut(scene, of_scene, self._reader, self._dtype, self._resampling)
                    self._reader.checksums.require(scene.promised)
                except SourceError as error:
                    for _, job in places:
                        self._drop(index, job, error)
                    jobs += places
                else:
                    found.append((cut, places))
        return found, without

    def _is_there(self, index: int, job: Job) -> bool:
        """Whether a better scene is still not to be had, and the pixels of the job's first one are there."""
        at = job.slot - self._order.begin
        return self._order.scenes[job.scenes[0]].key == self._order.key[at, index] and not self._order.void[at, index]

    def _refuse_other_scale(self, scene: Scene) -> None:
        scales = tuple(each.scale for each in scene.calibration)
        if scales != self._scales and not np.allclose(scales, self._scales, rtol=1e-9, atol=0):
            raise SourceError(f"{scene.item_id} has the scales {scales}, the group has {self._scales}.")

    def _places(self, jobs: Iterable[Job]) -> Places:
        order = self._order
        at = np.array([job.slot for job in jobs], np.int64) - order.begin
        return Places(order.epsg, order.top[at], order.left[at], order.resolution[at], self._size)

    def _drop(self, index: int, job: Job, error: CubeError) -> None:
        self.failures.add(job.scenes.pop(0), index, error.message)

    def _cut_batch(self, batch: _Batch) -> None:
        """Cut all chips of a batch; those whose scene turns out to be broken from their next one, until they have one."""
        self._reader.finish(batch.decoding)
        again: list[Job] = []
        for cut, places in batch.cuts:
            # Neighbours in one chunk are filled together
            for (number, _), run in groupby(enumerate(places), lambda each: self._run_of(*each)):
                chunk = self._being_filled(batch.index, number)
                again += self._cut(batch.index, chunk, cut, [place for _, place in run])
                self._complete_if_full(batch.index, number)
        for job in batch.without:
            number = job.slot // self._together
            self._leave(batch.index, self._being_filled(batch.index, number), job)
            self._complete_if_full(batch.index, number)
        queue = deque((batch.last, job) for job in again)
        while queue:
            self._cut_batch(self._begun(batch.index, queue))

    def _run_of(self, position: int, place: tuple[int, Job]) -> tuple[int, int]:
        """What neighbours share: the chunk, and how far slots are ahead of positions."""
        return place[1].slot // self._together, place[1].slot - position

    def _being_filled(self, index: int, number: int) -> _Chunk:
        if (index, number) not in self._chunks:
            self._chunks[index, number] = self._chunk(index, number)
        return self._chunks[index, number]

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

    def _cut(self, index: int, chunk: _Chunk, cut: Cut, places: list[tuple[int, Job]]) -> list[Job]:
        """Fill neighbouring chips; returns those whose scene turned out to be broken: another one is to be tried."""
        first = places[0][1].slot - chunk.first
        here = slice(first, first + len(places))
        chunk.quality[here], errors = cut.into([at for at, _ in places], chunk.pixels[here], self._fill)
        for number, (_, job) in enumerate(places):
            if number in errors:
                self._drop(index, job, errors[number])
            else:
                self._note(index, chunk, job, job.scenes[0], cut.scene.key)
        return [job for number, (_, job) in enumerate(places) if number in errors]

    def _leave(self, index: int, chunk: _Chunk, job: Job) -> None:
        """A chip that stays as it is, or for which there is no scene."""
        if job.scenes:
            chunk.waiting -= 1
            return
        place = job.slot - chunk.first
        chunk.pixels[place], chunk.quality[place] = self._fill, Quality.MISSING
        self._note(index, chunk, job, None, 0)

    def _note(self, index: int, chunk: _Chunk, job: Job, scene: int | None, key: int) -> None:
        chunk.outcomes[job.slot] = scene
        at = job.slot - self._order.begin
        chunk.changed |= bool(key != self._order.key[at, index] or self._order.void[at, index])
        chunk.waiting -= 1

    def _complete_if_full(self, index: int, number: int) -> None:
        if self._chunks[index, number].waiting == 0:
            self._complete(index, self._chunks.pop((index, number)))

    def _complete(self, index: int, chunk: _Chunk) -> None:
        """Hand a chunk to the writer, and say so."""
        if chunk.changed:
            while len(self._writes) >= QUEUE:
                self._writes.popleft().result()
            self._writes.append(self._writer.submit(self._write, self.group, index, chunk))
        self._on_done(Done(index, chunk.outcomes, chunk.jobs, chunk.pixels.nbytes if chunk.changed else 0))

    def _write(self, group: ChipGroup, index: int, chunk: _Chunk) -> None:
        write_chunk(group, chunk.first, index, chunk.pixels, chunk.quality)
        if len(chunk.pixels) == group.chips_per_chunk:
            self._spare.append((chunk.pixels, chunk.quality))


def _files(scenes: Iterator[Scene]) -> set[str]:
    return {band.href for scene in scenes for band in (*scene.bands, scene.classification) if band is not None}
