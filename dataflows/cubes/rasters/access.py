"""Where published rasters are read from, and with which credentials: given when a source is opened, never stored."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import icechunk
from obstore.store import HTTPStore, LocalStore, ObjectStore, S3Store
from pydantic import SecretStr

from db.connection import with_services
from db.errors import SourceError
from db.settings import Settings, settings

HTTP = ("http", "https")

# What a URL's path may hold as it is (RFC 3986, section 3.3)
_PATH = "/-._~!$&'()*+,;=:@"

# Where the public buckets of earth-search and of Landsat are; S3 answers a wrong region with a redirect that costs a request
PUBLIC_REGION = "us-west-2"


class Verify(StrEnum):
    """Which files are compared whole with the checksums that their items promise, before pixels of them are used."""

    NEVER = "never"
    LOCAL = "local"
    ALWAYS = "always"


@dataclass(frozen=True)
class S3Access:
    """How one bucket, or a prefix of it, is reached.

    Attributes:
        region: of the bucket.
        endpoint: URL of an S3 server; ``None`` is AWS.
        access_key_id: ``None`` reads without signing, as public buckets allow.
        secret_access_key: as ``access_key_id``.
    """

    region: str = PUBLIC_REGION
    endpoint: str | None = None
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None

    @property
    def allows_http(self) -> bool:
        """Whether the endpoint is spoken to without TLS."""
        return (self.endpoint or "").startswith("http://")

    def static_credentials(self) -> tuple[str, str] | None:
        """Key id and secret, for the library that opens the source at this moment; ``None`` without signing."""
        if self.access_key_id is None or self.secret_access_key is None:
            return None
        return self.access_key_id.get_secret_value(), self.secret_access_key.get_secret_value()

    def store(self, bucket: str) -> S3Store:
        """The bucket, for obstore and async-geotiff."""
        keys = self.static_credentials()
        return S3Store(
            bucket,
            region=self.region,
            **({"endpoint": self.endpoint, "virtual_hosted_style_request": False} if self.endpoint else {}),
            **({"access_key_id": keys[0], "secret_access_key": keys[1]} if keys else {"skip_signature": True}),
            client_options={"allow_http": self.allows_http},
        )

    def icechunk_credentials(self) -> icechunk.AnyS3Credential:
        """The same credentials, for Icechunk."""
        keys = self.static_credentials()
        if keys is None:
            return icechunk.s3_anonymous_credentials()
        return icechunk.s3_static_credentials(access_key_id=keys[0], secret_access_key=keys[1])


def lake_s3(lake: Settings) -> S3Access:
    """The S3 server of the lake's own data; ``lake`` with the services' addresses filled in."""
    host = lake.endpoint_host()
    scheme = "https" if lake.endpoint_uses_tls() else "http"
    endpoint = None if host is None else f"{scheme}://{host}"
    return S3Access(lake.s3_region, endpoint, lake.s3_access_key_id, lake.s3_secret_access_key)


@dataclass(frozen=True)
class Access:
    """Reads rasters by URL: ``file://``, ``http(s)://`` and ``s3://``; a plain path is a local file.

    Attributes:
        s3: prefix (``s3://bucket/`` or longer) → how it is reached; the longest one that fits counts. A bucket that none
            fits is taken for a public one on AWS.
        verify: which files are compared with their items' checksums; a remote one has to be fetched whole for it.
    """

    s3: Mapping[str, S3Access] = field(default_factory=dict)
    verify: Verify = Verify.LOCAL

    @classmethod
    def of(
        cls, lake: Settings | None = None, s3: Mapping[str, S3Access] | None = None, *, verify: Verify = Verify.LOCAL
    ) -> Access:
        """The lake's own bucket with the lake's credentials, and what ``s3`` adds.

        Args:
            lake: settings; those of the process when omitted.
            s3: as the attribute.
            verify: as the attribute.
        """
        lake = with_services(lake or settings())
        own = {}
        if lake.data_path is not None and lake.data_path.startswith("s3://"):
            own = {f"s3://{urlsplit(lake.data_path).netloc}/": lake_s3(lake)}
        return cls({**own, **(s3 or {})}, verify)

    def s3_access(self, url: str) -> S3Access:
        """How an ``s3://`` URL is reached."""
        fitting = [prefix for prefix in self.s3 if url.startswith(prefix.rstrip("/") + "/") or url == prefix.rstrip("/")]
        return self.s3[max(fitting, key=len)] if fitting else S3Access()

    def open(self, href: str) -> tuple[ObjectStore, str]:
        """The object store that holds a raster, and the raster's path in it.

        Raises:
            SourceError: the URL's scheme is none of those that are read.
        """
        url = absolute(href)
        parts = urlsplit(url)
        if parts.scheme == "file":
            return LocalStore(), unquote(parts.path).lstrip("/")
        if parts.scheme in HTTP:
            store = HTTPStore.from_url(
                f"{parts.scheme}://{parts.netloc}", client_options={"allow_http": parts.scheme == "http"}
            )
            return store, unquote(parts.path).lstrip("/")
        return self.s3_access(url).store(parts.netloc), unquote(parts.path).lstrip("/")

    def credentials(self, prefix: str) -> icechunk.AnyCredential:
        """What Icechunk needs to read virtual chunks below a prefix, now."""
        scheme = urlsplit(prefix).scheme
        if scheme == "file":
            return icechunk.credentials.LocalFileSystemAccess
        if scheme in HTTP:
            return icechunk.credentials.HttpAccess
        return icechunk.Credentials.S3(self.s3_access(prefix).icechunk_credentials())

    def container(self, prefix: str) -> icechunk.VirtualChunkContainer:
        """Where virtual chunks below a prefix are; Icechunk stores it with the repository: it holds no credentials."""
        parts = urlsplit(prefix)
        if parts.scheme == "file":
            return icechunk.VirtualChunkContainer(prefix, icechunk.local_filesystem_store(prefix.removeprefix("file://")))
        if parts.scheme in HTTP:
            return icechunk.VirtualChunkContainer(prefix, icechunk.http_store())
        reached = self.s3_access(prefix)
        store = icechunk.s3_store(
            region=reached.region,
            endpoint_url=reached.endpoint,
            allow_http=reached.allows_http,
            anonymous=reached.access_key_id is None,
            s3_compatible=reached.endpoint is not None,
            force_path_style=reached.endpoint is not None,
        )
        return icechunk.VirtualChunkContainer(prefix, store)


def absolute(href: str) -> str:
    """The URL of a raster; a path is made absolute.

    Raises:
        SourceError: the URL's scheme is none of those that are read, or it is signed: a signature must not be stored.
    """
    scheme = urlsplit(href).scheme
    if scheme == "" or (len(scheme) == 1 and scheme.isalpha()):
        return Path(href).absolute().as_uri()
    if scheme not in ("file", "s3", *HTTP):
        raise SourceError(f"{href.split('?')[0]}: rasters are not read from {scheme}://.", remedy="Use file, http(s) or s3.")
    if "?" in href:
        raise SourceError(
            f"{href.split('?')[0]} has a query.",
            remedy="Sign when reading, not in the item: signatures expire and are secrets.",
        )
    parts = urlsplit(href)
    # Icechunk takes a location for a URL, while a key of S3 stands in items as it is
    return f"{scheme}://{parts.netloc}{quote(unquote(parts.path), safe=_PATH)}"


def container_prefix(href: str) -> str:
    """The prefix under which Icechunk is allowed to read a raster: its folder, its web server, or its bucket."""
    url = absolute(href)
    parts = urlsplit(url)
    if parts.scheme == "file":
        # Icechunk 2.3.0 writes references below a percent-encoded prefix, but does not read them: stop above the first of those
        folders = itertools.takewhile(lambda folder: "%" not in folder, parts.path.split("/")[1:-1])
        return "/".join(["file://", *folders, ""])
    return f"{parts.scheme}://{parts.netloc}/"
