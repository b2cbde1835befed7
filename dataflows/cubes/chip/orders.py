"""What is to be cut, and what came of it, as they pass between the process that builds and those that cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dataflows.cubes.pixels.scenes import Scene


@dataclass(slots=True)
class Job:
    """One chip of one month: the scenes (numbers of :attr:`Order.scenes`) that are to be tried, best first."""

    slot: int
    scenes: list[int]


@dataclass(frozen=True)
class Order:
    """Chips of some months of a group, with all that cutting them takes.

    Attributes:
        path: of the group.
        epsg: code of the CRS.
        scenes: by number.
        months: places on the group's axis of time, with the jobs of each, in the order of the group.
        chips: number of chips of the group.
        begin: slot that the arrays begin with; the first one of a chunk.
        top: northern edges in metres, shape (slots,).
        left: western edges in metres, shape (slots,).
        resolution: height and width of a pixel in metres, shape (slots, 2).
        key: ``scene_key`` of what is there, shape (slots, time).
        void: whether that belongs to another place, shape (slots, time).
    """

    path: str
    epsg: int
    scenes: dict[int, Scene]
    months: dict[int, list[Job]]
    chips: int
    begin: int
    top: NDArray[np.float64]
    left: NDArray[np.float64]
    resolution: NDArray[np.float64]
    key: NDArray[np.uint64]
    void: NDArray[np.bool_]

    @property
    def jobs(self) -> int:
        """How many chips times months are to be cut."""
        return sum(len(jobs) for jobs in self.months.values())

    def files(self, index: int) -> set[str]:
        """Files of all scenes that may be tried for a month."""
        scenes = {scene for job in self.months[index] for scene in job.scenes}
        wanted = (self.scenes[scene] for scene in scenes)
        return {band.href for scene in wanted for band in (*scene.bands, scene.classification) if band is not None}

    def parts(self, most: int, together: int) -> Iterator[Order]:
        """Orders that share no chunk: one month each, and about ``most`` chips.

        Args:
            most: chips that end a part; it takes the rest of the chunk.
            together: chips of a chunk.
        """
        for index, jobs in self.months.items():
            first = 0
            for last in range(1, len(jobs) + 1):
                at_end = last == len(jobs)
                if at_end or (last - first >= most and jobs[last].slot // together != jobs[last - 1].slot // together):
                    yield self._part(index, jobs[first:last], together)
                    first = last

    def _part(self, index: int, jobs: list[Job], together: int) -> Order:
        begin = jobs[0].slot // together * together
        slots = slice(begin, (jobs[-1].slot // together + 1) * together)
        return Order(
            self.path,
            self.epsg,
            {scene: self.scenes[scene] for job in jobs for scene in job.scenes},
            {index: jobs},
            self.chips,
            begin,
            *(np.array(each[slots]) for each in (self.top, self.left, self.resolution, self.key, self.void)),
        )


@dataclass(frozen=True)
class Done:
    """A chunk that is complete.

    Attributes:
        index: place on the axis of time.
        outcomes: slot → number of the scene that the chip was cut from, ``None`` where none could be used; chips that stay
            as they are have none.
        jobs: how many jobs it had.
        written_bytes: pixels, before compression; 0 where the chunk stays as it is.
    """

    index: int
    outcomes: dict[int, int | None]
    jobs: int
    written_bytes: int


@dataclass
class Failures:
    """Scenes that could not be used, by number and place on the axis of time.

    Attributes:
        chips: how many chips each was wanted for.
        reasons: what was wrong with the first of them.
    """

    chips: dict[tuple[int, int], int] = field(default_factory=dict)
    reasons: dict[tuple[int, int], str] = field(default_factory=dict)

    def add(self, scene: int, index: int, reason: str, chips: int = 1) -> None:
        """Count; of one file's broken tiles the first one's reason is enough."""
        failed = scene, index
        self.chips[failed] = self.chips.get(failed, 0) + chips
        self.reasons.setdefault(failed, reason)

    def include(self, other: Failures) -> None:
        """Add those of another part of the work."""
        for (scene, index), chips in other.chips.items():
            self.add(scene, index, other.reasons[scene, index], chips)
