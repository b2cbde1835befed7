"""zip, 7z and tar behind one interface: list the members, copy some of them.

No judgement of what is safe is made here: that is :mod:`ingest.archives`.
"""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol, Self

import py7zr
from py7zr.io import Py7zIO, WriterFactory

_CHUNK = 1 << 20
_ZIP_ENCRYPTED = 0x1


@dataclass(frozen=True)
class Member:
    """An entry of an archive as its header describes it; ``size`` in bytes, unpacked."""

    name: str
    kind: Literal["file", "folder", "link", "special file"]
    size: int
    encrypted: bool = False


class Writer(Protocol):
    """Takes the bytes of one member."""

    def write(self, data: bytes) -> int:
        """Take some bytes."""

    def close(self) -> None:
        """Say that these were all."""


class Writers(Protocol):
    """Opens a writer a member."""

    def create(self, name: str) -> Writer:
        """Open the writer of the member that is to be called ``name``."""


class Archive(Protocol):
    """An open archive."""

    def __init__(self, path: Path) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def members(self) -> Iterator[Member]:
        """Every entry, in the order of the archive."""

    def copy(self, names: Mapping[str, str], writers: Writers) -> None:
        """Write the members called as the keys of ``names`` to writers called as the values."""


class ZipArchive:
    """A zip file."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._zip.close()

    def members(self) -> Iterator[Member]:
        """Every entry; the kind is that of the Unix mode, where there is one."""
        for info in self._zip.infolist():
            kind = "folder" if info.is_dir() else _kind_of_mode(info.external_attr >> 16)
            yield Member(info.orig_filename, kind, info.file_size, bool(info.flag_bits & _ZIP_ENCRYPTED))

    def copy(self, names: Mapping[str, str], writers: Writers) -> None:
        """Copy members; their CRC is checked."""
        for info in self._zip.infolist():
            if info.orig_filename in names:
                with self._zip.open(info) as source:
                    _copy(source, writers.create(names[info.orig_filename]))


class TarArchive:
    """A tar file, compressed or not."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._tar.close()

    def members(self) -> Iterator[Member]:
        """Every entry."""
        for info in self._tar:
            if info.isreg():
                kind = "file"
            elif info.isdir():
                kind = "folder"
            else:
                kind = "link" if info.issym() or info.islnk() else "special file"
            yield Member(info.name, kind, info.size)

    def copy(self, names: Mapping[str, str], writers: Writers) -> None:
        """Copy members, in the order of the archive: seeking back in a compressed one means reading it anew."""
        for info in self._tar:
            if info.isreg() and info.name in names:
                source = self._tar.extractfile(info)
                assert source is not None
                _copy(source, writers.create(names[info.name]))


class SevenZipArchive:
    """A 7z file."""

    def __init__(self, path: Path) -> None:
        # An open file and not a path: with a path py7zr decompresses in several threads, which the byte count does not expect.
        self._file = path.open("rb")
        try:
            self._archive = py7zr.SevenZipFile(self._file)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._archive.close()
        self._file.close()

    def members(self) -> Iterator[Member]:
        """Every entry."""
        encrypted = self._archive.needs_password()
        for info in self._archive.files:
            if info.is_symlink or info.is_junction:
                kind = "link"
            elif info.is_directory:
                kind = "folder"
            else:
                kind = "special file" if info.is_socket else _kind_of_mode(info.st_fmt or 0)
            yield Member(info.filename, kind, info.uncompressed or 0, encrypted)

    def copy(self, names: Mapping[str, str], writers: Writers) -> None:
        """Copy members; their CRC is checked."""
        # py7zr hands out names as paths, which drops "./" and the like
        by_path = {Path(raw).as_posix(): name for raw, name in names.items()}
        self._archive.extract(targets=list(names), factory=_SevenZipWriters(by_path, writers))


class _SevenZipWriters(WriterFactory):
    def __init__(self, names: Mapping[str, str], writers: Writers) -> None:
        self._names, self._writers = names, writers

    def create(self, filename: str) -> Py7zIO:
        return _SevenZipWriter(self._writers.create(self._names[filename]))


class _SevenZipWriter(Py7zIO):
    """py7zr asks for a whole file object, but only writes and closes."""

    def __init__(self, writer: Writer) -> None:
        self._writer, self._size = writer, 0

    def write(self, s: bytes | bytearray) -> int:
        self._size += len(s)
        return self._writer.write(bytes(s))

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        return None

    def size(self) -> int:
        return self._size

    def close(self) -> None:
        self._writer.close()


def _kind_of_mode(mode: int) -> Literal["file", "folder", "link", "special file"]:
    """Kind of a member from its Unix mode; 0 or bare permissions come from writers on other systems, and mean a file."""
    kind = stat.S_IFMT(mode)
    if kind in (0, stat.S_IFREG):
        return "file"
    if kind == stat.S_IFDIR:
        return "folder"
    return "link" if kind == stat.S_IFLNK else "special file"


def _copy(source: IO[bytes], writer: Writer) -> None:
    try:
        shutil.copyfileobj(source, writer, _CHUNK)
    finally:
        writer.close()
