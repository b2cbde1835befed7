"""Where Icechunk repositories lie and how they are spoken to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import icechunk

from dataflows.cubes.rasters.access import Access, lake_s3
from db.connection import with_services
from db.settings import Settings, settings

# Its warning about commits on a local folder is what dataflows.cubes.repository.locks is for
icechunk.set_logs_filter("error")

# A tile of a virtual chunk in one GET instead of five: Icechunk takes its settings for remote chunks from the repository's own
# storage, and those of a local disk split every request (earth-mover/icechunk#2256)
CONCURRENCY = icechunk.StorageConcurrencySettings(
    max_concurrent_requests_for_object=18, ideal_concurrent_request_size=12 * 1024 * 1024
)

# Remote chunks take this from the repository's storage too, and a local disk is asked only once
RETRIES = icechunk.StorageRetriesSettings(max_tries=10, initial_backoff_ms=100, max_backoff_ms=180_000)

# Dates whose chunk references share a manifest: appending a date rewrites one of these, reading one loads one of them
DATES_PER_MANIFEST = 64


class CubeName(StrEnum):
    """The repositories there are."""

    VIRTUAL = "virtual"
    CHIPS = "chips"
    REGIONS = "regions"


@dataclass(frozen=True)
class Location:
    """Where one repository is.

    Attributes:
        name: which one.
        root: folder, or ``s3://bucket/prefix``, of all repositories of the lake.
        lake: settings, with the services' addresses filled in.
    """

    name: CubeName
    root: str
    lake: Settings

    @classmethod
    def of(cls, name: CubeName | str, lake: Settings | None = None) -> Location:
        """Where a repository of a lake is; of the process's lake when omitted."""
        lake = with_services(lake or settings())
        return cls(CubeName(name), lake.icechunk_root, lake)

    @property
    def folder(self) -> Path | None:
        """The folder of a repository on this machine, else ``None``."""
        return None if self.root.startswith("s3://") else Path(self.root) / self.name

    @property
    def lock_file(self) -> Path | None:
        """What writers of this machine lock, for a repository in a folder; S3 servers honour conditional writes instead."""
        return None if self.root.startswith("s3://") else Path(self.root) / f".{self.name}.lock"

    def storage(self) -> icechunk.Storage:
        """The repository's storage, with credentials that only this process holds."""
        if self.folder is not None:
            return icechunk.local_filesystem_storage(str(self.folder))
        parts, reached = urlsplit(self.root), lake_s3(self.lake)
        keys = reached.static_credentials()
        return icechunk.s3_storage(
            bucket=parts.netloc,
            prefix=f"{parts.path.strip('/')}/{self.name}",
            region=reached.region,
            endpoint_url=reached.endpoint,
            allow_http=reached.allows_http,
            force_path_style=reached.endpoint is not None,
            **({"access_key_id": keys[0], "secret_access_key": keys[1]} if keys else {"from_env": True}),
        )

    def __str__(self) -> str:
        return f"{self.root}/{self.name}"


def configuration(containers: Iterable[icechunk.VirtualChunkContainer] = ()) -> icechunk.RepositoryConfig:
    """Configuration of a repository; it is stored with it and holds no credentials.

    Args:
        containers: where virtual chunks may lie.
    """
    config = icechunk.RepositoryConfig.default()
    config.storage = icechunk.StorageSettings(concurrency=CONCURRENCY, retries=RETRIES)
    by_date = {icechunk.ManifestSplitDimCondition.DimensionName("time"): DATES_PER_MANIFEST}
    anywhere = icechunk.ManifestSplitCondition.path_matches(".*")
    config.manifest = icechunk.ManifestConfig(splitting=icechunk.ManifestSplittingConfig.from_dict({anywhere: by_date}))
    for container in containers:
        config.set_virtual_chunk_container(container)
    return config


def open_repository(location: Location, access: Access, prefixes: Iterable[str] = ()) -> icechunk.Repository:
    """An existing repository, allowed to read virtual chunks wherever its configuration says that they lie.

    Args:
        location: where it is.
        access: credentials, which it holds while it is open and does not store.
        prefixes: where virtual chunks may lie besides; ``save_config`` keeps them.

    Raises:
        icechunk.RepositoryNotFoundError: there is none.
    """
    storage = location.storage()
    stored = icechunk.Repository.fetch_config(storage)
    containers = dict((stored.virtual_chunk_containers if stored else None) or {})
    containers |= {prefix: access.container(prefix) for prefix in prefixes if prefix not in containers}
    return icechunk.Repository.open(
        storage,
        config=configuration(containers.values()),
        authorize_virtual_chunk_access={prefix: access.credentials(prefix) for prefix in containers},
    )
