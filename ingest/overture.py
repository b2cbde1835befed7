"""Features of Overture Maps around places of interest, as one file: from the cache, a mirror, or the bucket of a release.

A file, and not only a table of the lake, because a release is gone after about 60 days: what was read of it stays.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from db.errors import NotHeldError, ReleaseNotFoundError
from ingest.bucket import Bucket
from ingest.context_access import ContextAccess
from ingest.context_manifest import NEWEST, RELEASE_PATTERN, Context, OvertureSource
from ingest.download import download
from ingest.http import HttpClient
from ingest.mirror import is_url, shown, url_files
from ingest.overture_release import age, files, releases, resolve
from ingest.overture_snapshot import Snapshot, Snapshots
from ingest.surroundings import Surroundings

log = logging.getLogger(__name__)


def snapshot(context: Context, places: Surroundings, access: ContextAccess) -> Snapshot:
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
        where = f"neither in the cache nor in the mirror {shown(access.mirror)}" if access.mirror else "not in the cache"
        raise NotHeldError(f"{context.key} is {where}{wanted}.", remedy="Go online, or add the release to the mirror.")
    return _from_bucket(source, access, snapshots)


def _from_bucket(source: OvertureSource, access: ContextAccess, snapshots: Snapshots) -> Snapshot:
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
    folder: str, source: OvertureSource, mirror: str, access: ContextAccess, snapshots: Snapshots
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
    release = resolve(source, there, shown(mirror))
    with TemporaryDirectory(prefix=".fetched-", dir=snapshots.folder()) as fetched:
        for name, (its_release, file) in listed.items():
            if its_release == release:
                download(client, file, Path(fetched) / name, progress=access.progress)
        return _in_folder(Path(fetched), source, snapshots, mirror)


def _in_folder(folder: Path, source: OvertureSource, snapshots: Snapshots, mirror: str) -> Snapshot | None:
    bucket = Bucket.in_folder(folder)
    there = [name for name in releases(bucket) if files(bucket, source, name)]
    if not there or source.release not in (NEWEST, *there):
        log.info("The mirror %s has no files of type %s in a release that is meant.", shown(mirror), source.type)
        return None
    release = resolve(source, there, shown(mirror))
    return snapshots.take(bucket, release, files(bucket, source, release), "mirror", shown(mirror))
