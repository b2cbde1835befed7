"""Icechunk repositories: read as of a version, and written by builds that are visible when they are complete, or not at all.

A build works on a branch of its own. When its block ends, its checks are run on what was written; then it is committed once,
``main`` is moved to that commit, and the commit is tagged. When anything fails, or the process dies, ``main`` is where it was.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import icechunk

from dataflows.cubes.rasters.access import Access
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from dataflows.cubes.repository.locks import WAIT_S, process_lock
from dataflows.cubes.repository.storage import CubeName, Location, configuration, open_repository
from db.errors import CubeConflictError, CubeError, CubeNotFoundError, SnapshotNotFoundError
from db.settings import Settings

log = logging.getLogger(__name__)

MAIN = "main"
BUILDS = "build/"
RESUMABLE = f"{BUILDS}resumable/"

# On S3 nobody can tell a build that died from one that runs on another machine, except by its age
ABANDONED_AFTER = timedelta(days=7)

_STAMP = "%Y%m%dT%H%M%SZ"

AsOf = str | datetime

Check = Callable[[icechunk.Session], None]


def exists(name: CubeName | str, lake: Settings | None = None) -> bool:
    """Whether a repository has been created."""
    return icechunk.Repository.exists(Location.of(name, lake).storage())


def repository(name: CubeName | str, *, lake: Settings | None = None, access: Access | None = None) -> icechunk.Repository:
    """An existing repository. What writes to it holds :func:`writing`.

    Args:
        name: ``virtual``, ``chips`` or ``regions``.
        lake: settings; those of the process when omitted.
        access: credentials of the sources of virtual chunks; those of the lake, and public buckets, when omitted.

    Raises:
        CubeNotFoundError: it has not been created.
    """
    location = Location.of(name, lake)
    try:
        return open_repository(location, access or Access.of(location.lake))
    except icechunk.RepositoryNotFoundError:
        raise CubeNotFoundError(f"There are no {name} cubes at {location}.", remedy="Run 'eopv cube build'.") from None


def open_readonly(
    name: CubeName | str, as_of: AsOf | None = None, *, lake: Settings | None = None, access: Access | None = None
) -> icechunk.Session:
    """A session that reads one version of a repository; its ``store`` is what xarray and zarr open.

    Args:
        name: ``virtual``, ``chips`` or ``regions``.
        as_of: a tag, a branch, a snapshot id, or a time (``datetime``, or ISO 8601 text; without an offset it is UTC) on
            ``main``; ``main`` as it is now when omitted.
        lake: settings; those of the process when omitted.
        access: as in :func:`repository`.

    Raises:
        CubeNotFoundError: the repository has not been created.
        SnapshotNotFoundError: it has no such version.
    """
    repo = repository(name, lake=lake, access=access)
    return repo.readonly_session(snapshot_id=snapshot_at(repo, as_of))


def snapshot_at(repo: icechunk.Repository, as_of: AsOf | None) -> str:
    """Snapshot id of a version, named as in :func:`open_readonly`.

    Raises:
        SnapshotNotFoundError: there is no such version.
    """
    if as_of is None:
        return repo.lookup_branch(MAIN)
    try:
        if isinstance(as_of, datetime):
            return _at_time(repo, as_of)
        if as_of in repo.list_tags():
            return repo.lookup_tag(as_of)
        if as_of in repo.list_branches():
            return repo.lookup_branch(as_of)
        if (time := _parsed_time(as_of)) is not None:
            return _at_time(repo, time)
        return repo.lookup_snapshot(as_of).id
    except (icechunk.NotFoundError, icechunk.InvalidInputError):
        raise SnapshotNotFoundError(
            f"The cubes have no tag, branch, snapshot or time {str(as_of)!r}.", remedy="List them with 'eopv cube versions'."
        ) from None


@contextmanager
def writing(name: CubeName | str, *, lake: Settings | None = None, wait_s: float = WAIT_S) -> Iterator[Location]:
    """Keep other writers of this machine out of a repository in a folder; on S3 conditional writes do so.

    A builder holds it already: neither this nor :func:`build` may be used inside a build of the same repository.

    Raises:
        CubeLockedError: another process still writes after ``wait_s`` seconds.
    """
    location = Location.of(name, lake)
    with ExitStack() as held:
        if location.lock_file is not None:
            held.enter_context(process_lock(location.lock_file, wait_s=wait_s))
        yield location


@dataclass
class Build:
    """A build in progress.

    Attributes:
        repository: the repository.
        session: writable, on the build's branch; a new one after :meth:`checkpoint`. ``session.store`` is what to write to.
        branch: name of the build's branch.
        base: snapshot that ``main`` was at when the build began.
        metadata: goes into the commit; may be replaced until the block ends.
        message: of the commit; may be replaced until the block ends.
        checks: run on a read-only session of the committed build before ``main`` moves; one that raises ends the build.
        resumed: the branch holds checkpoints of an earlier, interrupted build.
        snapshot_id: after the block: the commit, which ``main`` is at; ``None`` where nothing changed.
        tag: after the block: the commit's tag; ``None`` where nothing changed.
    """

    repository: icechunk.Repository
    session: icechunk.Session
    branch: str
    base: str
    metadata: CommitMetadata
    message: str
    checks: list[Check] = field(default_factory=list)
    resumed: bool = False
    snapshot_id: str | None = None
    tag: str | None = None

    @property
    def store(self) -> icechunk.IcechunkStore:
        """What zarr and xarray write to."""
        return self.session.store

    def checkpoint(self) -> None:
        """Keep what has been written so far on the build's branch, for a build that can be resumed."""
        if self.session.has_uncommitted_changes:
            self._commit()
            self.session = self.repository.writable_session(self.branch)

    def _commit(self) -> str:
        properties = self.metadata.as_properties()
        if self.repository.lookup_branch(self.branch) == self.base:
            return self.session.commit(self.message, properties)
        # One build is one commit, however many checkpoints it had
        return self.session.amend(self.message, metadata=properties, allow_empty=True)

    @property
    def _has_changes(self) -> bool:
        return self.session.has_uncommitted_changes or self.repository.lookup_branch(self.branch) != self.base


@contextmanager
def build(
    name: CubeName | str,
    *,
    message: str,
    metadata: CommitMetadata | None = None,
    check: Check | None = None,
    resume: str | None = None,
    tag: str | None = None,
    lake: Settings | None = None,
    access: Access | None = None,
    prefixes: Iterable[str] = (),
    wait_s: float = WAIT_S,
) -> Iterator[Build]:
    """Build on a fresh branch; at the end of the block: commit once, check, move ``main``, tag. Nothing changed: no commit.

    Args:
        name: ``virtual``, ``chips`` or ``regions``; the repository is created where it is missing.
        message: of the commit.
        metadata: where the content comes from.
        check: raises where the result must not become ``main``.
        resume: a name for a build that may be interrupted and gone on with: what :meth:`Build.checkpoint` kept is there again
            when a build of that name begins and ``main`` has not moved since.
        tag: of the commit; time and snapshot id when omitted.
        lake: settings; those of the process when omitted.
        access: as in :func:`repository`.
        prefixes: where virtual chunks of this build lie (``file:///folder/``, ``https://host/``, ``s3://bucket/``).
        wait_s: seconds to wait for another writer of this machine.

    Raises:
        CubeLockedError: another process still writes after ``wait_s`` seconds.
        CubeConflictError: on S3, another build moved ``main`` meanwhile; nothing of this one is visible.
        CubeError: the storage refused (full, out of reach, forbidden); nothing of this build is visible.
    """
    with writing(name, lake=lake, wait_s=wait_s) as location:
        repo = _open_or_create(location, access or Access.of(location.lake), tuple(prefixes))
        base = repo.lookup_branch(MAIN)
        # Where we hold the lock, nobody works on any of them
        _drop_abandoned(repo, timedelta(0) if location.lock_file is not None else ABANDONED_AFTER)
        branch, resumed = _branch(repo, base, resume)
        work = Build(repo, repo.writable_session(branch), branch, base, metadata or CommitMetadata(), message, resumed=resumed)
        if check is not None:
            work.checks.append(check)
        keep = False
        try:
            yield work
            if work._has_changes:
                _finish(work, tag)
        except BaseException as error:
            keep = resume is not None and repo.lookup_branch(branch) != base
            if isinstance(error, icechunk.IcechunkError):
                raise CubeError(
                    f"The {name} cubes at {location} could not be written: {_reason(error)}.",
                    remedy="They are as they were before. See to the storage (room, reach, permission) and run it again.",
                ) from error
            raise
        finally:
            if not keep:
                _drop(repo, branch)


def _reason(error: icechunk.IcechunkError) -> str:
    """The cause of an error without its trace."""
    lines = [line.strip(" |│×╰─▶\t") for line in str(error).splitlines()]
    return next((line for line in lines if line), type(error).__name__)


def _finish(work: Build, tag: str | None) -> None:
    repo = work.repository
    snapshot = work._commit()
    written = repo.readonly_session(snapshot_id=snapshot)
    for check in work.checks:
        check(written)
    try:
        repo.reset_branch(MAIN, snapshot, from_snapshot_id=work.base)
    except icechunk.ConflictError:
        raise CubeConflictError(
            f"Another build of the cubes was finished while {work.message!r} ran.", remedy="Run it again: nothing was changed."
        ) from None
    work.snapshot_id = snapshot
    work.tag = tag or f"{datetime.now(UTC):{_STAMP}}-{snapshot}"
    repo.create_tag(work.tag, snapshot)
    log.info("%s: %s", work.tag, work.message)


def _open_or_create(location: Location, access: Access, prefixes: tuple[str, ...]) -> icechunk.Repository:
    storage = location.storage()
    if not icechunk.Repository.exists(storage):
        if location.folder is not None:
            location.folder.mkdir(parents=True, exist_ok=True)
        try:
            icechunk.Repository.create(storage, config=configuration())
        except icechunk.IcechunkError:
            # On S3 another process may have been first
            if not icechunk.Repository.exists(location.storage()):
                raise
    stored = icechunk.Repository.fetch_config(storage)
    known = tuple((stored.virtual_chunk_containers if stored else None) or ())
    new = [prefix for prefix in prefixes if not prefix.startswith(known)]
    repo = open_repository(location, access, new)
    if new:
        repo.save_config()
    return repo


def _branch(repo: icechunk.Repository, base: str, resume: str | None) -> tuple[str, bool]:
    """The build's branch, and whether it holds an earlier build's checkpoints."""
    name = f"{BUILDS}{datetime.now(UTC):{_STAMP}}-{uuid.uuid4().hex}" if resume is None else f"{RESUMABLE}{resume}"
    if name in repo.list_branches():
        tip = repo.lookup_snapshot(repo.lookup_branch(name))
        if tip.parent_id == base:
            return name, True
        repo.delete_branch(name)
    repo.create_branch(name, base)
    return name, False


def _drop_abandoned(repo: icechunk.Repository, age: timedelta) -> None:
    """Drop branches of builds that began so long ago that they have died; what can be resumed stays."""
    latest = f"{datetime.now(UTC) - age:{_STAMP}}"
    for branch in sorted(repo.list_branches()):
        if (
            branch.startswith(BUILDS)
            and not branch.startswith(RESUMABLE)
            and branch.removeprefix(BUILDS)[: len(latest)] <= latest
        ):
            _drop(repo, branch)


def _drop(repo: icechunk.Repository, branch: str) -> None:
    """Drop a branch; one that cannot be dropped now is in nobody's way and is dropped by a later build."""
    try:
        repo.delete_branch(branch)
    except icechunk.IcechunkError as error:
        log.warning("branch %s could not be dropped: %s", branch, error.kind)


def _at_time(repo: icechunk.Repository, time: datetime) -> str:
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return repo.readonly_session(MAIN, as_of=aware).snapshot_id


def _parsed_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
