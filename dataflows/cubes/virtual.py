"""Virtual cubes: scenes → headers → sources that agree → groups → references, in one commit, or nothing.

Nodes up to ``group_plans`` read; ``written_groups`` alone writes, into the session of a build that :func:`build_virtual` opens
and that becomes visible when everything has been checked.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import icechunk
from hamilton.function_modifiers import extract_fields, tag

from dataflows.cubes.rasters import geotiff
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.rasters.checksums import Checksums
from dataflows.cubes.references.groups import GroupPlan, Source, planned
from dataflows.cubes.references.refusals import Refusal
from dataflows.cubes.references.scenes import SceneAsset
from dataflows.cubes.references.sources import Headers, checksum_refusals, reachable_prefixes, usable
from dataflows.cubes.references.writing import StoredGroups, check_groups, write_group
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata, ItemReference
from dataflows.cubes.repository.storage import CubeName
from dataflows.run import build_driver
from db.errors import SceneRefusedError
from db.settings import Settings

log = logging.getLogger(__name__)


class GroupResult(NamedTuple):
    """What became of one group.

    Attributes:
        path: of the group, what ``open_virtual`` takes.
        dates: how many it has now.
        added: dates that are new.
        rasters: rasters that were referenced.
    """

    path: str
    dates: int
    added: int
    rasters: int


@dataclass(frozen=True)
class VirtualReport:
    """What a build did.

    Attributes:
        groups: those that were written, by path.
        refusals: assets that are in no virtual cube, with the reason: for the materialising path to take.
        snapshot_id: the commit; ``None`` where there was nothing new.
        tag: the commit's tag; ``None`` where there was nothing new.
    """

    groups: tuple[GroupResult, ...]
    refusals: tuple[Refusal, ...]
    snapshot_id: str | None
    tag: str | None


@tag(layer="cubes")
def headers(scenes: list[SceneAsset], access: Access, workers: int) -> Headers:
    """What each raster's header says, or why it cannot be read, by href."""
    return geotiff.read_headers((scene.href for scene in scenes), access, workers=workers)


@tag(layer="cubes")
@extract_fields({"sources": list, "refused_sources": list})
def sources_and_refusals(scenes: list[SceneAsset], headers: Headers, access: Access) -> dict[str, list[Source] | list[Refusal]]:
    """Rasters that can be referenced exactly, and those that cannot."""
    sources, refused = usable(scenes, headers, access)
    return {"sources": sources, "refused_sources": refused}


@tag(layer="cubes")
def existing_groups(session: icechunk.Session) -> StoredGroups:
    """The groups that there are, each read when a scene belongs to it."""
    return StoredGroups(session.store)


@tag(layer="cubes")
@extract_fields({"group_plans": list, "refused_scenes": list})
def plans_and_refusals(
    sources: list[Source], existing_groups: StoredGroups, replace_changed: bool, access: Access
) -> dict[str, list[GroupPlan] | list[Refusal]]:
    """Groups to write, and rasters that do not fit into any: a date that is taken, other bytes than before or than promised.

    Checksums are compared of what is to be referenced anew, not of what is there already.
    """
    checksums, wrong = Checksums(access), dict[SceneAsset, Refusal]()
    while True:
        remaining = [source for source in sources if source.scene not in wrong]
        plans, refused = planned(remaining, existing_groups, replace_changed=replace_changed)
        found = checksum_refusals((source for plan in plans for source in plan.sources.values()), checksums)
        if not found:
            return {"group_plans": plans, "refused_scenes": [*refused, *wrong.values()]}
        wrong |= found


@tag(layer="cubes")
def refusals(refused_sources: list[Refusal], refused_scenes: list[Refusal]) -> list[Refusal]:
    """All refusals, by collection, item and asset."""
    return sorted([*refused_sources, *refused_scenes])


@tag(layer="cubes")
def accepted(group_plans: list[GroupPlan], refusals: list[Refusal], strict: bool) -> list[GroupPlan]:
    """The plans; where ``strict`` is asked for, only if nothing was refused.

    Raises:
        SceneRefusedError: names the first refusals.
    """
    if strict and refusals:
        named = "; ".join(str(refusal) for refusal in refusals[:5])
        more = f"; and {len(refusals) - 5} more" if len(refusals) > 5 else ""
        raise SceneRefusedError(f"{named}{more}.", remedy="Leave them out, or build without 'strict': chips take them.")
    return group_plans


@tag(layer="cubes")
def written_groups(session: icechunk.Session, accepted: list[GroupPlan]) -> list[GroupResult]:
    """What became of each group, after its references were written into the session."""
    for plan in accepted:
        write_group(session, plan)
    return [
        GroupResult(plan.after.path, len(plan.after.times), len(plan.after.times) - len(plan.before.times), len(plan.sources))
        for plan in accepted
    ]


@tag(layer="cubes")
def added_items(accepted: list[GroupPlan]) -> tuple[ItemReference, ...]:
    """What the commit adds, for its metadata."""
    found = [source for plan in accepted for source in plan.sources.values()]
    references = [
        ItemReference(
            collection=source.scene.collection,
            item_id=source.scene.item_id,
            version=source.scene.version,
            asset_key=source.scene.asset_key,
            checksum=source.scene.checksum,
            etag=source.header.source.etag,
        )
        for source in found
    ]
    return tuple(sorted(references, key=lambda item: (item.collection, item.item_id, item.asset_key or "")))


def build_virtual(
    scenes: Sequence[SceneAsset],
    *,
    lake: Settings | None = None,
    access: Access | None = None,
    metadata: CommitMetadata | None = None,
    strict: bool = False,
    replace_changed: bool = False,
    workers: int = geotiff.WORKERS,
) -> VirtualReport:
    """Reference scenes in the virtual cubes: new groups, and new dates of groups that there are, wherever they belong in time.

    What is referenced already is left alone: a build without anything new makes no commit. Everything a build writes is one
    commit, or nothing.

    Args:
        scenes: assets, such as ``scenes_in_lake`` gives them; the order does not matter.
        lake: settings; those of the process when omitted.
        access: credentials of sources; the lake's own bucket and public ones when omitted. They are not stored.
        metadata: where the list of scenes comes from; the items are filled in.
        strict: refuse everything when anything is refused.
        replace_changed: reference sources anew that have changed since they were referenced.
        workers: headers read at the same time.

    Raises:
        SceneRefusedError: ``strict``, and something was refused; nothing is written.
        CubeLockedError: another process still writes.
        CubeConflictError: on S3, another build was finished first.
    """
    access = access or Access.of(lake)
    with store.build(
        CubeName.VIRTUAL,
        message="reference scenes",
        metadata=metadata,
        lake=lake,
        access=access,
        prefixes=reachable_prefixes(scenes),
    ) as build:
        inputs = {
            "scenes": list(scenes),
            "access": access,
            "workers": workers,
            "session": build.session,
            "replace_changed": replace_changed,
            "strict": strict,
        }
        wanted = ["written_groups", "refusals", "added_items", "accepted"]
        found = build_driver(sys.modules[__name__]).execute(wanted, inputs=inputs)
        build.metadata = build.metadata.model_copy(update={"items": found["added_items"]})
        build.message = f"reference {len(found['added_items'])} rasters in {len(found['written_groups'])} groups"
        build.checks.append(partial(check_groups, plans=found["accepted"]))
    for refusal in found["refusals"]:
        log.info("refused %s", refusal)
    return VirtualReport(tuple(found["written_groups"]), tuple(found["refusals"]), build.snapshot_id, build.tag)
