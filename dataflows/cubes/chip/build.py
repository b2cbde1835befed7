"""A build of chips, group by group, and what it did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataflows.cubes.chip.filling import Failure, Filling, GroupResult, day_of
from dataflows.cubes.chip.group import ChipGroup
from dataflows.cubes.chip.group_plan import GroupPlan
from dataflows.cubes.chip.means import Means
from dataflows.cubes.chip.resampling import Resampling
from dataflows.cubes.chip.slots import scene_lattices, slots
from dataflows.cubes.pixels.windows import DEFAULT_SIZE
from dataflows.cubes.rasters.tiles import TileReader
from dataflows.cubes.repository.store import Build
from db.errors import SourceError


@dataclass(frozen=True)
class ChipBuild:
    """What a build of chips did.

    Attributes:
        snapshot_id: the commit that ``main`` is at; ``None`` where nothing changed.
        tag: its tag.
        groups: one a collection and CRS.
    """

    snapshot_id: str | None
    tag: str | None
    groups: tuple[GroupResult, ...]

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Scenes that could not be used, of all groups."""
        return tuple(failure for group in self.groups for failure in group.failures)


def build_group(
    work: Build,
    plan: GroupPlan,
    reader: TileReader,
    *,
    means: Means,
    size: int | None = None,
    resampling: Resampling | None = None,
) -> GroupResult:
    """Bring one group up to what a plan wants.

    Args:
        work: a build of the repository of chips.
        plan: what the group is to hold.
        reader: decodes tiles.
        means: how.
        size: pixels along an edge of a chip; the group's, else :data:`DEFAULT_SIZE`, when omitted.
        resampling: of bands on another grid than the chips'; the group's, else nearest, when omitted.

    Raises:
        CubeError: the group holds other bands, another size, or numbers of another resampling.
    """
    lattices = scene_lattices(plan, reader)
    group = ChipGroup.open(work.store, plan.path)
    if group is not None:
        group.refuse_other(bands=plan.bands, size=size, resampling=resampling)
    chips = slots(plan, group, lattices, group.size if group else size or DEFAULT_SIZE)
    if group is None:
        like = _readable(plan, reader)
        if like is None or len(chips) == 0:
            return GroupResult(plan.path, 0, 0, 0, 0, len(np.unique(plan.site)), 0, 0, 0, _all_failed(plan, reader))
        dtype, fill = like
        group = ChipGroup.create(
            work.store,
            plan.path,
            bands=plan.bands,
            scales=[each.scale for each in plan.scenes[0].calibration],
            size=size or DEFAULT_SIZE,
            dtype=dtype,
            fill=fill,
            chips=len(chips),
            months=np.arange(plan.month.min(), plan.month.max() + 1),
            resampling=resampling or Resampling.NEAREST,
        )
    return Filling(work, plan, chips, group, reader, means).run()


def _readable(plan: GroupPlan, reader: TileReader) -> tuple[str, float] | None:
    """Type and fill value of the first scene that can be read: its nodata, else NaN or 0."""
    for scene in plan.scenes:
        if any(band is None for band in scene.bands):
            continue
        rasters = reader.rasters(band.href for band in scene.bands if band is not None)
        if any(isinstance(raster, SourceError) for raster in rasters.values()):
            continue
        band = scene.bands[0]
        assert band is not None
        raster = reader.raster(band.href)
        dtype = np.dtype(raster.dtype)
        value = band.nodata if band.nodata is not None else raster.nodata
        if dtype.kind == "f":
            return dtype.name, np.nan if value is None else value
        limits = np.iinfo(dtype)
        holds = value is not None and value == int(value) and limits.min <= value <= limits.max
        return dtype.name, int(value) if holds and value is not None else 0
    return None


def _all_failed(plan: GroupPlan, reader: TileReader) -> tuple[Failure, ...]:
    """Why no scene of a group can be used."""
    failures = []
    for index, scene in enumerate(plan.scenes):
        absent = any(band is None for band in scene.bands)
        rasters = reader.rasters(band.href for band in scene.bands if band is not None)
        reason = next((str(each) for each in rasters.values() if isinstance(each, SourceError)), "")
        month = plan.month[plan.scene == index][0]
        text = f"{scene.item_id} has no asset for one of the bands." if absent else reason or "Its grid is rotated."
        failures.append(Failure(plan.collection, scene.item_id, day_of(month), int((plan.scene == index).sum()), text))
    return tuple(failures)
