"""From a manifest entry to verified files on this machine: cache, then mirror, then the repository itself."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from db.errors import AcquisitionError, DatasetPlannedError, NotHeldError
from ingest.acquired import AcquiredFile, Acquisition, Origin
from ingest.cache import DistributionCache, manifest_checksums
from ingest.download import download
from ingest.http import HttpClient, RetryPolicy, public_url
from ingest.manifest import FileFilter, MirrorSource, Publication, PublishedFiles
from ingest.mirror import folder_files, is_url, shown, url_files
from ingest.progress import Progress
from ingest.repositories import ENDPOINTS, RemoteFile, list_files
from ingest.selection import nothing_matched, select
from ingest.unpacking import unpack
from ingest.verification import verify

__all__ = ["AcquiredFile", "Acquisition", "Progress", "fetch", "held", "unpack"]

logger = logging.getLogger(__name__)


def fetch(
    dataset: Publication,
    *,
    cache_dir: Path,
    mirror: str | None = None,
    refresh: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
    endpoints: Mapping[str, str] = ENDPOINTS,
    retry: RetryPolicy | None = None,
) -> Acquisition:
    """Obtain the published files of a dataset, or of another publication.

    Of its distributions, the first one is taken that the cache fully holds; else the first one that the mirror holds; else the
    first one that has a repository is taken from there.

    Args:
        dataset: manifest entry.
        cache_dir: root of the cache; created when needed.
        mirror: folder or http(s) URL with a folder a publication, for a dataset its key. Files of a folder are used in place,
            not copied.
        refresh: do not use the cache, but fill it anew.
        offline: never ask the repository. A mirror behind a URL is still asked.
        progress: display of bytes, for instance a :class:`rich.progress.Progress`.
        endpoints: API base URL by repository kind, where not the public one.
        retry: patience with servers.

    Returns:
        Files as published; archives are still packed, see :func:`unpack`.

    Raises:
        DatasetPlannedError: the manifest says that the dataset cannot be ingested yet.
        NotHeldError: offline (or mirrored only), and neither the cache nor the mirror has anything of it.
        NoFileMatchedError: the filters match nothing at the last possible source; lists what was there.
        RemoteError: a server does not answer, or with an error, after all retries (``RemoteNotFoundError`` for 404 and 410).
        ChecksumMismatchError: bytes are not those that the manifest or the repository promises.
        AcquisitionError: otherwise not to be had, e.g. not in the cache while offline.
    """
    if dataset.status == "planned":
        reason = (dataset.reason or "").rstrip(".")
        raise DatasetPlannedError(f"{dataset.key} cannot be ingested yet: {reason}.", remedy="Choose another dataset.")
    published = [entry for entry in dataset.distributions if not isinstance(entry.source, MirrorSource)]
    run = _Fetch(dataset, cache_dir, HttpClient(retry), progress, refresh)
    acquisition = None if refresh else run.from_cache()
    if acquisition is None and mirror:
        acquisition = run.from_mirror(mirror, last=offline or not published)
    if acquisition is not None:
        return acquisition
    if not published:
        raise AcquisitionError(
            f"{dataset.key} is in no repository that can be read here.", remedy="Use --mirror with its files."
        )
    if offline:
        raise NotHeldError(f"{dataset.key} is not in the cache.", remedy="Go online, or use --mirror.")
    return run.from_repository(published[0], endpoints)


def held(
    dataset: Publication,
    *,
    cache_dir: Path,
    mirror: str | None = None,
    refresh: bool = False,
    progress: Progress | None = None,
    retry: RetryPolicy | None = None,
) -> Acquisition | None:
    """What the cache or else a mirror holds of a publication, as :func:`fetch`; ``None`` where neither has anything of it.

    Raises:
        RemoteError: a mirror behind a URL does not answer.
        ChecksumMismatchError: bytes are not those that the manifest promises.
    """
    run = _Fetch(dataset, cache_dir, HttpClient(retry), progress, refresh)
    found = None if refresh else run.from_cache()
    return run.from_mirror(mirror, last=False) if found is None and mirror else found


class _Fetch:
    """The sources of one publication, and what they have in common."""

    def __init__(
        self, dataset: Publication, cache_dir: Path, client: HttpClient, progress: Progress | None, refresh: bool
    ) -> None:
        self._dataset = dataset
        self._caches = {entry.name: DistributionCache(cache_dir, dataset, entry) for entry in dataset.distributions}
        self._client = client
        self._progress = progress
        self._refresh = refresh

    def from_cache(self) -> Acquisition | None:
        for distribution in self._dataset.distributions:
            files = self._caches[distribution.name].held()
            if files:
                return self._taken(distribution, files, "the cache")
        return None

    def from_mirror(self, mirror: str, *, last: bool) -> Acquisition | None:
        where = f"mirror {shown(mirror)}"
        key, folder = self._dataset.key, self._dataset.folder
        offered = url_files(mirror, folder, self._client) if is_url(mirror) else folder_files(mirror, folder)
        for distribution in self._dataset.distributions:
            # a mirror may hold the members of an archive in place of the archive
            names = select(offered, distribution.files) or (
                select(offered, distribution.members) if distribution.members else []
            )
            if names:
                found = {name: offered[name] for name in names}
                return self._taken(distribution, self._from_mirror(distribution, found), where)
        if last and not offered:
            raise NotHeldError(
                f"{key} is neither in the cache nor in the {where}.", remedy="Go online, or add its files to the mirror."
            )
        if last:
            every = [pattern for entry in self._dataset.distributions for pattern in entry.files.include]
            raise nothing_matched(FileFilter(include=tuple(every)), offered, f"{where}, folder {folder},")
        logger.info("%s: the %s holds none of its distributions.", key, where)
        return None

    def from_repository(self, distribution: PublishedFiles, endpoints: Mapping[str, str]) -> Acquisition:
        where = f"{distribution.source.repository} ({self._dataset.url})"
        offered = {file.name: file for file in list_files(distribution.source, self._client, endpoints)}
        names = select(offered, distribution.files)
        if not names:
            raise nothing_matched(distribution.files, offered, where)
        files = self._downloaded(distribution, [offered[name] for name in names], "repository")
        return self._taken(distribution, files, where)

    def _from_mirror(self, distribution: PublishedFiles, found: Mapping[str, Path | RemoteFile]) -> list[AcquiredFile]:
        remote = [file for file in found.values() if isinstance(file, RemoteFile)]
        if remote:
            return self._downloaded(distribution, remote, "mirror")
        local = {name: file for name, file in found.items() if isinstance(file, Path)}
        return [
            AcquiredFile(
                name,
                path,
                verify(path, str(path), checksums=manifest_checksums(distribution, name)),
                path.stat().st_size,
                "mirror",
            )
            for name, path in local.items()
        ]

    def _downloaded(self, distribution: PublishedFiles, files: Sequence[RemoteFile], origin: Origin) -> list[AcquiredFile]:
        """Download those that the cache does not hold, and mark the distribution as complete there."""
        acquired = [self._download(distribution, file, origin) for file in files]
        self._caches[distribution.name].complete(file.name for file in acquired)
        return acquired

    def _download(self, distribution: PublishedFiles, file: RemoteFile, origin: Origin) -> AcquiredFile:
        cache = self._caches[distribution.name]
        url = public_url(file.url)
        if not self._refresh:
            # without a checksum only the URL says that it is the same file
            same = {"checksums": [file.checksum]} if file.checksum else {"url": url}
            if cached := cache.file(file.name, "cache", **same):
                return cached
        path = cache.path(file.name)
        done = download(self._client, file, path, checksums=cache.checksums(file.name), progress=self._progress)
        cache.record(file.name, sha256=done.sha256, size=done.size, url=url, etag=done.etag)
        return AcquiredFile(file.name, path, done.sha256, done.size, origin)

    def _taken(self, distribution: PublishedFiles, files: Iterable[AcquiredFile], where: str) -> Acquisition:
        acquisition = Acquisition.of(self._dataset.key, distribution, files)
        size = sum(file.bytes for file in acquisition.files)
        logger.info(
            "%s: distribution %s from %s: %d files, %s bytes.",
            self._dataset.key,
            distribution.name,
            where,
            len(acquisition.files),
            f"{size:,}",
        )
        return acquisition
