"""Forgets old versions of a repository and frees what only they held. Versions that somebody tagged are kept."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import icechunk

from dataflows.cubes.history.versions import is_build_tag, versions
from dataflows.cubes.landed_series import TABLES
from dataflows.cubes.repository import store
from dataflows.cubes.repository.storage import CubeName
from db.errors import CubeError
from db.lake import has_table
from db.settings import Settings
from db.sql import identifier

log = logging.getLogger(__name__)

# Where no lock keeps builders away (S3), what they write is younger than this: they checkpoint every minute
GRACE = timedelta(days=1)


@dataclass(frozen=True)
class Garbage:
    """What was, or would be, removed.

    Attributes:
        applied: whether it was.
        tags: tags of builds.
        branches: of interrupted builds that cannot be resumed any more.
        expired: snapshots that leave the history.
        snapshots: snapshots that were freed. Not applied: that are garbage already, whatever is expired.
        chunks: chunks, likewise.
        manifests: manifests, likewise.
        bytes: of all of these.
    """

    applied: bool
    tags: tuple[str, ...]
    branches: tuple[str, ...]
    expired: tuple[str, ...]
    snapshots: int
    chunks: int
    manifests: int
    bytes: int


def collect_garbage(
    lake: Settings,
    name: CubeName,
    older_than: timedelta,
    *,
    build_tags: bool = False,
    keep: Iterable[str] = (),
    apply: bool = False,
    now: datetime | None = None,
) -> Garbage:
    """Expire versions that are older than a time span and that no tag names; delete what nothing refers to any more.

    ``main`` and every version that somebody tagged stay whole. Every build is tagged, too: those tags protect it unless
    ``build_tags`` is asked for.

    Args:
        lake: settings.
        name: which repository.
        older_than: age of versions, and of objects on storage.
        build_tags: drop the tags of builds that are older, so that they can expire.
        keep: snapshot ids whose tags stay in any case: those that tables of the lake name.
        apply: do it; otherwise only say what would be done.
        now: the end of the time span; the present when omitted.

    Raises:
        CubeNotFoundError: there is no such repository.
        CubeLockedError: another process writes.
        CubeError: some objects could not be deleted.
    """
    limit = (now or datetime.now(UTC)) - older_than
    with store.writing(name, lake=lake) as location:
        repo = store.repository(name, lake=lake)
        main = repo.lookup_branch(store.MAIN)
        kept = {main, *keep}
        branches = _stale_branches(repo, main, limit)
        dropped, expired = _expiring(repo, limit, kept, branches, build_tags=build_tags)
        objects = limit if location.lock_file is not None else min(limit, datetime.now(UTC) - GRACE)
        if apply:
            for branch in branches:
                repo.delete_branch(branch)
            for tag in dropped:
                repo.delete_tag(tag)
            expired = tuple(sorted(repo.expire_snapshots(limit)))
        summary = repo.garbage_collect(objects, dry_run=not apply)
    if summary.objects_failed_to_delete:
        errors = "; ".join(summary.delete_errors)
        raise CubeError(
            f"{summary.objects_failed_to_delete} objects of {location} could not be deleted: {errors}.",
            remedy="Check the storage and run it again; nothing that is needed was deleted.",
        )
    log.info("%s: %d snapshots expired, %d bytes freed", location, len(expired), summary.bytes_deleted if apply else 0)
    return Garbage(
        apply,
        dropped,
        branches,
        expired,
        summary.snapshots_deleted,
        summary.chunks_deleted,
        summary.manifests_deleted,
        summary.bytes_deleted,
    )


def named_snapshots(lake: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Versions of the chips that tables of the lake were computed from."""
    found: set[str] = set()
    for table in TABLES:
        if has_table(lake, "landing", table):
            rows = lake.execute(f"SELECT DISTINCT icechunk_snapshot FROM lake.landing.{identifier(table)}").fetchall()
            found |= {snapshot for (snapshot,) in rows}
    return frozenset(found)


def _stale_branches(repo: icechunk.Repository, main: str, limit: datetime) -> tuple[str, ...]:
    """Interrupted builds that began before ``main`` moved: a build of that name would begin anew."""
    found = []
    for branch in sorted(repo.list_branches()):
        if branch.startswith(store.RESUMABLE):
            tip = repo.lookup_snapshot(repo.lookup_branch(branch))
            if tip.parent_id != main and tip.written_at < limit:
                found.append(branch)
    return tuple(found)


def _expiring(
    repo: icechunk.Repository, limit: datetime, kept: set[str], stale: tuple[str, ...], *, build_tags: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tags to drop, and snapshots that Icechunk will expire then: all but the first, and the tips of what stays."""
    history = versions(repo)
    dropped, staying = [], set()
    for version in history:
        for tag in version.tags:
            drops = build_tags and is_build_tag(tag) and version.written_at < limit and version.snapshot_id not in kept
            dropped += [tag] if drops else []
            staying |= set() if drops else {version.snapshot_id}
        if set(version.branches) - set(stale):
            staying.add(version.snapshot_id)
    expired = [
        version.snapshot_id
        for version in history
        if version.written_at < limit and version.parent_id is not None and version.snapshot_id not in staying
    ]
    return tuple(sorted(dropped)), tuple(sorted(expired))
