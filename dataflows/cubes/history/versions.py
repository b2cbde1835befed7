"""The history of a repository: commits, branches and tags."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

import icechunk

from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from dataflows.cubes.repository.storage import CubeName
from dataflows.cubes.repository.store import AsOf
from db.errors import CubeConflictError, CubeError
from db.settings import Settings

# What dataflows.cubes.repository.store calls a commit when nobody names it
_BUILD_TAG = re.compile(r"\d{8}T\d{6}Z-[0-9A-Z]{20}")


@dataclass(frozen=True)
class Version:
    """One commit.

    Attributes:
        snapshot_id: its id.
        parent_id: the commit before; ``None`` of the first.
        written_at: when, UTC.
        message: what it says.
        branches: those whose tip it is.
        tags: those that name it.
        on_main: whether it is in the history of ``main``.
        metadata: where it came from; ``None`` of commits that are not ours.
    """

    snapshot_id: str
    parent_id: str | None
    written_at: datetime
    message: str
    branches: tuple[str, ...]
    tags: tuple[str, ...]
    on_main: bool
    metadata: CommitMetadata | None


def is_build_tag(tag: str) -> bool:
    """Whether a tag is one that every build gets, rather than one that somebody gave."""
    return _BUILD_TAG.fullmatch(tag) is not None


def versions(repo: icechunk.Repository) -> list[Version]:
    """Every commit that a branch or a tag leads to, newest first."""
    branches, tags = defaultdict(list), defaultdict(list)
    for branch in sorted(repo.list_branches()):
        branches[repo.lookup_branch(branch)].append(branch)
    for tag in sorted(repo.list_tags()):
        tags[repo.lookup_tag(tag)].append(tag)
    found = {info.id: info for info in repo.ancestry(branch=store.MAIN)}
    on_main = set(found)
    for tip in {*branches, *tags}:
        for info in repo.ancestry(snapshot_id=tip):
            if info.id in found:
                break
            found[info.id] = info
    return [
        Version(
            info.id,
            info.parent_id,
            info.written_at,
            info.message,
            tuple(branches[info.id]),
            tuple(tags[info.id]),
            info.id in on_main,
            CommitMetadata.of(info),
        )
        for info in sorted(found.values(), key=lambda info: info.written_at, reverse=True)
    ]


def create_tag(lake: Settings, name: CubeName, tag: str, *, as_of: AsOf | None = None) -> str:
    """Give a version a name, under which it is kept for good.

    Args:
        lake: settings.
        name: which repository.
        tag: the name.
        as_of: the version; ``main`` as it is now when omitted.

    Returns:
        The snapshot id.

    Raises:
        CubeError: the name means something already, or looks like something else.
        SnapshotNotFoundError: there is no such version.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", tag) or is_build_tag(tag):
        raise CubeError(f"{tag!r} is no name for a tag.", remedy="Begin with a letter; use letters, digits, '_', '-' and '.'.")
    with store.writing(name, lake=lake):
        repo = store.repository(name, lake=lake)
        if tag in repo.list_branches() or tag in repo.list_tags():
            raise CubeError(f"{name} has a branch or tag {tag!r} already.", remedy="Choose another name.")
        snapshot = store.snapshot_at(repo, as_of)
        try:
            repo.create_tag(tag, snapshot)
        except icechunk.IcechunkError as error:
            # The name of a deleted tag stays taken, and on S3 another process may have been first
            raise CubeConflictError(f"{tag!r} cannot be given: {error.message}.", remedy="Choose another name.") from error
    return snapshot
