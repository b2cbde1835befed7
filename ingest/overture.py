"""Features of Overture Maps around places of interest, as one file: from the cache, a mirror, or the bucket of a release.

A file, and not only a table of the lake, because a release is gone after about 60 days: what was read of it stays.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from db.errors import NotHeldError, ReleaseNotFoundError
from ingest.bucket import Bucket, S3Credentials
from ingest.context_manifest import NEWEST, RELEASE_PATTERN, Context, OvertureSource
from ingest.download import download
from ingest.http import HttpClient, RetryPolicy, public_url
from ingest.mirror import is_url, url_files
from ingest.overture_release import age, files, releases, resolve
from ingest.overture_snapshot import Snapshot, Snapshots
from ingest.progress import Progress
from ingest.surroundings import Surroundings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OvertureAccess:
    """How releases are reached.

    Attributes:
        cache_dir: root of the cache.
        mirror: folder or http(s) URL with releases in the entry's folder, laid out as in the bucket.
        offline: never contact the bucket. A mirror behind a URL is still asked.
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


def snapshot(context: Context, places: Surroundings, access: OvertureAccess) -> Snapshot:
    """Obtain the features of an entry around places.

    The cache serves where it has the pinned release, or any where the newest one is wanted; else the mirror, if it has files of
    the type; else the bucket, of which only what lies around the places is read.

    Raises:
        NotHeldError: offline, and neither the cache nor the mirror has it.
        ReleaseNotFoundError: there is no such release; lists those there are.
        ReadError: a file is damaged; ``SchemaError`` and ``CrsError`` where it is none of Overture Maps.
        RemoteError: a server does not answer, or refuses.
    """
    source = context.source
    assert isinstance(source, OvertureSource)
    snapshots = Snapshots(context, places, access.cache_dir)
    if not access.refresh and (found := snapshots.wanted()):
        return found
    if access.mirror and (found := _from_mirror(context.folder, source, access.mirror, access, snapshots)):
        return found
    if access.offline:
        wanted = "" if source.release == NEWEST else f" in release {source.release}"
        where = f"neither in the cache nor in the mirror {_shown(access.mirror)}" if access.mirror else "not in the cache"
        raise NotHeldError(f"{context.key} is {where}{wanted}.", remedy="Go online, or add the release to the mirror.")
    return _from_bucket(source, access, snapshots)


def _from_bucket(source: OvertureSource, access: OvertureAccess, snapshots: Snapshots) -> Snapshot:
    bucket = Bucket.in_s3(
        source.url, region=source.region, endpoint=source.endpoint, credentials=access.credentials, retry=access.retry
    )
    release = resolve(source, releases(bucket), bucket.shown)
    found = files(bucket, source, release)
    if not found:
        raise ReleaseNotFoundError(
            f"Release {release} at {bucket.shown} has no files of theme {source.theme}, type {source.type}.",
            remedy="Check 'theme' and 'type' in the manifest, or pin another release.",
        )
    return snapshots.take(bucket, release, found, "repository", bucket.shown)


def _from_mirror(
    folder: str, source: OvertureSource, mirror: str, access: OvertureAccess, snapshots: Snapshots
) -> Snapshot | None:
    """The snapshot of what a mirror has; ``None`` where it has no such release, or no files of the type in it."""
    if not is_url(mirror):
        return _in_folder(Path(mirror).expanduser() / folder, source, snapshots, mirror)
    # Web servers of folder pages may give whole files only: what is wanted is fetched, and read on this machine
    client = HttpClient(access.retry)
    wanted = re.compile(rf"({RELEASE_PATTERN})/theme={source.theme}/type={source.type}/.+\.parquet")
    listed = {
        name: (found[1], file) for name, file in url_files(mirror, folder, client).items() if (found := wanted.fullmatch(name))
    }
    there = sorted({release for release, _ in listed.values()}, key=age)
    if not there or source.release not in (NEWEST, *there):
        return None
    release = resolve(source, there, _shown(mirror))
    with TemporaryDirectory(prefix=".fetched-", dir=snapshots.folder()) as fetched:
        for name, (its_release, file) in listed.items():
            if its_release == release:
                download(client, file, Path(fetched) / name, progress=access.progress)
        return _in_folder(Path(fetched), source, snapshots, mirror)


def _in_folder(folder: Path, source: OvertureSource, snapshots: Snapshots, mirror: str) -> Snapshot | None:
    bucket = Bucket.in_folder(folder)
    there = [name for name in releases(bucket) if files(bucket, source, name)]
    if not there or source.release not in (NEWEST, *there):
        log.info("The mirror %s has no files of type %s in a release that is meant.", _shown(mirror), source.type)
        return None
    release = resolve(source, there, _shown(mirror))
    return snapshots.take(bucket, release, files(bucket, source, release), "mirror", _shown(mirror))


def _shown(mirror: str) -> str:
    return public_url(mirror) if is_url(mirror) else mirror
