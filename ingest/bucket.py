"""Files of a release where they are: in S3, or in a folder; listed, and read by the piece."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Self
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, ObjectStore, S3Store
from pydantic import SecretStr

from db.errors import RemoteError, RemoteNotFoundError
from ingest.http import RetryPolicy


@dataclass(frozen=True)
class S3Credentials:
    """Keys of an S3 server that does not answer everybody."""

    access_key_id: SecretStr
    secret_access_key: SecretStr


@dataclass(frozen=True)
class StoredFile:
    """One file below a bucket's root.

    Attributes:
        path: below the root, with ``/`` separators.
        size: in bytes.
    """

    path: str
    size: int


class Bucket:
    """A folder of files, wherever it is. Counts the bytes that are asked of it.

    Attributes:
        shown: the root as it may be shown: a URL without credentials, or a path.
        bytes_read: so far.
        requests: reads so far.
    """

    def __init__(self, store: ObjectStore, shown: str) -> None:
        self._store = store
        self._counting = Lock()
        self.shown = shown
        self.bytes_read = 0
        self.requests = 0

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """A folder of this machine; it need not be there."""
        return cls(LocalStore(folder, mkdir=False) if folder.is_dir() else obstore.store.MemoryStore(), str(folder))

    @classmethod
    def in_s3(
        cls,
        url: str,
        *,
        region: str,
        endpoint: str | None = None,
        credentials: S3Credentials | None = None,
        retry: RetryPolicy | None = None,
    ) -> Self:
        """A prefix of an S3 bucket.

        Args:
            url: ``s3://bucket/prefix``.
            region: of the bucket.
            endpoint: URL of an S3 server; ``None`` is AWS.
            credentials: ``None`` asks without signing, as public buckets allow.
            retry: patience with the server.
        """
        parts, policy = urlsplit(url), retry or RetryPolicy()
        keys = (
            {"skip_signature": True}
            if credentials is None
            else {
                "access_key_id": credentials.access_key_id.get_secret_value(),
                "secret_access_key": credentials.secret_access_key.get_secret_value(),
            }
        )
        store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            region=region,
            **({"endpoint": endpoint, "virtual_hosted_style_request": False} if endpoint else {}),
            **keys,
            client_options={
                "allow_http": (endpoint or "").startswith("http://"),
                "connect_timeout": timedelta(seconds=policy.connect_timeout_s),
                # Of a whole request here: generous, because row groups are of tens of megabytes
                "timeout": timedelta(seconds=10 * policy.read_timeout_s),
            },
            retry_config={
                "max_retries": policy.attempts - 1,
                "backoff": {
                    "init_backoff": timedelta(seconds=policy.initial_s),
                    "max_backoff": timedelta(seconds=policy.max_s),
                    "base": 2,
                },
                "retry_timeout": timedelta(seconds=policy.attempts * (policy.max_s + 10 * policy.read_timeout_s)),
            },
        )
        return cls(store, url if endpoint is None else f"{url} at {endpoint}")

    def folders(self, prefix: str = "") -> list[str]:
        """Names of the folders right below ``prefix``, sorted.

        Raises:
            RemoteError: the server does not answer, or refuses.
        """
        with _explained(f"{self.shown}/{prefix}".rstrip("/")):
            listed = obstore.list_with_delimiter(self._store, prefix or None)
        return sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in listed["common_prefixes"])

    def files(self, prefix: str) -> list[StoredFile]:
        """All files below ``prefix``, sorted.

        Raises:
            RemoteError: the server does not answer, or refuses.
        """
        with _explained(f"{self.shown}/{prefix}"):
            found = [StoredFile(meta["path"], meta["size"]) for page in obstore.list(self._store, prefix) for meta in page]
        return sorted(found, key=lambda file: file.path)

    def file(self, path: str) -> StoredFile:
        """One file, by its path below the root.

        Raises:
            RemoteNotFoundError: there is none.
            RemoteError: the server does not answer, or refuses.
        """
        with _explained(f"{self.shown}/{path}"):
            return StoredFile(path, obstore.head(self._store, path)["size"])

    def open(self, file: StoredFile) -> io.RawIOBase:
        """A file to read from anywhere; each read is one request of exactly its bytes."""
        return _Ranges(self, file)

    def read(self, file: StoredFile, start: int, size: int) -> memoryview:
        """``size`` bytes of a file from ``start`` on.

        Raises:
            RemoteNotFoundError: the file has gone.
            RemoteError: the server does not answer, or refuses.
        """
        with _explained(f"{self.shown}/{file.path}"):
            content = memoryview(obstore.get_range(self._store, file.path, start=start, length=size))
        with self._counting:
            self.bytes_read += len(content)
            self.requests += 1
        return content


class SeekableObject(io.RawIOBase):
    """A file in a bucket that is read from where one is: the base of what libraries take for a file."""

    def __init__(self, bucket: Bucket, file: StoredFile) -> None:
        super().__init__()
        self._bucket, self._file, self._position = bucket, file, 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """In any order."""
        return True

    def tell(self) -> int:
        """Where the next byte is read, from the start of the file."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere else, as in any file."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        self._position = start + offset
        return self._position


class _Ranges(SeekableObject):
    """What pyarrow needs of a file."""

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._file.size - self._position)
        size = left if size < 0 else min(size, left)
        if size == 0:
            return b""
        content = self._bucket.read(self._file, self._position, size)
        self._position += len(content)
        return bytes(content)


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Errors of the object store as ours; its texts hold headers of requests, and are left out."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise RemoteNotFoundError(
            f"{where} does not exist.", remedy="It may have been withdrawn meanwhile: run it again."
        ) from error
    except BaseError as error:
        # Of a listing, only the text says with which status it was refused
        refused = isinstance(error, PermissionDeniedError | UnauthenticatedError) or re.search(
            r"status code: 40[13]\b", str(error)
        )
        if refused:
            raise RemoteError(
                f"{where} is not open to this reader.", remedy="Check 'url', 'region' and 'endpoint' in the manifest."
            ) from error
        raise RemoteError(
            f"{where} cannot be read ({type(error).__name__}).", remedy="Check the network, or use --mirror or --offline."
        ) from error
