"""Whether the bytes of a file are those that were promised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from db.errors import ChecksumMismatchError, IncompleteDownloadError, LfsPointerError

_CHUNK = 1 << 20
_LFS_MAGIC = b"version https://git-lfs.github.com/spec/"


def digests(path: Path, algorithms: Iterable[str]) -> dict[str, str]:
    """Hex digests of a file by algorithm (names of :mod:`hashlib`), in one pass."""
    hashes = {algorithm: hashlib.new(algorithm, usedforsecurity=False) for algorithm in algorithms}
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            for digest in hashes.values():
                digest.update(chunk)
    return {algorithm: digest.hexdigest() for algorithm, digest in hashes.items()}


def verify(path: Path, name: str, *, checksums: Iterable[str] = (), size: int | None = None) -> str:
    """Check a file against its promises.

    Args:
        path: the file.
        name: published name, for messages.
        checksums: each ``"<algorithm>:<hex>"``.
        size: expected size in bytes, where known.

    Returns:
        The file's sha256, in hex.

    Raises:
        IncompleteDownloadError: it is shorter or longer than ``size``.
        LfsPointerError: it is a Git LFS pointer.
        ChecksumMismatchError: it has another checksum.
    """
    actual_size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(_LFS_MAGIC)) == _LFS_MAGIC:
            raise LfsPointerError(
                f"{name} is a Git LFS pointer, not the file itself.",
                remedy="Use the media.githubusercontent.com URL as a 'direct' source, or put the file into the mirror.",
            )
    if size is not None and actual_size != size:
        raise IncompleteDownloadError(f"{name} has {actual_size:,} bytes, {size:,} were announced.", remedy="Try again later.")
    promised = [checksum.lower().partition(":")[::2] for checksum in checksums]
    found = digests(path, {"sha256", *(algorithm for algorithm, _ in promised)})
    for algorithm, expected in promised:
        if found[algorithm] != expected:
            raise ChecksumMismatchError(
                f"{name} has {algorithm} {found[algorithm]}, expected {expected}.",
                remedy="The file was changed or damaged: compare with the publisher's, then correct the manifest or the copy.",
            )
    return found["sha256"]
