"""Fills one group of chips: compares what is there with what is planned, has the difference cut, and says what is there now.

What the group says that it holds (``scene_key``) is compared with what the plan wants; only the difference is worked on. That
makes a second run without new scenes do nothing, a new scene touch its own chunks only, and an interrupted build go on where
its last checkpoint was: one rule for all three. Who cuts, this process or those of a cluster, makes no difference to what is
written.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np

from dataflows.cubes.chip import scale_out
from dataflows.cubes.chip.group import NO_TIME, ChipGroup
from dataflows.cubes.chip.group_plan import GroupPlan
from dataflows.cubes.chip.means import Means, Progress
from dataflows.cubes.chip.orders import Done, Failures, Job, Order
from dataflows.cubes.chip.slots import Slots, write_masks
from dataflows.cubes.chip.work import Cutter
from dataflows.cubes.rasters.tiles import TileReader
from dataflows.cubes.repository.store import Build


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
        tiles_wanted: distinct tiles; on a cluster, of each part of the work.
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


def day_of(month: int) -> date:
    """First day of a month, counted since January 1970."""
    return date(1970 + int(month) // 12, int(month) % 12 + 1, 1)


class Filling:
    """The work on one group; lives as long as :func:`dataflows.cubes.chip.build.build_group` runs."""

    def __init__(self, work: Build, plan: GroupPlan, chips: Slots, group: ChipGroup, reader: TileReader, means: Means) -> None:
        self._work, self._plan, self._chips, self._group, self._reader = work, plan, chips, group, reader
        self._means = means
        self._failures = Failures()
        self._written = self._missing = self._bytes = self._done = 0
        self._used: set[int] = set()
        self._dirty: set[int] = set()

    def run(self) -> GroupResult:
        """Do it."""
        before = self._group.months
        planned = np.concatenate([before, self._plan.month])
        self._months = np.arange(planned.min(), planned.max() + 1)
        if self._group.chips != len(self._chips) or not np.array_equal(before, self._months):
            self._group.grow(self._work.session, len(self._chips), self._months)
        self._write_chips()
        self._load_state()
        order = self._order()
        self._total = order.jobs
        self._kept_at = time.monotonic()
        if self._means.cluster is None:
            masks, wanted, decoded = self._cut_here(order)
        else:
            masks = write_masks(self._plan, self._chips, self._group)
            wanted, decoded = self._cut_out_there(order)
        return GroupResult(
            self._plan.path,
            len(self._chips),
            len(self._chips) - self._chips.before,
            len(self._months),
            self._written,
            self._missing,
            masks,
            wanted,
            decoded,
            self._listed_failures(),
            frozenset(self._used),
        )

    def _cut_here(self, order: Order) -> tuple[int, int, int]:
        """All of it in this process: masks written, tiles wanted and decoded."""
        wanted, decoded = self._reader.wanted, self._reader.decoded

        def note(done: Done) -> None:
            self._note(done)
            if time.monotonic() - self._kept_at >= self._means.checkpoint_s:
                cutter.settle()
                self._keep()
                cutter.group = self._group

        with Cutter(order, self._group, self._reader, note) as cutter:
            # While the first tiles are being decoded
            masks = write_masks(self._plan, self._chips, self._group)
            cutter.run()
        self._failures.include(cutter.failures)
        self._flush()
        return masks, self._reader.wanted - wanted, self._reader.decoded - decoded

    def _cut_out_there(self, order: Order) -> tuple[int, int]:
        """In parts by the processes of a cluster, which write into forks of the session: tiles wanted and decoded."""
        wanted = decoded = 0
        means = self._means
        assert means.cluster is not None
        for parts in scale_out.rounds(order, means.cluster, self._group.chips_per_chunk):
            # Only a session without changes can be forked
            self._keep()
            filled = scale_out.fill(parts, self._work.session, means)
            self._work.session.merge(*(each.session for each in filled))
            for each in filled:
                for done in each.done:
                    self._note(done)
                self._failures.include(each.failures)
                wanted, decoded = wanted + each.tiles_wanted, decoded + each.tiles_decoded
            self._flush()
        return wanted, decoded

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
        if chips.before == 0 or not np.array_equal(np.asarray(group["transform"][:]), transforms):
            group["transform"][:] = transforms

    def _load_state(self) -> None:
        group, shape = self._group, (len(self._chips), len(self._months))
        if self._chips.before:
            self._key = np.asarray(group["scene_key"][:])
            self._item = np.asarray(group["item_id"][:]).astype(object)
            self._taken = np.asarray(group["datetime"][:])
            self._offset = np.asarray(group["reflectance_offset"][:])
        else:
            self._key, self._item = np.zeros(shape, np.uint64), np.full(shape, "", object)
            self._taken, self._offset = np.full(shape, NO_TIME), np.full((*shape, len(self._plan.bands)), np.nan)
        self._state = {
            "scene_key": self._key,
            "item_id": self._item,
            "datetime": self._taken,
            "reflectance_offset": self._offset,
        }
        # What a displaced chip holds belongs to another place
        self._void = self._chips.displaced[:, None] & (self._key != 0)

    def _order(self) -> Order:
        chips = self._chips
        return Order(
            self._plan.path,
            self._plan.epsg,
            dict(enumerate(self._plan.scenes)),
            {index: jobs for index in range(len(self._months)) if (jobs := self._jobs(index))},
            len(chips),
            0,
            chips.top,
            chips.left,
            np.array([lattice.resolution for lattice in chips.lattices]).reshape(-1, 2)[chips.lattice],
            self._key,
            self._void,
        )

    def _jobs(self, index: int) -> list[Job]:
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
            Job(
                slot,
                plan.scene[of_month[first[at[slot]] : first[at[slot]] + count[at[slot]]]].tolist() if planned[slot] else [],
            )
            for slot in np.flatnonzero(wanted).tolist()
        ]

    def _note(self, done: Done) -> None:
        """What a chunk holds now."""
        for slot, scene in done.outcomes.items():
            self._note_chip(done.index, slot, scene)
        self._done += done.jobs
        if done.written_bytes:
            self._dirty.add(done.index)
            self._bytes += done.written_bytes
        if self._means.progress is not None:
            self._means.progress(Progress(self._plan.path, self._done, self._total, self._bytes))

    def _note_chip(self, index: int, slot: int, number: int | None) -> None:
        self._void[slot, index] = False
        if number is None:
            self._missing += not self._chips.gone[slot]
            self._key[slot, index], self._item[slot, index] = 0, ""
            self._taken[slot, index], self._offset[slot, index] = NO_TIME, np.nan
            return
        scene = self._plan.scenes[number]
        self._written += 1
        self._used.add(scene.key)
        self._key[slot, index], self._item[slot, index] = scene.key, scene.item_id
        self._taken[slot, index] = np.datetime64(scene.taken_at.replace(tzinfo=None), "us").astype(np.int64)
        self._offset[slot, index] = [each.offset for each in scene.calibration]

    def _flush(self) -> None:
        """Say in the group what it holds now; all of it has been written."""
        dirty = np.array(sorted(self._dirty), np.int64)
        for run in np.split(dirty, np.flatnonzero(np.diff(dirty) != 1) + 1) if len(dirty) else ():
            months = slice(int(run[0]), int(run[-1]) + 1)
            for name, state in self._state.items():
                self._group[name][:, months] = state[:, months]
        self._dirty.clear()

    def _keep(self) -> None:
        """Keep what is there on the build's branch."""
        self._flush()
        self._work.checkpoint()
        group = ChipGroup.open(self._work.store, self._plan.path)
        assert group is not None
        self._group = group
        self._kept_at = time.monotonic()

    def _listed_failures(self) -> tuple[Failure, ...]:
        return tuple(
            Failure(
                self._plan.collection,
                self._plan.scenes[scene].item_id,
                day_of(self._months[index]),
                chips,
                self._failures.reasons[scene, index],
            )
            for (scene, index), chips in sorted(self._failures.chips.items())
        )
