"""The chips of one installation, joined to one picture a month."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from icechunk import Session
from numpy.typing import NDArray

from dataflows.cubes.chip.group import NO_TIME, ChipGroup, chip_paths, opened_group
from dataflows.cubes.pixels import quality
from dataflows.cubes.pixels.indices import spectral_index
from dataflows.cubes.pixels.reflectance import calibrated
from dataflows.cubes.pixels.statistics import WeightedStatistics, weighted
from db.errors import CubeNotFoundError


@dataclass(frozen=True)
class SiteChips:
    """One installation in one group; months without a scene are left out.

    Attributes:
        installation_id: whose.
        path: of the group.
        bands: common names.
        items: STAC item of each date, of the first of its chips, shape (time,).
        times: when it was taken, datetime64[us] in UTC, shape (time,).
        values: reflectances (digital numbers where a collection has no calibration), shape (time, band, y, x); NaN where
            there is no data.
        usable: pixels that show the ground, shape (time, y, x).
        own: share covered by the installation, shape (y, x).
        transform: affine a, b, c, d, e, f of the picture.
    """

    installation_id: str
    path: str
    bands: tuple[str, ...]
    items: NDArray[np.object_]
    times: NDArray[np.datetime64]
    values: NDArray[np.float32]
    usable: NDArray[np.bool_]
    own: NDArray[np.float32]
    transform: NDArray[np.float64]

    def index(self, name: str) -> WeightedStatistics:
        """An index over the installation's clear pixels, weighted by their covered share, shape (time,).

        Raises:
            CubeError: there is no such index, or a band of it is missing.
        """
        inside = self.own > 0
        clear = np.where(self.usable[:, None], self.values, np.nan)[:, :, inside].astype(np.float64)
        found = spectral_index(name, {band: clear[:, number] for number, band in enumerate(self.bands)})
        return weighted(found, self.own[inside])

    @property
    def clear_share(self) -> NDArray[np.float64]:
        """Share of the installation that shows the ground, shape (time,)."""
        return (self.usable * self.own).sum(axis=(1, 2), dtype=np.float64) / self.own.sum(dtype=np.float64)


def groups_with(session: Session, start: str, collection: str | None = None) -> list[tuple[str, str, int]]:
    """Path, installation_id and number of scenes of the groups that have chips of an installation, most scenes first.

    Args:
        session: a version of the repository of chips.
        start: an installation_id, or its first characters.
        collection: only this one.

    Raises:
        CubeNotFoundError: no installation, or more than one, begins so.
    """
    found = []
    for path in chip_paths(session):
        if collection is None or path.rpartition("/")[0] == collection:
            group = opened_group(session, path)
            ids = np.asarray(group["installation_id"][:]).astype(object)
            scenes = (np.asarray(group["scene_key"][:]) != 0).sum(axis=1)
            fitting = np.array([str(name).startswith(start) for name in ids], bool)
            found += [(path, str(name), int(scenes[ids == name].sum())) for name in np.unique(ids[fitting])]
    names = sorted({name for _, name, _ in found})
    if len(names) != 1:
        listed = ", ".join(names[:3])
        what = f"{len(names)} installations {start!r}: {listed} …" if names else f"no chip of an installation {start!r}"
        raise CubeNotFoundError(
            f"The chips have {what}.", remedy="Give an installation_id that has scenes: those of curated.pv_scenes."
        )
    return sorted(found, key=lambda entry: (-entry[2], entry[0]))


def site_chips(session: Session, path: str, installation_id: str) -> SiteChips:
    """The chips of an installation in a group, joined; they lie on one pixel lattice and do not overlap.

    Args:
        session: a version of the repository of chips.
        path: of the group.
        installation_id: whole id.

    Raises:
        CubeNotFoundError: there is no such group, or no chip of that installation in it.
    """
    group = opened_group(session, path)
    chips = np.flatnonzero(np.asarray(group["installation_id"][:]).astype(object) == installation_id)
    if len(chips) == 0:
        raise CubeNotFoundError(f"{path} has no chip of {installation_id!r}.", remedy="Build it: 'eopv cube build'.")
    months = np.flatnonzero((np.asarray(group["scene_key"][:])[chips] != 0).any(axis=0))
    transform, rows, columns = _layout(np.asarray(group["transform"][:])[chips])
    size = group.size
    shape = (int(rows.max()) + size, int(columns.max()) + size)
    own = np.zeros(shape, np.float32)
    values = np.full((len(months), len(group.bands), *shape), np.nan, np.float32)
    usable = np.zeros((len(months), *shape), bool)
    items, times = np.full(len(months), "", object), np.full(len(months), NO_TIME, np.int64)
    for chip, row, column in zip(chips.tolist(), rows.tolist(), columns.tolist(), strict=True):
        at = (slice(row, row + size), slice(column, column + size))
        own[at] = group["own_mask"][chip]
        for place, month in enumerate(months.tolist()):
            values[(place, slice(None), *at)], usable[(place, *at)] = _month(group, chip, month)
            if items[place] == "":
                items[place], times[place] = str(group["item_id"][chip, month]), int(group["datetime"][chip, month])
    return SiteChips(installation_id, path, group.bands, items, times.astype("datetime64[us]"), values, usable, own, transform)


def _month(group: ChipGroup, chip: int, month: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Reflectances (band, y, x) and usable pixels of one chip and month."""
    classes = np.asarray(group["quality"][chip, month])
    numbers = np.asarray(group["pixels"][chip, month])
    scale, offset = np.asarray(group["reflectance_scale"][:]), np.asarray(group["reflectance_offset"][chip, month])
    values = calibrated(numbers, scale, offset)
    values[:, np.isin(classes, (quality.Quality.MISSING, quality.Quality.NODATA))] = np.nan
    return values.astype(np.float32), quality.usable(classes)


def _layout(transforms: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Affine of the joint picture, and where in it each chip begins."""
    a, b, c, d, e, f = transforms.T
    left, top = c.min(), f.max()
    transform = np.array([a[0], b[0], left, d[0], e[0], top])
    return transform, np.rint((f - top) / e[0]).astype(np.int64), np.rint((c - left) / a[0]).astype(np.int64)
