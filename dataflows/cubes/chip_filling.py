"""Fills one group of chips: month by month, in the order of place, each tile decoded once, whole chunks written.

What the group says that it holds (``scene_key``) is compared with what the plan wants; only the difference is worked on. That
makes a second run without new scenes do nothing, a new scene touch its own chunks only, and an interrupted build go on where
its last checkpoint was: one rule for all three.

Memory holds the tiles of one batch, the cache of the reader, the chunks that are being filled and a few that wait to be
written; none of it grows with the number of chips.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataflows.cubes.chip_cutting import Cut, Place
from dataflows.cubes.chip_group import NO_TIME, ChipGroup
from dataflows.cubes.chip_scenes import GroupPlan, Scene
from dataflows.cubes.chip_slots import Slots, write_masks
from dataflows.cubes.quality import Quality
from dataflows.cubes.store import Build
from dataflows.cubes.tiles import Block, Part, TileReader
from db.errors import CubeError, SourceError

# Decoded pixels of tiles that one batch may add
BATCH_BYTES = 96 * 1024 * 1024
BATCH_CHIPS = 512

# Chunks that wait to be written
QUEUE = 4


class Failure(NamedTuple):
    """A scene that could not be used for chips, and why.

    Attributes:
        collection: STAC collection.
        item_id: STAC item.
        period: first day of the month.
        chips: how many chips it was wanted for.
        reason: what was wrong, without credentials.
    """

    collection: str
    item_id: str
    period: date
    chips: int
    reason: str


@dataclass(frozen=True)
class Progress:
    """How far a group is.

    Attributes:
        path: of the group.
        done: chips times periods that are done.
        total: how many there are to do.
        written_bytes: pixels written so far, before compression.
    """

    path: str
    done: int
    total: int
    written_bytes: int


@dataclass(frozen=True)
class GroupResult:
    """What a build did to a group.

    Attributes:
        path: of the group.
        chips: chips in it.
        new_chips: of them, those that were not there.
        periods: months in it.
        written: chips times periods that got a scene's pixels.
        missing: chips times periods that the plan has scenes for, none of which could be used.
        masks: chips whose masks were written.
        tiles_wanted: distinct tiles.
        tiles_decoded: decodes.
        failures: scenes that could not be used.
        scenes: keys of the scenes whose pixels were written.
    """

    path: str
    chips: int
    new_chips: int
    periods: int
    written: int
    missing: int
    masks: int
    tiles_wanted: int
    tiles_decoded: int
    failures: tuple[Failure, ...]
    scenes: frozenset[int] = field(repr=False, default=frozenset())


@dataclass
class _Chunk:
    """A chunk that is being filled."""

    first: int
    pixels: NDArray[np.generic]
    quality: NDArray[np.uint8]
    waiting: int
    changed: bool = False
    outcomes: dict[int, Scene | None] = field(default_factory=dict)


@dataclass
class _Job:
    """One chip of one month: the scenes that are to be tried, best first."""

    slot: int
    scenes: list[int]


def day_of(month: int) -> date:
    """First day of a month, counted since January 1970."""
    return date(1970 + int(month) // 12, int(month) % 12 + 1, 1)


class Filling:
    """The work on one group; lives as long as :func:`dataflows.cubes.chip_build.build_group` runs."""

    def __init__(
        self,
        work: Build,
        plan: GroupPlan,
        chips: Slots,
        group: ChipGroup,
        reader: TileReader,
        checkpoint_s: float,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._work, self._plan, self._chips, self._group, self._reader = work, plan, chips, group, reader
        self._checkpoint_s, self._progress = checkpoint_s, progress
        self._failures: Counter[tuple[int, int]] = Counter()
        self._reasons: dict[tuple[int, int], str] = {}
        self._written = self._missing = self._bytes = self._done = self._total = 0
        self._used: set[int] = set()
        self._writes: deque[Future[None]] = deque()
        self._dirty: set[int] = set()
        self._spare: deque[tuple[NDArray[np.generic], NDArray[np.uint8]]] = deque(maxlen=QUEUE)
        self._fill = group["pixels"].fill_value
        self._scales = tuple(np.asarray(group["reflectance_scale"][:]).tolist())

    def run(self) -> GroupResult:
        """Do it."""
        before = self._group.months
        planned = np.concatenate([before, self._plan.month])
        self._months = np.arange(planned.min(), planned.max() + 1)
        if self._group.chips != len(self._chips) or not np.array_equal(before, self._months):
            self._group.grow(self._work.session, len(self._chips), self._months)
        self._write_chips()
        masks = write_masks(self._plan, self._chips, self._group)
        self._load_state()
        wanted, decoded = self._reader.wanted, self._reader.decoded
        tasks = {index: jobs for index in range(len(self._months)) if (jobs := self._jobs(index))}
        self._total = sum(len(jobs) for jobs in tasks.values())
        self._kept_at = time.monotonic()
        with ThreadPoolExecutor(1, thread_name_prefix="chips") as self._writer:
            for index, jobs in tasks.items():
                self._fill_month(index, jobs)
                self._reader.forget()
            self._flush()
        return GroupResult(
            self._plan.path,
            len(self._chips),
            len(self._chips) - self._chips.before,
            len(self._months),
            self._written,
            self._missing,
            masks,
            self._reader.wanted - wanted,
            self._reader.decoded - decoded,
            self._listed_failures(),
            frozenset(self._used),
        )

    def _write_chips(self) -> None:
        """Coordinates of chips that are new or elsewhere than they were."""
        chips, group = self._chips, self._group
        new = np.arange(chips.before, len(chips))
        if len(new):
            group["installation_id"][chips.before :] = chips.installation_id[new]
            group["chip_number"][chips.before :] = chips.number[new]
            group["h3_r8"][chips.before :] = self._plan.h3_r8[chips.site[new]]
            group["epsg"][chips.before :] = np.full(len(new), self._plan.epsg, np.int32)
        transforms = chips.transforms()
        # Chips that are no longer needed stay displaced for ever, and are written once
        if not np.array_equal(np.asarray(group["transform"][:]), transforms):
            group["transform"][:] = transforms

    def _load_state(self) -> None:
        group, displaced = self._group, self._chips.displaced
        self._key = np.asarray(group["scene_key"][:])
        self._item = np.asarray(group["item_id"][:]).astype(object)
        self._taken = np.asarray(group["datetime"][:])
        self._offset = np.asarray(group["reflectance_offset"][:])
        self._state = {
            "scene_key": self._key,
            "item_id": self._item,
            "datetime": self._taken,
            "reflectance_offset": self._offset,
        }
        # What a displaced chip holds belongs to another place
        self._void = displaced[:, None] & (self._key != 0)

    def _jobs(self, index: int) -> list[_Job]:
        """Chips of a month whose pixels are not those of the best scene, in the order of the group."""
        plan, chips = self._plan, self._chips
        of_month = np.flatnonzero(plan.month == self._months[index])
        site, first, count = np.unique(plan.site[of_month], return_index=True, return_counts=True)
        at = np.minimum(np.searchsorted(site, chips.site), max(len(site) - 1, 0))
        planned = (site[at] == chips.site) & ~chips.gone if len(site) else np.zeros(len(chips), np.bool_)
        keys = np.array([scene.key for scene in plan.scenes], np.uint64)
        best = np.zeros(len(chips), np.uint64)
        best[planned] = keys[plan.scene[of_month[first[at[planned]]]]]
        wanted = (planned & (best != self._key[:, index])) | self._void[:, index]
        return [
            _Job(
                slot,
                plan.scene[of_month[first[at[slot]] : first[at[slot]] + count[at[slot]]]].tolist() if planned[slot] else [],
            )
            for slot in np.flatnonzero(wanted).tolist()
        ]

    def _fill_month(self, index: int, jobs: list[_Job]) -> None:
        files = {
            band.href
            for job in jobs
            for scene in job.scenes[:1]
            for band in (*self._plan.scenes[scene].bands, self._plan.scenes[scene].classification)
            if band is not None
        }
        self._reader.rasters(sorted(files))
        together = self._group.chips_per_chunk
        waiting = Counter(job.slot // together for job in jobs)
        chunks: dict[int, _Chunk] = {}
        queue = deque(jobs)
        while queue:
            batch = list(self._batch(index, queue))
            wanted: dict[str, list[Part]] = {}
            for _, cut in batch:
                for href, part in cut.parts() if cut else ():
                    wanted.setdefault(href, []).append(part)
            self._reader.load(wanted)
            again = []
            for job, cut in batch:
                number = job.slot // together
                if number not in chunks:
                    chunks[number] = self._chunk(index, number, waiting[number])
                if not self._cut(index, chunks[number], job, cut):
                    again.append(job)
                elif chunks[number].waiting == 0:
                    self._complete(index, chunks.pop(number))
            self._reader.trim()
            queue.extendleft(reversed(again))

    def _batch(self, index: int, queue: deque[_Job]) -> Iterator[tuple[_Job, Cut | None]]:
        """The next chips, as many as their tiles allow; a scene that cannot be used is passed over."""
        room, chips = BATCH_BYTES, 0
        counted: set[tuple[str, Block]] = set()
        while queue and room > 0 and chips < BATCH_CHIPS:
            job = queue.popleft()
            cut = self._usable(index, job)
            for href, part in cut.parts() if cut else ():
                room -= self._new_bytes(href, part, counted)
            chips += 1
            yield job, cut

    def _new_bytes(self, href: str, part: Part, counted: set[tuple[str, Block]]) -> int:
        """Bytes of the tiles of a part that are neither held nor counted already."""
        raster = self._reader.raster(href)
        absent = 0
        for tile in part.blocks(raster.block):
            if (href, tile) not in counted and not self._reader.holds(href, tile):
                counted.add((href, tile))
                absent += 1
        return absent * raster.tile_bytes

    def _usable(self, index: int, job: _Job) -> Cut | None:
        """The cut from the best scene whose files can be opened; others are dropped from the job, with the reason."""
        while job.scenes:
            scene = self._plan.scenes[job.scenes[0]]
            if scene.key == self._key[job.slot, index] and not self._void[job.slot, index]:
                # A better scene is still not to be had, and this one's pixels are there
                return None
            try:
                self._refuse_other_scale(scene)
                return Cut(scene, self._place(job.slot), self._reader)
            except SourceError as error:
                self._drop(index, job, error)
        return None

    def _refuse_other_scale(self, scene: Scene) -> None:
        scales = tuple(each.scale for each in scene.calibration)
        if scales != self._scales and not np.allclose(scales, self._scales, rtol=1e-9, atol=0):
            raise SourceError(f"{scene.item_id} has the scales {scales}, the group has {self._scales}.")

    def _place(self, slot: int) -> Place:
        chips = self._chips
        lattice = chips.lattices[chips.lattice[slot]]
        return Place(self._plan.epsg, float(chips.top[slot]), float(chips.left[slot]), lattice.resolution, self._group.size)

    def _drop(self, index: int, job: _Job, error: CubeError) -> None:
        failed = job.scenes.pop(0), index
        self._failures[failed] += 1
        # Of one file's broken tiles the first one is enough
        self._reasons.setdefault(failed, error.message)

    def _chunk(self, index: int, number: int, waiting: int) -> _Chunk:
        """A chunk to be filled: empty, or as it is where chips of it stay as they are."""
        together = self._group.chips_per_chunk
        first = number * together
        last = min(first + together, len(self._chips))
        if self._key[first:last, index].any():
            pixels = np.array(self._group["pixels"][first:last, index])
            return _Chunk(first, pixels, np.array(self._group["quality"][first:last, index]), waiting)
        pixels, classes = self._buffers()
        pixels, classes = pixels[: last - first], classes[: last - first]
        if waiting < last - first:
            pixels[...], classes[...] = self._fill, Quality.MISSING
        return _Chunk(first, pixels, classes, waiting)

    def _buffers(self) -> tuple[NDArray[np.generic], NDArray[np.uint8]]:
        """Memory for a chunk, of one that has been written where there is any: the kernel takes its time to give new pages."""
        if self._spare:
            return self._spare.pop()
        shape = (self._group.chips_per_chunk, *self._group["pixels"].shape[2:])
        return np.empty(shape, self._group["pixels"].dtype), np.empty((shape[0], *shape[2:]), np.uint8)

    def _cut(self, index: int, chunk: _Chunk, job: _Job, cut: Cut | None) -> bool:
        """Fill a chip; ``False`` where its scene turned out to be broken and another one is to be tried."""
        place = job.slot - chunk.first
        if cut is None and job.scenes:
            chunk.waiting -= 1
            self._done += 1
            return True
        if cut is None:
            chunk.pixels[place], chunk.quality[place] = self._fill, Quality.MISSING
        else:
            try:
                chunk.quality[place] = cut.into(chunk.pixels[place], self._fill)
            except CubeError as error:
                self._drop(index, job, error)
                return False
        chunk.outcomes[job.slot] = None if cut is None else cut.scene
        key = 0 if cut is None else cut.scene.key
        chunk.changed |= bool(key != self._key[job.slot, index] or self._void[job.slot, index])
        chunk.waiting -= 1
        self._done += 1
        return True

    def _complete(self, index: int, chunk: _Chunk) -> None:
        """Hand a chunk to the writer, and note what it holds."""
        for slot, scene in chunk.outcomes.items():
            self._note(index, slot, scene)
        if chunk.changed:
            self._dirty.add(index)
            self._bytes += chunk.pixels.nbytes
            while len(self._writes) >= QUEUE:
                self._writes.popleft().result()
            self._writes.append(self._writer.submit(self._write, self._group, index, chunk))
        if self._progress is not None:
            self._progress(Progress(self._plan.path, self._done, self._total, self._bytes))
        if time.monotonic() - self._kept_at >= self._checkpoint_s:
            self._flush()
            self._work.checkpoint()
            group = ChipGroup.open(self._work.store, self._plan.path)
            assert group is not None
            self._group = group
            self._kept_at = time.monotonic()

    def _note(self, index: int, slot: int, scene: Scene | None) -> None:
        self._void[slot, index] = False
        if scene is None:
            self._missing += not self._chips.gone[slot]
            self._key[slot, index], self._item[slot, index] = 0, ""
            self._taken[slot, index], self._offset[slot, index] = NO_TIME, np.nan
            return
        self._written += 1
        self._used.add(scene.key)
        self._key[slot, index], self._item[slot, index] = scene.key, scene.item_id
        self._taken[slot, index] = np.datetime64(scene.taken_at.replace(tzinfo=None), "us").astype(np.int64)
        self._offset[slot, index] = [each.offset for each in scene.calibration]

    def _write(self, group: ChipGroup, index: int, chunk: _Chunk) -> None:
        last = chunk.first + len(chunk.pixels)
        group["pixels"][chunk.first : last, index] = chunk.pixels
        group["quality"][chunk.first : last, index] = chunk.quality
        if len(chunk.pixels) == group.chips_per_chunk:
            self._spare.append((chunk.pixels, chunk.quality))

    def _flush(self) -> None:
        """Wait for the writer, and say in the group what it holds now."""
        while self._writes:
            self._writes.popleft().result()
        dirty = np.array(sorted(self._dirty), np.int64)
        for run in np.split(dirty, np.flatnonzero(np.diff(dirty) != 1) + 1) if len(dirty) else ():
            months = slice(int(run[0]), int(run[-1]) + 1)
            for name, state in self._state.items():
                self._group[name][:, months] = state[:, months]
        self._dirty.clear()

    def _listed_failures(self) -> tuple[Failure, ...]:
        return tuple(
            Failure(
                self._plan.collection,
                self._plan.scenes[scene].item_id,
                day_of(self._months[index]),
                chips,
                self._reasons[scene, index],
            )
            for (scene, index), chips in sorted(self._failures.items())
        )
