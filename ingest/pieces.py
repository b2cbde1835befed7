"""What a publisher gives one place, country or station at a time: each piece asked for once, and kept.

A piece is a file in the cache with its sidecar; that a publisher has nothing there is kept too, as ``<name>.absent.json``.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ingest.acquired import AcquiredFile
from ingest.cache import DistributionCache, write_atomically
from ingest.manifest import DirectSource, Publication, PublishedFiles

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Absence:
    """A place, country or station of which the publisher has nothing.

    Attributes:
        place: which.
        reason: in the publisher's words, or ours.
    """

    place: str
    reason: str


@dataclass(frozen=True)
class Pieces:
    """What became of the places that were asked for.

    Attributes:
        files: what there is.
        absent: where the publisher has nothing.
        missing: which nobody could be asked for, being offline.
    """

    files: list[AcquiredFile] = field(default_factory=list)
    absent: list[Absence] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class _Absent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    reason: str


class PieceCache:
    """The pieces of one publisher, in ``<cache>/files/<key>/origin``."""

    def __init__(self, cache_dir: Path, publication: Publication, url: str) -> None:
        form = PublishedFiles(name="origin", source=DirectSource(repository="direct", urls=(url,)))
        self._files = DistributionCache(cache_dir, publication, form)

    def path(self, name: str) -> Path:
        """Where a piece of that name is stored."""
        return self._files.path(name)

    def file(self, name: str, url: str) -> AcquiredFile | None:
        """The piece, if it was fetched from there and still is what it was."""
        return self._files.file(name, "cache", url=url)

    def keep(self, name: str, *, sha256: str, size: int, url: str, etag: str | None = None) -> AcquiredFile:
        """Record a piece that has just been put at :meth:`path`; ``url`` without query."""
        self._files.record(name, sha256=sha256, size=size, url=url, etag=etag)
        return AcquiredFile(name, self.path(name), sha256, size, "repository")

    def absent(self, name: str, url: str) -> str | None:
        """Why there is no such piece at that URL, if that was found out before."""
        try:
            known = _Absent.model_validate_json(self._absent(name).read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            log.warning("%s is damaged and ignored.", self._absent(name))
            return None
        return known.reason if known.url == url else None

    def keep_absent(self, name: str, url: str, reason: str) -> None:
        """Record that there is no such piece at that URL."""
        write_atomically(self._absent(name), _Absent(url=url, reason=reason).model_dump_json(indent=1))

    def _absent(self, name: str) -> Path:
        return self._files.path(f"{name}.absent.json")


class Pace:
    """At most so many starts a second, over all threads."""

    def __init__(self, per_second: float) -> None:
        self._step_s, self._next, self._lock = 1 / per_second, 0.0, threading.Lock()

    def wait(self) -> None:
        """Return when it is this caller's turn."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._step_s
        time.sleep(turn - now)
