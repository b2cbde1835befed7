"""Releases of Overture Maps: which there are, and which one is meant."""

from __future__ import annotations

import re

from db.errors import ReleaseNotFoundError
from ingest.bucket import Bucket, StoredFile
from ingest.context_manifest import NEWEST, RELEASE_PATTERN, OvertureSource

LIFETIME_DAYS = 60
"""How long a release stays in the bucket; source: https://docs.overturemaps.org/release-calendar"""


def age(release: str) -> tuple[str, int]:
    """Sort key of a release: its date, then its number on that date (``2026-11-18.10`` follows ``2026-11-18.9``)."""
    day, _, number = release.rpartition(".")
    return day[: len("2026-11-18")], int(number)


def releases(bucket: Bucket) -> list[str]:
    """Releases in a bucket or mirror, oldest first.

    Raises:
        RemoteError: it cannot be listed.
    """
    found = [name for name in bucket.folders() if re.fullmatch(RELEASE_PATTERN, name)]
    return sorted(found, key=age)


def files(bucket: Bucket, source: OvertureSource, release: str) -> list[StoredFile]:
    """The Parquet files of the wanted type in a release, sorted.

    Raises:
        RemoteError: they cannot be listed.
    """
    below = f"{release}/theme={source.theme}/type={source.type}/"
    return [file for file in bucket.files(below) if file.path.endswith(".parquet") and file.size]


def resolve(source: OvertureSource, there: list[str], where: str) -> str:
    """The release that is meant.

    Args:
        source: says ``newest``, or which one.
        there: those there are, oldest first.
        where: for messages.

    Raises:
        ReleaseNotFoundError: there is none, or not that one; lists those there are.
    """
    if not there:
        raise ReleaseNotFoundError(f"{where} has no release.", remedy="Check 'url' and 'region' in the manifest.")
    if source.release == NEWEST:
        return there[-1]
    if source.release not in there:
        expired = age(source.release) < age(there[0])
        why = f"; it has expired, a release lives about {LIFETIME_DAYS} days" if expired else ""
        raise ReleaseNotFoundError(
            f"{where} has no release {source.release}{why}. There: {', '.join(there)}.",
            remedy=f"Pin one of these, or say '{NEWEST}'; or name a mirror that kept it.",
        )
    return source.release
