"""The typed manifest of STAC catalogs: *where* imagery is looked for, and what of it is wanted.

``stac_manifest.yml`` holds one entry a catalog. Every key is checked (``extra="forbid"``), as in :mod:`ingest.manifest`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pystac.utils import str_to_datetime

from db.errors import CatalogNotFoundError
from ingest.manifest import KEY_PATTERN, FileFilter, Licence, Model, entry, keyed, load

STAC_MANIFEST_PATH = Path(__file__).with_name("stac_manifest.yml")
MIRROR_FOLDER = "stac"
"""Folder of a mirror in which the files of all catalogs are."""

Url = Annotated[str, Field(pattern=r"^https?://[^?#@]+$")]


class ApiSource(Model):
    """A STAC API with item search."""

    kind: Literal["api"]
    url: Url = Field(description="The landing page.")


class StaticSource(Model):
    """A tree of linked JSON documents: catalogs, collections, items."""

    kind: Literal["static"]
    url: Url | None = Field(default=None, description="The root catalog.")
    file: str | None = Field(default=None, description="The root catalog in a mirror, below its folder 'stac'.")

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if self.url is None and self.file is None:
            raise ValueError("a static catalog has a 'url', or a 'file' of the mirror, or both")
        return self


class _Files(Model):
    """Items in files: those of a mirror's folder ``stac``, or else those behind URLs."""

    files: FileFilter | None = Field(default=None, description="Which files below the mirror's folder 'stac'.")
    urls: tuple[Url, ...] = Field(default=(), description="The files as published.")
    checksums: dict[str, str] = Field(
        default_factory=dict, description="File name → 'sha256:…' where the content is pinned; such a file is downloaded once."
    )

    @model_validator(mode="after")
    def _are_somewhere(self) -> Self:
        if self.files is None and not self.urls:
            raise ValueError("items in files have 'urls', or 'files' of the mirror, or both")
        return self


class FilesSource(_Files):
    """ItemCollections (``.json``, ``.geojson``) and items line by line (``.ndjson``, ``.jsonl``)."""

    kind: Literal["files"]


class GeoparquetSource(_Files):
    """stac-geoparquet (``.parquet``, ``.geoparquet``)."""

    kind: Literal["geoparquet"]


Source = Annotated[ApiSource | StaticSource | FilesSource | GeoparquetSource, Field(discriminator="kind")]


class Authentication(Model):
    """How a catalog is shown who asks; the secret itself is a setting, never part of a manifest."""

    setting: Literal["stac_token"] = Field(description="Field of db.settings.Settings that holds the secret.")
    header: str = "Authorization"
    scheme: str = Field(default="Bearer", description="Word before the secret; empty for none.")


class Collection(Model):
    """What is known of one collection. All of it is information, but for ``clouds``."""

    clouds: bool = Field(
        default=True, description="Whether items state a cloud cover; no limit applies where not (radar, aerial images)."
    )
    platforms: tuple[str, ...] = ()
    gsd_m: float | None = Field(default=None, gt=0, description="Finest ground sampling distance in metres.")
    bands: tuple[str, ...] = Field(default=(), description="Common names of the bands that this project uses.")
    since: int | None = Field(default=None, description="First year of acquisitions.")
    coverage: str | None = Field(default=None, description="Where, if not everywhere.")


class Search(Model):
    """What of a catalog is wanted. The default is everything."""

    within: Literal["installations", "anywhere"] = Field(
        default="anywhere", description="'installations': only items that intersect a search area around one."
    )
    datetime: str | None = Field(default=None, description="Closed or half-open interval, 'START/END', '..' for an open end.")
    max_cloud_cover_pct: float | None = Field(default=None, ge=0, le=100)
    cloud_cover: str = Field(default="eo:cloud_cover", description="Property that holds the cloud cover in %.")
    filter: dict[str, Any] | None = Field(default=None, description="CQL2 JSON that the server must evaluate; only for APIs.")
    h3_resolution: int = Field(default=4, ge=2, le=6, description="Size of the cells that search areas consist of.")
    group_resolution: int = Field(default=1, ge=0, le=4, description="Cells of one parent at this resolution are one search.")
    buffer_m: float = Field(default=1000.0, ge=0, description="Margin around the cells, in metres, for sites that reach out.")
    page_items: int = Field(default=250, ge=1, le=10_000)
    max_items: int | None = Field(default=None, ge=1, description="Stop a search after so many items, and say so.")

    @field_validator("datetime")
    @classmethod
    def _is_interval(cls, value: str | None) -> str | None:
        if value is not None:
            interval(value)
        return value

    @model_validator(mode="after")
    def _cells_have_parents(self) -> Self:
        if self.group_resolution > self.h3_resolution:
            raise ValueError("'group_resolution' is coarser than 'h3_resolution', or equal")
        return self

    def interval(self) -> tuple[datetime | None, datetime | None]:
        """Start and end of the wanted time, both inclusive; ``None`` where it is open."""
        return (None, None) if self.datetime is None else interval(self.datetime)


def interval(text: str) -> tuple[datetime | None, datetime | None]:
    """Start and end of a STAC interval; a day that ends one is meant whole.

    Raises:
        ValueError: it is not ``START/END``, a date cannot be read, or it ends before it starts.
    """
    parts = text.split("/")
    if len(parts) != 2 or parts == ["..", ".."]:
        raise ValueError(f"{text!r} is not an interval 'START/END' with '..' for one open end")
    start, end = (None if part in ("", "..") else _moment(part) for part in parts)
    if end is not None and len(parts[1]) == len("2024-12-31"):
        end = end.replace(hour=23, minute=59, second=59, microsecond=999_999)
    if start is not None and end is not None and start > end:
        raise ValueError(f"{text!r} ends before it starts")
    return start, end


def _moment(text: str) -> datetime:
    try:
        moment = str_to_datetime(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time of ISO 8601: {error}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Catalog(Model):
    """One catalog."""

    key: str = Field(pattern=KEY_PATTERN)
    title: str
    status: Literal["available", "planned"] = "available"
    reason: str | None = Field(default=None, description="Why a planned catalog cannot be ingested.")
    documentation: str = Field(pattern=r"^https://")
    licence: Licence
    source: Source
    auth: Authentication | None = None
    collections: dict[str, Collection] = Field(default_factory=dict, description="The wanted ones, by id; empty: all.")
    search: Search = Search()
    notes: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.status == "planned" and not self.reason:
            raise ValueError("a planned catalog says why in 'reason'")
        if self.search.filter is not None and not isinstance(self.source, ApiSource):
            raise ValueError("'search.filter' is evaluated by a server: only a catalog of kind 'api' can have it")
        return self

    def cloud_property(self, collection: str | None) -> str | None:
        """Property with the cloud cover of a collection's items, or ``None`` where they have none."""
        return self.search.cloud_cover if self.collections.get(collection or "", Collection()).clouds else None


class StacManifest(Model):
    """All catalogs, by key."""

    catalogs: dict[str, Catalog]

    @model_validator(mode="before")
    @classmethod
    def _key_into_entry(cls, value: object) -> object:
        return keyed(value, "catalogs")

    def __getitem__(self, key: str) -> Catalog:
        """The catalog of that key.

        Raises:
            CatalogNotFoundError: names the keys there are.
        """
        return entry(self.catalogs, key, "catalog", CatalogNotFoundError)

    def available(self) -> list[Catalog]:
        """Catalogs that can be ingested, in manifest order."""
        return [catalog for catalog in self.catalogs.values() if catalog.status == "available"]


def load_stac_manifest(path: Path = STAC_MANIFEST_PATH) -> StacManifest:
    """Read and check a manifest of catalogs.

    Raises:
        ManifestError: names the file and each offending key.
    """
    return load(path, StacManifest)
