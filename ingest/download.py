"""One remote file to one local path: resumed where it was cut, verified, and there completely or not at all."""

from __future__ import annotations

import json
import logging
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from db.errors import ChecksumMismatchError, IncompleteDownloadError, LfsPointerError
from ingest.http import FAULTS, HttpClient, TransientError, public_url, unanswered
from ingest.progress import Progress, Silent
from ingest.repositories import RemoteFile
from ingest.verification import verify

logger = logging.getLogger(__name__)

DOWNLOADS = 2  # the first, and one more when its bytes are not those that were promised
ABANDONED_AFTER_S = 3600.0  # longer than any live download goes without a byte


@dataclass(frozen=True)
class Downloaded:
    """What is known of a file after its download."""

    sha256: str
    size: int
    etag: str | None


@dataclass(frozen=True)
class _Version:
    """Which version of a remote file the bytes of a part are from."""

    url: str = ""
    etag: str | None = None
    last_modified: str | None = None

    @property
    def validator(self) -> str | None:
        """Value for ``If-Range``: only a strong ETag promises the same bytes."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


class _Part:
    """A folder ``<name>.part`` with the bytes so far and their version, owned by one process while it has a token in its name.

    A folder, because bytes and version must change hands in one rename.
    """

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._version = folder / "version.json"

    def size(self) -> int:
        return self.data.stat().st_size if self.data.exists() else 0

    def version(self) -> _Version:
        try:
            return _Version(**json.loads(self._version.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):  # a process that was killed while writing it
            return _Version()

    def start_over(self, version: _Version) -> None:
        self.data.write_bytes(b"")
        self._version.write_text(json.dumps(asdict(version)), encoding="utf-8")


@contextmanager
def _claimed_part(destination: Path) -> Iterator[_Part]:
    """The part of ``destination``, left by an earlier run or empty, for this caller alone; left behind again on failure."""
    shared = destination.with_name(f"{destination.name}.part")
    own = destination.with_name(f"{destination.name}.{uuid.uuid4().hex[:12]}.part")
    abandoned = [
        folder
        for folder in destination.parent.glob(f"{_escaped(destination.name)}.*.part")
        if time.time() - _last_write(folder) > ABANDONED_AFTER_S
    ]
    for candidate in (shared, *abandoned):
        try:
            candidate.rename(own)  # atomic: of several processes one wins
            break
        except FileNotFoundError:
            continue
    own.mkdir(exist_ok=True)
    part = _Part(own)
    try:
        yield part
    finally:
        try:
            if part.size():
                own.rename(shared)
        except OSError:
            logger.debug("Another process left a part of %s meanwhile.", destination.name)
        shutil.rmtree(own, ignore_errors=True)


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _last_write(folder: Path) -> float:
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except FileNotFoundError:  # finished or claimed by its owner meanwhile
        return time.time()


def download(
    client: HttpClient, file: RemoteFile, destination: Path, *, checksums: Sequence[str] = (), progress: Progress | None = None
) -> Downloaded:
    """Download a file, resuming what an earlier attempt or run left.

    Args:
        client: HTTP client; its policy bounds the attempts.
        file: what to get; its size and checksum are verified.
        destination: where to; appears by rename when all is verified.
        checksums: more checksums to verify, each ``"<algorithm>:<hex>"``.
        progress: display of bytes.

    Raises:
        RemoteNotFoundError: there is no such file.
        RemoteError: the server answers with an error or not at all, after all attempts.
        IncompleteDownloadError: fewer or more bytes than announced, after all attempts.
        ChecksumMismatchError: other bytes than promised, twice.
        LfsPointerError: a Git LFS pointer instead of the file.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    promised = [*checksums, *([file.checksum] if file.checksum else [])]
    with _claimed_part(destination) as part:
        bar = _Bar(progress or Silent(), file)
        for number in range(1, DOWNLOADS + 1):
            client.retry(lambda: _attempt(client, file, part, bar))
            try:
                sha256 = verify(part.data, public_url(file.url), checksums=promised, size=file.size)
            except (ChecksumMismatchError, IncompleteDownloadError) as error:
                part.start_over(_Version())
                if number == DOWNLOADS:
                    raise
                logger.warning("%s Downloading it once more.", error.message)
            except LfsPointerError:
                part.start_over(_Version())
                raise
            else:
                downloaded = Downloaded(sha256, part.size(), part.version().etag)
                part.data.replace(destination)
                return downloaded
    raise AssertionError("unreachable: the last download returns or raises")


class _Bar:
    """The progress of one file; the total is known when the first answer is there."""

    def __init__(self, progress: Progress, file: RemoteFile) -> None:
        self._progress = progress
        self._task = progress.add_task(file.name, total=file.size)

    def show(self, completed: int, total: int | None) -> None:
        self._progress.update(self._task, completed=completed, total=total)


def _attempt(client: HttpClient, file: RemoteFile, part: _Part, bar: _Bar) -> None:
    """Fetch what is missing of ``part``; returns when the server says that this is all."""
    headers = {"Accept-Encoding": "identity"}  # offsets count the bytes that are stored
    version, offset = part.version(), part.size()
    if offset and offset == file.size and version.url == public_url(file.url):
        return  # cut between the last byte and the rename
    if offset and version.validator and version.url == public_url(file.url):
        headers |= {"Range": f"bytes={offset}-", "If-Range": version.validator}
    with client.stream(file.url, headers, accept=frozenset({416})) as response:
        if response.status_code in (206, 416) and not _continues(response, offset):
            part.start_over(_Version())
            raise TransientError(_cut(file, offset, file.size))
        if response.status_code == 200:
            offset = 0
            part.start_over(_version_of(response, file))
        announced = _announced(response, offset)
        expected = file.size if file.size is not None else announced
        try:
            with part.data.open("ab") as sink:
                for chunk in response.iter_bytes():
                    sink.write(chunk)
                    offset += len(chunk)
                    bar.show(offset, expected)
                    if expected is not None and offset > expected:
                        return  # verify() says so
        except FAULTS as error:
            failure = _cut(file, offset, expected) if offset else unanswered(file.url, error)
            raise TransientError(failure) from error


def _version_of(response: httpx.Response, file: RemoteFile) -> _Version:
    """What a resumed download must still be; nothing can be resumed where offsets count decoded bytes."""
    if _encoded(response):
        return _Version(public_url(file.url))
    return _Version(public_url(file.url), response.headers.get("ETag"), response.headers.get("Last-Modified"))


def _encoded(response: httpx.Response) -> bool:
    """Whether the body is compressed on its way, although it was asked for as it is."""
    return response.headers.get("Content-Encoding", "identity") != "identity"


def _continues(response: httpx.Response, offset: int) -> bool:
    """Whether the body starts at ``offset``; a server may answer with another range than was asked for."""
    return response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")


def _announced(response: httpx.Response, offset: int) -> int | None:
    """Size of the whole file as this answer announces it, in bytes."""
    length = response.headers.get("Content-Length", "")
    if not length.isdigit() or _encoded(response):
        return None
    return offset + int(length)


def _cut(file: RemoteFile, received: int, expected: int | None) -> IncompleteDownloadError:
    size = "an unknown number" if expected is None else f"{expected:,}"
    return IncompleteDownloadError(
        f"{public_url(file.url)} ended after {received:,} of {size} bytes.",
        remedy="Run it again: it goes on where it was cut if the server allows it.",
    )
