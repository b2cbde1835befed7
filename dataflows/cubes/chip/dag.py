"""Chips of installations: plan → groups → filled on a branch → checked → one commit on ``main``.

Run it with :func:`dataflows.cubes.chips.build_chips`; draw it with ``eopv dag chips -o dag.svg``.
"""

from __future__ import annotations

import hashlib
import json

import icechunk
from hamilton.function_modifiers import tag

from dataflows.cubes.chip import check as chip_check
from dataflows.cubes.chip.build import ChipBuild, build_group
from dataflows.cubes.chip.group_plan import GroupPlan, group_plans
from dataflows.cubes.chip.means import Means
from dataflows.cubes.chip.plan import ChipPlan
from dataflows.cubes.chip.resampling import Resampling
from dataflows.cubes.rasters.tiles import TileReader
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata, ItemReference
from dataflows.cubes.repository.storage import CubeName
from db.errors import CubeConflictError


@tag(layer="cubes")
def chip_groups(chip_plan: ChipPlan, bands: list[str] | None) -> list[GroupPlan]:
    """The plan by collection and CRS, with outlines in that CRS, and each scene's files and calibration."""
    return group_plans(chip_plan, bands)


@tag(layer="cubes")
def chip_metadata(
    chip_plan: ChipPlan,
    chip_groups: list[GroupPlan],
    size: int | None,
    resampling: Resampling | None,
    dbt_invocation_id: str | None,
) -> CommitMetadata:
    """What the commit says about its origin; the items are added when it is known which were used."""
    parameters = {
        "plan": chip_plan.digest,
        "size": size,
        "resampling": resampling,
        "bands": {group.path: list(group.bands) for group in chip_groups},
    }
    return CommitMetadata(
        ducklake_snapshot_id=chip_plan.snapshot_id, dbt_invocation_id=dbt_invocation_id, parameters=parameters
    )


@tag(layer="cubes")
def chip_build(
    chip_groups: list[GroupPlan],
    chip_metadata: CommitMetadata,
    size: int | None,
    resampling: Resampling | None,
    means: Means,
) -> ChipBuild:
    """All groups in one commit, or none."""
    try:
        return _built(chip_groups, chip_metadata, size, resampling, means)
    except (icechunk.ConflictError, icechunk.NotFoundError):
        # On S3 only: two builders that go on with one interrupted build meet on its branch, before they meet on ``main``
        raise CubeConflictError(
            "Another build of chips went on with the same branch.", remedy="Run it again when that one has ended."
        ) from None


def _built(
    chip_groups: list[GroupPlan],
    chip_metadata: CommitMetadata,
    size: int | None,
    resampling: Resampling | None,
    means: Means,
) -> ChipBuild:
    with store.build(
        CubeName.CHIPS,
        message=f"build chips of {len(chip_groups)} groups",
        metadata=chip_metadata,
        check=chip_check.check,
        resume=_resumed_as(chip_metadata),
        lake=means.lake,
        access=means.access,
    ) as work:
        with TileReader(means.access, cache_bytes=means.cache_bytes, workers=means.workers) as reader:
            groups = tuple(
                build_group(work, group, reader, means=means, size=size, resampling=resampling) for group in chip_groups
            )
        used = frozenset().union(*(group.scenes for group in groups))
        work.metadata = work.metadata.model_copy(update={"items": _items(chip_groups, used)})
        work.message = f"{sum(group.written for group in groups)} scenes cut for {sum(group.chips for group in groups)} chips"
    return ChipBuild(work.snapshot_id, work.tag, groups)


def _resumed_as(metadata: CommitMetadata) -> str:
    """Name of an interruptible build: of another plan, nothing is gone on with."""
    asked = json.dumps(metadata.parameters, sort_keys=True)
    return f"chips-{hashlib.sha256(asked.encode()).hexdigest()[:16]}"


def _items(groups: list[GroupPlan], used: frozenset[int]) -> tuple[ItemReference, ...]:
    """Items and checksums of the files whose pixels were written."""
    return tuple(
        ItemReference(
            collection=scene.collection,
            item_id=scene.item_id,
            version=scene.version,
            asset_key=band.asset_key,
            checksum=band.checksum,
        )
        for group in groups
        for scene in group.scenes
        if scene.key in used
        for band in (*scene.bands, scene.classification)
        if band is not None
    )
