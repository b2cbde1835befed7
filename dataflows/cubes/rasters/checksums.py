"""Whether the bytes of a raster are those that its item promises: ``file:checksum`` of the STAC file extension.

It is a multihash (https://github.com/multiformats/multihash): the code of a hash function and the length of its digest, both
as unsigned varints, then the digest; here in hexadecimal digits. Codes stand in the multicodec table
(https://github.com/multiformats/multicodec/blob/master/table.csv).
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError

from dataflows.cubes.rasters.access import Access, Verify, absolute
from db.errors import SourceChecksumError, SourceError

if TYPE_CHECKING:
    from hashlib import _Hash

log = logging.getLogger(__name__)

_READ_BYTES = 1 << 20

# Those of the table that hashlib always has; BLAKE2 has a code for each length of its digest
_FUNCTIONS = {
    0x11: "sha1",
    0x12: "sha256",
    0x13: "sha512",
    0x14: "sha3_512",
    0x15: "sha3_384",
    0x16: "sha3_256",
    0x17: "sha3_224",
    0x20: "sha384",
    0xD5: "md5",
    0x1013: "sha224",
}
_BLAKE2B, _BLAKE2S = 0xB200, 0xB240


@dataclass(frozen=True)
class Multihash:
    """A digest that says of which function it is.

    Attributes:
        code: of the function, in the multicodec table.
        digest: all of it.
    """

    code: int
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Multihash:
        """A multihash from hexadecimal digits.

        Raises:
            ValueError: it is none, or has another length than it says.
        """
        code, rest = _varint(bytes.fromhex(text))
        length, digest = _varint(rest)
        if length != len(digest):
            raise ValueError(f"{len(digest)} bytes where it says {length}")
        return cls(code, digest)

    def hasher(self) -> _Hash:
        """The function, to be fed.

        Raises:
            ValueError: it is not known here, or the digest is not whole.
        """
        size = len(self.digest)
        if _BLAKE2B < self.code <= _BLAKE2B + hashlib.blake2b.MAX_DIGEST_SIZE:
            found: _Hash = hashlib.blake2b(digest_size=self.code - _BLAKE2B)
        elif _BLAKE2S < self.code <= _BLAKE2S + hashlib.blake2s.MAX_DIGEST_SIZE:
            found = hashlib.blake2s(digest_size=self.code - _BLAKE2S)
        elif self.code in _FUNCTIONS:
            found = hashlib.new(_FUNCTIONS[self.code], usedforsecurity=False)
        else:
            raise ValueError(f"hash function 0x{self.code:02x} is not known here")
        if size != found.digest_size:
            raise ValueError(f"a digest of {found.name} has {found.digest_size} bytes, not {size}")
        return found


def _varint(data: bytes) -> tuple[int, bytes]:
    value = 0
    for place, byte in enumerate(data[:9]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, data[place + 1 :]
    raise ValueError("it ends within a number")


class Promised(NamedTuple):
    """What an item says of one of its files.

    Attributes:
        collection: of the item.
        item_id: of the item.
        asset_key: of the asset.
        href: URL or path of the file.
        checksum: ``file:checksum``, ``None`` where the item states none.
    """

    collection: str
    item_id: str
    asset_key: str
    href: str
    checksum: str | None

    def __str__(self) -> str:
        return f"{self.collection}/{self.item_id} {self.asset_key}: {absolute(self.href)}"


class Checksums:
    """Compares whole files with what their items promise, as far as ``access.verify`` says; each once.

    By default these are local files, which cost a read from disk; a remote file would have to be fetched whole. A checksum
    that cannot be compared (a function that hashlib does not have, or no multihash) is passed over with a warning, but is an
    error where everything is to be verified.

    Args:
        access: credentials, and which files are verified.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._verdicts: dict[Promised, SourceError | None] = {}

    def verify(self, promised: Iterable[Promised]) -> None:
        """Compare many files, one a core at a time; :meth:`require` then knows them."""
        new = [file for file in dict.fromkeys(promised) if file not in self._verdicts]
        wanted = [file for file in new if self._is_wanted(file)]
        self._verdicts |= dict.fromkeys(new)
        if wanted:
            with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="checksums") as pool:
                self._verdicts |= dict(zip(wanted, pool.map(self._verdict, wanted), strict=True))

    def require(self, promised: Iterable[Promised]) -> None:
        """Compare files, those that are not known yet.

        Raises:
            SourceChecksumError: a file has other bytes; names item, asset and URL. Or, where everything is to be verified,
                its checksum cannot be compared.
            SourceError: a file cannot be read.
        """
        for file in promised:
            if file not in self._verdicts:
                self.verify([file])
            if (error := self._verdicts[file]) is not None:
                raise error

    def _is_wanted(self, file: Promised) -> bool:
        if file.checksum is None or self._access.verify is Verify.NEVER:
            return False
        return self._access.verify is Verify.ALWAYS or absolute(file.href).startswith("file://")

    def _verdict(self, file: Promised) -> SourceError | None:
        assert file.checksum is not None
        try:
            multihash = Multihash.parse(file.checksum)
            hasher = multihash.hasher()
        except ValueError as error:
            if self._access.verify is Verify.ALWAYS:
                return SourceChecksumError(
                    f"{file}: its checksum {file.checksum!r} cannot be compared: {error}.",
                    remedy="Correct the item, or build with '--verify local'.",
                )
            log.warning("%s is not verified: its checksum cannot be compared: %s", file, error)
            return None
        try:
            for chunk in self._content(absolute(file.href)):
                hasher.update(chunk)
        except (OSError, BaseError) as error:
            reason = str(error).split("\n", 1)[0][:200]
            return SourceError(f"{file} cannot be read: {reason}.", remedy="Fetch it again, or leave it out.")
        if hasher.digest() == multihash.digest:
            return None
        return SourceChecksumError(
            f"{file} has {hasher.name} {hasher.hexdigest()}, its item states {multihash.digest.hex()}.",
            remedy="Fetch it again; if the publisher replaced it, ingest the item again.",
        )

    def _content(self, url: str) -> Iterator[bytes | memoryview]:
        if url.startswith("file://"):
            # Half the time of the object store's way
            with Path(unquote(urlsplit(url).path)).open("rb") as file:
                while chunk := file.read(_READ_BYTES):
                    yield chunk
            return
        store, path = self._access.open(url)
        for chunk in obstore.get(store, path).stream(min_chunk_size=_READ_BYTES):
            yield memoryview(chunk)
