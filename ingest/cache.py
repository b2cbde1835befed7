"""Downloads of earlier runs: each with a sidecar of what it was, and used only if it still is that.

Layout: ``<cache>/files/<dataset>/<distribution>/<published path>`` with ``<published path>.sidecar.json`` beside it, and one
``.complete.json`` that names the files the distribution consists of. Everything is written to a temporary name and renamed, so
that two processes that fetch the same thing do not disturb each other.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from db.errors import AcquisitionError
from ingest.acquired import AcquiredFile, Origin
from ingest.manifest import Publication, PublishedFiles
from ingest.verification import verify

logger = logging.getLogger(__name__)

SIDECAR_SUFFIX = ".sidecar.json"
COMPLETE = ".complete.json"


class Sidecar(BaseModel):
    """What a cached file was when it was stored; ``size`` in bytes, ``url`` without its query."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    size: int
    url: str
    etag: str | None
    fetched_at: datetime


class _Complete(BaseModel):
    """Which files a distribution consists of, for the manifest entry with this fingerprint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str
    names: tuple[str, ...]


class DistributionCache:
    """The cached files of one distribution."""

    def __init__(self, cache_dir: Path, dataset: Publication, distribution: PublishedFiles) -> None:
        self._distribution = distribution
        self._root = cache_dir / "files" / dataset.key / distribution.name
        # another version or filter in the manifest is another set of files
        chosen = distribution.model_dump_json(include={"source", "files", "members"})
        self._fingerprint = hashlib.sha256(chosen.encode()).hexdigest()

    def path(self, name: str) -> Path:
        """Where a file of that published name is stored."""
        return self._root / name

    def checksums(self, name: str) -> list[str]:
        """The manifest's checksums of a file, by published path or its last part."""
        return manifest_checksums(self._distribution, name)

    def held(self) -> list[AcquiredFile] | None:
        """All files of the distribution, verified; ``None`` when it is not complete."""
        complete = _load(_Complete, self._root / COMPLETE)
        if complete is None or complete.fingerprint != self._fingerprint:
            return None
        files = [self.file(name, "cache") for name in complete.names]
        return None if None in files else [file for file in files if file is not None]

    def file(self, name: str, origin: Origin, *, checksums: Iterable[str] = (), url: str | None = None) -> AcquiredFile | None:
        """A verified file, or ``None`` when it is absent, damaged (with a warning) or not what is asked for.

        Args:
            name: published path.
            origin: what to record as the file's origin.
            checksums: required beside the manifest's.
            url: required origin, without query.
        """
        path, sidecar = self.path(name), _load(Sidecar, self._sidecar(name))
        if sidecar is None or not path.is_file() or (url is not None and url != sidecar.url):
            return None
        promised = [f"sha256:{sidecar.sha256}", *self.checksums(name), *checksums]
        try:
            sha256 = verify(path, name, checksums=promised, size=sidecar.size)
        except AcquisitionError as error:
            logger.warning("Cached file %s is damaged or outdated and will be fetched again: %s", path, error.message)
            return None
        except FileNotFoundError:  # another process is replacing it
            return None
        return AcquiredFile(name, path, sha256, sidecar.size, origin)

    def record(self, name: str, *, sha256: str, size: int, url: str, etag: str | None) -> None:
        """Store the sidecar of a file that has just been put at :meth:`path`."""
        sidecar = Sidecar(sha256=sha256, size=size, url=url, etag=etag, fetched_at=datetime.now(UTC))
        write_atomically(self._sidecar(name), sidecar.model_dump_json(indent=1))

    def complete(self, names: Iterable[str]) -> None:
        """Say that the distribution consists of these files, and that all of them are here."""
        complete = _Complete(fingerprint=self._fingerprint, names=tuple(sorted(names)))
        write_atomically(self._root / COMPLETE, complete.model_dump_json(indent=1))

    def _sidecar(self, name: str) -> Path:
        return self._root / f"{name}{SIDECAR_SUFFIX}"


def manifest_checksums(distribution: PublishedFiles, name: str) -> list[str]:
    """Checksums that the manifest states for a published path, or for its last part."""
    return [distribution.checksums[key] for key in {name, name.rsplit("/", 1)[-1]} if key in distribution.checksums]


def write_atomically(path: Path, text: str) -> None:
    """Write a small text file by rename, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _load[M: BaseModel](shape: type[M], path: Path) -> M | None:
    try:
        return shape.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        logger.warning("%s is damaged and ignored.", path)
        return None
