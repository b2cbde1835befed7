"""A folder of files in a real S3 server behind a gateway, as a publisher has it, and a lake that may read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import obstore
from obstore.store import S3Store
from s3_gateway import S3Gateway

from db.connection import with_services
from db.settings import Settings


@dataclass
class PublishedBucket:
    """A bucket with files behind a gateway, and a lake of its own that may read them."""

    lake: Settings
    gateway: S3Gateway
    store: S3Store
    url: str
    refuse: list[Callable[[str, str], int | None]] = field(default_factory=list)

    def publish(self, folder: Path) -> int:
        """Put all files of a folder below the URL; the bytes of them all."""
        total = 0
        prefix = self.url.split("/", 3)[3]
        for path in (path for path in folder.rglob("*") if path.is_file()):
            obstore.put(self.store, f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())
            total += path.stat().st_size
        return total

    def source(self, **more: object) -> dict[str, object]:
        return {"url": self.url, "endpoint": self.gateway.endpoint, "region": "us-east-1", **more}


@contextmanager
def published_bucket(dev: Settings, tmp_path: Path, name: str) -> Iterator[PublishedBucket]:
    """A bucket below a name of its own in the running services, and an empty lake on this machine."""
    up = with_services(dev)
    bucket = up.data_path.split("/")[2]
    store = S3Store(
        bucket,
        endpoint=f"http://{up.endpoint_host()}",
        region=up.s3_region,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        access_key_id=up.s3_access_key_id.get_secret_value(),
        secret_access_key=up.s3_secret_access_key.get_secret_value(),
    )
    refuse: list[Callable[[str, str], int | None]] = []

    def refused(method: str, path: str) -> int | None:
        return next((status for ask in refuse if (status := ask(method, path))), None)

    with S3Gateway(f"http://{up.endpoint_host()}", refused) as gateway:
        lake = Settings(
            home=tmp_path / "home",
            s3_endpoint=gateway.endpoint,
            s3_region=up.s3_region,
            s3_access_key_id=up.s3_access_key_id,
            s3_secret_access_key=up.s3_secret_access_key,
            _env_file=None,
        )
        yield PublishedBucket(lake, gateway, store, f"s3://{bucket}/{re.sub(r'[^a-z0-9/]+', '-', name)}", refuse)
