"""Archives from strangers, opened safely: zip, 7z and tar, told apart by content.

Nothing is written that a member's name could lead elsewhere, no links or devices, and no more bytes than a deposit of that size
can honestly hold; the last is counted while writing, because headers may lie.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import py7zr

from db.errors import CorruptArchiveError, EncryptedArchiveError, UnsafeArchiveError
from ingest.archive_formats import Archive, SevenZipArchive, TarArchive, Writer, ZipArchive
from ingest.manifest import FileFilter
from ingest.paths import published_path
from ingest.selection import nothing_matched, select

logger = logging.getLogger(__name__)

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_SEVEN_ZIP_MAGIC = b"7z\xbc\xaf\x27\x1c"
_BY_HAND = "Unpack it by hand and use the folder as a mirror."
_AGAIN = "Fetch it again with --refresh, or report it to the publisher."


@dataclass(frozen=True)
class Limits:
    """How much an archive may unpack to.

    Attributes:
        members: how many members it may have, wanted or not.
        total_bytes: size of all wanted members together.
        ratio: unpacked size over archive size; real vector data stays below 50.
        ratio_from_bytes: unpacked size below which the ratio does not matter, since tiny files of zeros compress well.
    """

    members: int = 200_000
    total_bytes: int = 200 * 2**30
    ratio: float = 200.0
    ratio_from_bytes: int = 256 * 2**20


@dataclass(frozen=True)
class ExtractedMember:
    """A member on disk: its safe path, below the folder it was extracted to, its sha256 (hex) and size in bytes."""

    name: str
    sha256: str
    bytes: int


def archive_type(path: Path) -> type[Archive] | None:
    """Which kind of archive a file is, by its content; ``None`` for a file that is none."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(_ZIP_MAGIC):
        return ZipArchive
    if head.startswith(_SEVEN_ZIP_MAGIC):
        return SevenZipArchive
    try:
        return TarArchive if tarfile.is_tarfile(path) else None
    except (EOFError, zlib.error, lzma.LZMAError):  # compressed, but not a whole archive
        return None


def extract(archive: Path, folder: Path, wanted: FileFilter, *, limits: Limits | None = None) -> list[ExtractedMember]:
    """Write the wanted members of an archive below a folder.

    Args:
        archive: a zip, 7z or tar file under any name.
        folder: existing, empty folder; what it holds after an error is to be thrown away.
        wanted: which members; companions of shapefiles come along.
        limits: bounds on what is written.

    Raises:
        UnsafeArchiveError: a member would be written elsewhere, is a link or device, or there is too much of it.
        EncryptedArchiveError: a wanted member needs a password.
        CorruptArchiveError: the archive, or a wanted member, cannot be read.
        NoFileMatchedError: no member is wanted; lists those there are.
        MissingCompanionError: a wanted shapefile is incomplete.
    """
    limits = limits or Limits()
    kind = archive_type(archive)
    if kind is None:
        raise CorruptArchiveError(f"{archive.name} is neither zip nor 7z nor tar.", remedy="Correct the file or the manifest.")
    with _translated_errors(archive), kind(archive) as opened:
        members = _safe_members(opened, archive, limits)
        chosen = select(members, wanted)
        if not chosen:
            raise nothing_matched(wanted, members, archive.name)
        locked = [name for name in chosen if members[name].encrypted]
        if locked:
            raise EncryptedArchiveError(f"{archive.name}: {locked[0]} is encrypted.", remedy=_BY_HAND)
        writers = BoundedWriters(folder, archive, limits)
        writers.reserve(sum(members[name].size for name in chosen))
        opened.copy({members[name].raw_name: name for name in chosen}, writers)
        lost = [name for name in chosen if name not in writers.finished]
        if lost:
            raise CorruptArchiveError(f"{archive.name} lists {lost[0]}, but does not hold it.", remedy=_AGAIN)
    return [writers.finished[name] for name in chosen]


@dataclass(frozen=True)
class _SafeMember:
    raw_name: str
    size: int
    encrypted: bool


def _safe_members(opened: Archive, archive: Path, limits: Limits) -> dict[str, _SafeMember]:
    """All file members by safe path; any unsafe one condemns the archive, wanted or not."""
    members: dict[str, _SafeMember] = {}
    for count, member in enumerate(opened.members(), start=1):
        if count > limits.members:
            raise _unsafe(archive, f"has more than {limits.members:,} members")
        if member.kind not in ("file", "folder"):
            raise _unsafe(archive, f"holds a {member.kind}: {member.name!r}")
        if member.kind == "folder" and member.name.strip("./") == "":
            continue  # "./", the root of many a tar file
        try:
            name = published_path(member.name)
        except ValueError as error:
            raise _unsafe(archive, f"has an unsafe member name {member.name!r}: {error}") from error
        if member.kind == "folder":
            continue
        if name in members:
            raise _unsafe(archive, f"has two members {name!r}")
        members[name] = _SafeMember(member.name, member.size, member.encrypted)
    return members


def _unsafe(archive: Path, what: str) -> UnsafeArchiveError:
    return UnsafeArchiveError(
        f"{archive.name} {what}.", remedy="Do not use it; if it is honest, unpack it by hand and use the folder as a mirror."
    )


class BoundedWriters:
    """Creates the files of members, and counts what is written to all of them."""

    def __init__(self, folder: Path, archive: Path, limits: Limits) -> None:
        self._folder = folder
        self._archive = archive
        self._limits = limits
        self._archive_bytes = max(1, archive.stat().st_size)
        self._written = 0
        self.finished: dict[str, ExtractedMember] = {}

    def reserve(self, total: int) -> None:
        """Raise if ``total`` unpacked bytes are too many."""
        if total > self._limits.total_bytes:
            raise _unsafe(self._archive, f"unpacks to more than {self._limits.total_bytes:,} bytes")
        if total > self._limits.ratio_from_bytes and total > self._limits.ratio * self._archive_bytes:
            raise _unsafe(self._archive, f"unpacks to more than {self._limits.ratio:g} times its size")

    def create(self, name: str) -> Writer:
        """Open the file of a member for writing."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return _MemberWriter(self, name, path.open("xb"))

    def count(self, size: int) -> None:
        """Note that ``size`` bytes are about to be written."""
        self._written += size
        self.reserve(self._written)


class _MemberWriter:
    def __init__(self, writers: BoundedWriters, name: str, file: BinaryIO) -> None:
        self._writers, self._name, self._file = writers, name, file
        self._hash, self._size = hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self._writers.count(len(data))
        self._hash.update(data)
        self._size += len(data)
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()
        self._writers.finished[self._name] = ExtractedMember(self._name, self._hash.hexdigest(), self._size)


@contextmanager
def _translated_errors(archive: Path) -> Iterator[None]:
    """Turn what the archive libraries raise on bad input into errors of this project."""
    try:
        yield
    except py7zr.PasswordRequired as error:
        raise EncryptedArchiveError(f"{archive.name} is encrypted.", remedy=_BY_HAND) from error
    except NotImplementedError as error:
        raise CorruptArchiveError(
            f"{archive.name} uses a compression that cannot be read here: {error}.",
            remedy=_BY_HAND,
        ) from error
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        py7zr.exceptions.ArchiveError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        struct.error,
    ) as error:
        raise _corrupt(archive, error) from error
    except OSError as error:
        # Other numbers are of the disk. gzip and bz2 raise a bare OSError; EINVAL is a seek to where a header wrongly points.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise _corrupt(archive, error) from error


def _corrupt(archive: Path, error: Exception) -> CorruptArchiveError:
    return CorruptArchiveError(
        f"{archive.name} is damaged: {error or type(error).__name__}.",
        remedy=_AGAIN,
    )
