"""Archives of an acquisition → their wanted members, unpacked once and verified ever after.

Layout: ``<cache>/unpacked/<sha256 of the archive>/<selection>/`` holds ``members/`` and ``index.json``; it appears by rename,
complete or not at all. The selection is part of the path because two distributions may want other members of one archive.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from db.errors import AcquisitionError
from ingest.acquired import AcquiredFile, Acquisition
from ingest.archives import ExtractedMember, Limits, archive_type, extract
from ingest.manifest import FileFilter
from ingest.verification import verify

logger = logging.getLogger(__name__)

_INDEX = TypeAdapter(list[ExtractedMember])
READ_PACKED = (".kmz",)  # zip files that a reader opens as they are


def unpack(acquisition: Acquisition, *, cache_dir: Path, limits: Limits | None = None) -> Acquisition:
    """Replace each archive by those of its members that ``distribution.members`` accepts; other files pass through.

    Without ``members`` all of them are taken, but a KMZ is left as it is: its reader wants it so.

    Args:
        acquisition: from :func:`ingest.acquire.fetch`.
        cache_dir: root of the cache.
        limits: bounds on what an archive may unpack to.

    Raises:
        UnsafeArchiveError: an archive would write elsewhere, holds links or devices, or unpacks to an absurd size.
        EncryptedArchiveError: a wanted member needs a password.
        CorruptArchiveError: an archive cannot be read.
        NoFileMatchedError: no member of an archive is wanted; lists those there are.
        MissingCompanionError: a wanted shapefile is incomplete.
    """
    wanted = acquisition.distribution.members
    files: list[AcquiredFile] = []
    for file in acquisition.files:
        packed = archive_type(file.path) is not None and (wanted is not None or not file.name.lower().endswith(READ_PACKED))
        files.extend(_members(file, wanted or FileFilter(), cache_dir, limits) if packed else [file])
    return Acquisition.of(acquisition.dataset, acquisition.distribution, files)


def _members(archive: AcquiredFile, wanted: FileFilter, cache_dir: Path, limits: Limits | None) -> Iterator[AcquiredFile]:
    selection = hashlib.sha256(wanted.model_dump_json().encode()).hexdigest()[:12]
    folder = cache_dir / "unpacked" / archive.sha256 / selection
    members = _unpacked(folder)
    if members is None:
        members = _unpack(archive, wanted, folder, limits)
    for member in members:
        path = folder / "members" / member.name
        yield AcquiredFile(f"{archive.name}/{member.name}", path, member.sha256, member.bytes, archive.origin)


def _unpacked(folder: Path) -> list[ExtractedMember] | None:
    """Members unpacked by an earlier run, verified; ``None`` when there are none or they are damaged."""
    try:
        members = _INDEX.validate_json((folder / "index.json").read_bytes())
        for member in members:
            verify(folder / "members" / member.name, member.name, checksums=[f"sha256:{member.sha256}"], size=member.bytes)
    except FileNotFoundError as error:
        if folder.exists():
            logger.warning("%s is incomplete and will be unpacked again: %s.", folder, error)
        return None
    except (ValidationError, AcquisitionError) as error:
        logger.warning("%s is damaged and will be unpacked again: %s", folder, error)
        return None
    return members


def _unpack(archive: AcquiredFile, wanted: FileFilter, folder: Path, limits: Limits | None) -> list[ExtractedMember]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}.tmp")
    (temporary / "members").mkdir(parents=True)
    try:
        members = extract(archive.path, temporary / "members", wanted, limits=limits)
        (temporary / "index.json").write_bytes(_INDEX.dump_json(members, indent=1))
        _put_in_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    logger.info("Unpacked %d of %s.", len(members), archive.name)
    return members


def _put_in_place(temporary: Path, folder: Path) -> None:
    """Rename ``temporary`` to ``folder``, unless another process has unpacked the same meanwhile."""
    if folder.exists() and _unpacked(folder) is None:
        damaged = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}.damaged")
        folder.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    try:
        temporary.rename(folder)
    except OSError:
        if not (folder / "index.json").exists():
            raise
