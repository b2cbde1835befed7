"""Which place in a group each chip has: those that are there keep theirs, new ones follow in the order of place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from dataflows.cubes.chip.group import ChipGroup
from dataflows.cubes.chip.group_plan import GroupPlan
from dataflows.cubes.pixels.masks import masks
from dataflows.cubes.pixels.windows import Lattice, Windows, windows
from dataflows.cubes.rasters.grid import Grid
from dataflows.cubes.rasters.tiles import TileReader
from db.errors import CubeError, SourceError

# New chips are sorted by squares of this edge, then by rows of tiles, then eastwards: neighbours share tiles, and a row of
# tiles of one scene is as much as has to be held at a time
SQUARE_M = 100_000.0
ROW_PX = 512

# Chips whose masks are computed together
MASKS_AT_ONCE = 256


@dataclass(frozen=True)
class Slots:
    """Chips of a group, in the order of the group; arrays have shape (chips,).

    Attributes:
        installation_id: whose chip it is.
        number: within the installation.
        site: index of the installation in the plan, -1 for one that the plan says nothing about.
        top: northern edge in metres.
        left: western edge in metres.
        lattice: index in ``lattices``.
        lattices: pixel lattices.
        before: number of chips that were there already.
        displaced: chips whose window is no longer where it was, or no longer needed: what they hold is void.
        gone: of those, the ones that are no longer needed.
    """

    installation_id: NDArray[np.object_]
    number: NDArray[np.int16]
    site: NDArray[np.int64]
    top: NDArray[np.float64]
    left: NDArray[np.float64]
    lattice: NDArray[np.int64]
    lattices: tuple[Lattice, ...]
    before: int
    displaced: NDArray[np.bool_]
    gone: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.site)

    def transforms(self) -> NDArray[np.float64]:
        """Affines, shape (chips, 6)."""
        resolution = np.array([lattice.resolution for lattice in self.lattices]).reshape(-1, 2)[self.lattice]
        zero = np.zeros(len(self))
        return np.stack([resolution[:, 1], zero, self.left, zero, -resolution[:, 0], self.top], axis=1)


def scene_lattices(plan: GroupPlan, reader: TileReader) -> list[Lattice | None]:
    """The lattice of each scene's finest band; ``None`` for one that cannot be read, or is rotated.

    Headers are read only where an item does not state its transform.
    """
    silent = [band.href for scene in plan.scenes for band in scene.bands if band is not None and band.transform is None]
    rasters = reader.rasters(silent)

    def lattice(transform: Affine) -> Lattice:
        return Lattice.of(Grid(plan.epsg, transform, (1, 1)))

    found: list[Lattice | None] = []
    for scene in plan.scenes:
        transforms = []
        for band in scene.bands:
            if band is None:
                continue
            if band.transform is not None:
                transforms.append(Affine(*band.transform[:6]))
            elif not isinstance(raster := rasters[band.href], SourceError):
                transforms.append(raster.grid.transform)
        try:
            found.append(lattice(min(transforms, key=lambda transform: abs(transform.a))) if transforms else None)
        except CubeError:
            found.append(None)
    return found


def slots(plan: GroupPlan, group: ChipGroup | None, lattices: list[Lattice | None], size: int) -> Slots:
    """The chips that a group is to have.

    A new installation's lattice is the one that most of its scenes lie on, of equals the first; a known one keeps its own.

    Args:
        plan: what to build.
        group: what is there, ``None`` for nothing.
        lattices: of the scenes.
        size: pixels along an edge.
    """
    known = _Known.of(group, plan.epsg)
    distinct = list(dict.fromkeys([*known.lattices, *(each for each in lattices if each is not None)]))
    of_site = _lattice_of_sites(plan, [distinct.index(each) if each is not None else -1 for each in lattices])
    first = {name: index for index, name in reversed(list(enumerate(known.installation_id)))}
    for site, name in enumerate(plan.installation_id):
        if name in first:
            of_site[site] = distinct.index(known.lattices[known.lattice[first[name]]])
    found, lattice = _windows(plan, distinct, of_site, size)

    place = {key: index for index, key in enumerate(zip(known.installation_id, known.number.tolist(), strict=True))}
    at = np.array(
        [
            place.get((plan.installation_id[site], number), -1)
            for site, number in zip(found.site, found.number.tolist(), strict=True)
        ],
        np.int64,
    )
    new = np.flatnonzero(at < 0)
    new = new[_order(found, lattice, distinct, new)]
    n, total = len(known.number), len(known.number) + len(new)
    at[new] = n + np.arange(len(new))

    def merged(stored: NDArray, planned: NDArray) -> NDArray:
        values = np.concatenate([stored, np.zeros(total - n, stored.dtype)])
        values[at] = planned
        return values

    sites = {name: index for index, name in enumerate(plan.installation_id)}
    stored_site = np.array([sites.get(name, -1) for name in known.installation_id], np.int64)
    top, left = merged(known.top, found.top), merged(known.left, found.left)
    gone = np.zeros(total, np.bool_)
    gone[:n] = stored_site >= 0
    gone[at] = False
    displaced = gone.copy()
    displaced[:n] |= (np.abs(top[:n] - known.top) > 1e-6) | (np.abs(left[:n] - known.left) > 1e-6)
    return Slots(
        merged(known.installation_id, plan.installation_id[found.site]),
        merged(known.number, found.number),
        merged(stored_site, found.site),
        top,
        left,
        merged(np.array([distinct.index(known.lattices[each]) for each in known.lattice], np.int64), lattice),
        tuple(distinct),
        n,
        displaced,
        gone,
    )


@dataclass(frozen=True)
class _Known:
    """The chips that a group has."""

    installation_id: NDArray[np.object_]
    number: NDArray[np.int16]
    top: NDArray[np.float64]
    left: NDArray[np.float64]
    lattice: NDArray[np.int64]
    lattices: list[Lattice]

    @classmethod
    def of(cls, group: ChipGroup | None, epsg: int) -> _Known:
        if group is None or group.chips == 0:
            nothing = np.empty(0)
            return cls(nothing.astype(object), nothing.astype(np.int16), nothing, nothing, nothing.astype(np.int64), [])
        transform = np.asarray(group["transform"][:])
        phases = [Lattice.of(Grid(epsg, Affine(*each), (1, 1))) for each in transform]
        distinct = list(dict.fromkeys(phases))
        lattice = np.array([distinct.index(phase) for phase in phases], np.int64)
        ids = np.asarray(group["installation_id"][:]).astype(object)
        return cls(ids, np.asarray(group["chip_number"][:]), transform[:, 5], transform[:, 2], lattice, distinct)


def _lattice_of_sites(plan: GroupPlan, lattice_of_scene: list[int]) -> NDArray[np.int64]:
    lattice = np.array(lattice_of_scene, np.int64)[plan.scene]
    votes = np.zeros((len(plan.installation_id), max(lattice_of_scene, default=-1) + 1), np.int64)
    readable = lattice >= 0
    np.add.at(votes, (plan.site[readable], lattice[readable]), 1)
    if votes.shape[1] == 0:
        return np.full(len(plan.installation_id), -1, np.int64)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), -1)


def _windows(
    plan: GroupPlan, lattices: list[Lattice], of_site: NDArray[np.int64], size: int
) -> tuple[Windows, NDArray[np.int64]]:
    """Windows of all sites, and the index of each one's lattice; a site without a lattice gets none."""
    parts = []
    for index, lattice in enumerate(lattices):
        sites = np.flatnonzero(of_site == index)
        part = windows(plan.outlines[sites], lattice, size)
        parts.append((sites[part.site], part.number, part.top, part.left, np.full(len(part), index, np.int64)))
    if not parts:
        nothing = np.empty(0, np.int64)
        return Windows(nothing, nothing.astype(np.int16), nothing.astype(float), nothing.astype(float)), nothing
    site, number, top, left, lattice = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Windows(site, number, top, left), lattice


def _order(found: Windows, lattice: NDArray[np.int64], lattices: list[Lattice], new: NDArray[np.int64]) -> NDArray[np.int64]:
    height = np.array([each.resolution[0] for each in lattices])[lattice[new]] if len(new) else np.empty(0)
    top, left = found.top[new], found.left[new]
    row = np.floor(-top / (ROW_PX * height))
    return np.lexsort((-top, left, row, np.floor(left / SQUARE_M), np.floor(-top / SQUARE_M)))


def write_masks(plan: GroupPlan, chips: Slots, group: ChipGroup) -> int:
    """Bring masks up to date; only those are computed whose outlines changed.

    Args:
        plan: outlines of installations.
        chips: the group's chips.
        group: grown to hold them.

    Returns:
        Number of chips whose masks were written.
    """
    size = group.size
    resolution = np.array([lattice.resolution for lattice in chips.lattices]).reshape(-1, 2)[chips.lattice]
    boxes = shapely.box(chips.left, chips.top - size * resolution[:, 0], chips.left + size * resolution[:, 1], chips.top)
    key = _outline_keys(plan, chips, boxes)
    stored = np.asarray(group["outline_key"][:])
    changed = np.flatnonzero((key != stored) & ((chips.site >= 0) | chips.gone))
    for start in range(0, len(changed), MASKS_AT_ONCE):
        for chip, own, joint in _masks(plan, chips, changed[start : start + MASKS_AT_ONCE], size):
            group["own_mask"][chip[0] : chip[-1] + 1] = own
            group["mask"][chip[0] : chip[-1] + 1] = joint
    if len(changed):
        stored[changed] = key[changed]
        group["outline_key"][:] = stored
    return len(changed)


def _outline_keys(plan: GroupPlan, chips: Slots, boxes: NDArray[np.object_]) -> NDArray[np.uint64]:
    """Hash of a chip's window and of the outlines that meet it; independent of their order, never 0."""
    of_shape = np.array([_hash(wkb) for wkb in shapely.to_wkb(plan.around)], np.uint64)
    box, shape = shapely.STRtree(plan.around).query(boxes, predicate="intersects")
    key = np.zeros(len(chips), np.uint64)
    np.add.at(key, box, of_shape[shape])
    own = np.array([_hash(wkb) for wkb in shapely.to_wkb(plan.outlines)] or [0], np.uint64)
    window = np.array([_hash(wkb) for wkb in shapely.to_wkb(boxes)], np.uint64)
    key ^= window + np.where(chips.gone, np.uint64(1), own[chips.site] * np.uint64(3))
    return key | np.uint64(1)


def _hash(wkb: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(wkb, digest_size=8).digest())


def _masks(
    plan: GroupPlan, chips: Slots, changed: NDArray[np.int64], size: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]]:
    """Own and joint masks of runs of neighbouring chips: (chips, own, joint)."""
    own = np.zeros((len(changed), size, size), np.float32)
    joint = np.zeros_like(own)
    for index, lattice in enumerate(chips.lattices):
        here = np.flatnonzero((chips.lattice[changed] == index) & ~chips.gone[changed])
        if len(here) == 0:
            continue
        chip = changed[here]
        mine = plan.own[chips.site[chip]]
        own[here], joint[here] = masks(mine, plan.around, chips.top[chip], chips.left[chip], lattice, size)
    for run in np.split(np.arange(len(changed)), np.flatnonzero(np.diff(changed) != 1) + 1):
        yield changed[run], own[run], joint[run]
