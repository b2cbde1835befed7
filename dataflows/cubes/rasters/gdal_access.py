"""How GDAL reads a raster: its own name for the URL, its options, and credentials that live as long as the block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from urllib.parse import unquote, urlsplit

import rasterio
from rasterio.session import Session

from dataflows.cubes.rasters.access import HTTP, Access, S3Access, absolute

# GDAL keeps what it decoded in a cache of 5 % of the machine's memory; we keep what is needed ourselves
BLOCK_CACHE_BYTES = 16 * 1024 * 1024

# Files that are kept open: operating systems allow 256 to 1024
MOST_OPEN = 64

OPTIONS = {
    "GDAL_CACHEMAX": BLOCK_CACHE_BYTES,
    # A listing of the folder costs requests, and takes side files for georeferencing that nobody looks at
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_INGESTED_BYTES_AT_OPEN": 32_768,
    "GDAL_HTTP_MAX_RETRY": 5,
    "GDAL_HTTP_RETRY_DELAY": 0.2,
    # A process that runs for days must not be given yesterday's bytes
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/",
}


class _Credentials(Session):
    """Credentials of one bucket; rasterio's own session would ask for boto3."""

    def __init__(self, reached: S3Access) -> None:
        self._reached = reached

    @classmethod
    def hascreds(cls, config: dict[str, object]) -> bool:
        """Whether GDAL has them already: never, they are ours to give."""
        return False

    @property
    def credentials(self) -> dict[str, str]:
        """What rasterio looks at to see whether there are any."""
        return self.get_credential_options()

    def get_credential_options(self) -> dict[str, str]:
        """GDAL's configuration of its S3 client."""
        reached = self._reached
        options = {"AWS_REGION": reached.region}
        if reached.endpoint is not None:
            options |= {
                "AWS_S3_ENDPOINT": reached.endpoint.split("://", 1)[-1],
                "AWS_HTTPS": "NO" if reached.allows_http else "YES",
                "AWS_VIRTUAL_HOSTING": "FALSE",
            }
        keys = reached.static_credentials()
        if keys is None:
            return options | {"AWS_NO_SIGN_REQUEST": "YES"}
        return options | {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1], "AWS_NO_SIGN_REQUEST": "NO"}


def gdal_name(href: str) -> str:
    """GDAL's name of a raster given by URL or path.

    Raises:
        SourceError: the URL's scheme is none of those that are read, or it is signed.
    """
    url = absolute(href)
    parts = urlsplit(url)
    if parts.scheme == "file":
        return unquote(parts.path)
    if parts.scheme in HTTP:
        return f"/vsicurl/{url}"
    return f"/vsis3/{parts.netloc}{parts.path}"


@contextmanager
def gdal(href: str, access: Access) -> Iterator[str]:
    """GDAL's settings for reading one raster in this thread; yields GDAL's name of it."""
    name = gdal_name(href)
    session = _Credentials(access.s3_access(absolute(href))) if name.startswith("/vsis3/") else None
    with rasterio.Env(session, **OPTIONS):
        yield name


class OpenFiles:
    """Rasters that are kept open between reads: headers are fetched and parsed once. May be shared between threads.

    Args:
        access: credentials.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._idle: dict[str, rasterio.DatasetReader] = {}
        self._lock = Lock()

    @contextmanager
    def opened(self, href: str) -> Iterator[rasterio.DatasetReader]:
        """A raster for this thread alone; while another one reads it, it is opened a second time.

        Raises:
            SourceError: see :func:`gdal_name`.
            rasterio.errors.RasterioError: it cannot be opened.
        """
        with gdal(href, self._access) as name:
            with self._lock:
                source = self._idle.pop(href, None)
            source = source or rasterio.open(name)
            try:
                yield source
            except BaseException:
                source.close()
                raise
            with self._lock:
                spare = href in self._idle or len(self._idle) >= MOST_OPEN
                if not spare:
                    self._idle[href] = source
            if spare:
                source.close()

    def close(self, hrefs: Iterable[str] | None = None) -> None:
        """Close rasters that nobody reads; all of them when omitted."""
        with self._lock:
            closed = [self._idle.pop(href) for href in list(self._idle if hrefs is None else hrefs) if href in self._idle]
        for source in closed:
            source.close()
