"""How the publishers of context are reached, and whether they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingest.bucket import S3Credentials
from ingest.http import RetryPolicy
from ingest.progress import Progress


@dataclass(frozen=True)
class ContextAccess:
    """How context is obtained: from the cache, else a mirror, else its publisher.

    Attributes:
        cache_dir: root of the cache.
        mirror: folder or http(s) URL with files in the entry's folder.
        offline: never contact a publisher. A mirror behind a URL is still asked.
        refresh: do not use the cache, but fill it anew: this is how a newer release is noticed.
        credentials: of the entry's S3 server, where it is not open to everybody.
        retry: patience with servers.
        progress: display of downloads.
    """

    cache_dir: Path
    mirror: str | None = None
    offline: bool = False
    refresh: bool = False
    credentials: S3Credentials | None = None
    retry: RetryPolicy | None = None
    progress: Progress | None = None
