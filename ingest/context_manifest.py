"""The typed manifest of context: *what* is known of the places where installations stand, and where it is published.

``context_manifest.yml`` holds one entry a source: boundaries, buildings, land, irradiance. Every key is checked
(``extra="forbid"``), as in :mod:`ingest.manifest`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from db.errors import ContextNotFoundError
from ingest.manifest import (
    KEY_PATTERN,
    Distribution,
    FileFilter,
    Licence,
    Model,
    PublishedFiles,
    entry,
    keyed,
    load,
    unique_names,
)
from ingest.paths import published_path

CONTEXT_MANIFEST_PATH = Path(__file__).with_name("context_manifest.yml")

NEWEST = "newest"
RELEASE_PATTERN = r"\d{4}-\d{2}-\d{2}(-(alpha|beta))?\.\d+"
"""A release of Overture Maps, ``2026-11-18.0`` say; those before 2024 were called alpha or beta."""


S3_URL = r"^s3://[a-z0-9.-]+(/[^/?#]+)*$"
ENDPOINT = r"^https?://[^/?#@]+$"


class _Around(Model):
    """Sources of which only the surroundings of installations are read."""

    h3_resolution: int = Field(default=8, ge=4, le=10, description="Size of the H3 cells that areas of interest consist of.")
    ring: int = Field(
        default=1, ge=1, le=5, description="So many rings of cells around those that hold a PV feature belong to it."
    )


class OvertureSource(_Around):
    """One feature type of a release of Overture Maps: GeoParquet in S3, in the order of space.

    Source of the layout: https://docs.overturemaps.org/getting-data/cloud-sources
    """

    kind: Literal["overture"]
    theme: str = Field(pattern=r"^[a-z_]+$")
    type: str = Field(pattern=r"^[a-z_]+$")
    release: str = Field(
        default=NEWEST,
        pattern=rf"^({NEWEST}|{RELEASE_PATTERN})$",
        description="'newest', or one; each lives about 60 days.",
    )
    url: str = Field(default="s3://overturemaps-us-west-2/release", pattern=S3_URL)
    region: str = "us-west-2"
    endpoint: str | None = Field(
        default=None, pattern=ENDPOINT, description="Another S3 server than AWS; asked without credentials too."
    )
    only: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Column → wanted values: {subtype: [country, region]}. Empty: every feature."
    )


class _Files(Model):
    """Sources that are whole files: cache, then mirror, then where they were published."""

    distributions: tuple[PublishedFiles, ...] = Field(min_length=1, description="In order of preference.")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        unique_names(self.distributions)
        return self


class VectorSource(_Files):
    """Features in a format that ``dataflows.raw.readers`` understands, landed whole."""

    kind: Literal["vector"]
    distributions: tuple[Distribution, ...] = Field(min_length=1, description="In order of preference.")


class RasterVariable(Model):
    """One variable, in GeoTIFFs of its own."""

    name: Literal["ghi", "pvout", "temperature"]
    files: FileFilter = Field(description="Which of the files hold it.")
    unit: Literal["kWh/m2", "kWh/kWp", "degC"]
    period: Literal["year", "day"] | None = Field(default=None, description="What a value of energy is the sum of.")
    per_year: float = Field(default=1.0, gt=0, description="Factor from a published value to one of a year.")

    @model_validator(mode="after")
    def _factor_fits(self) -> Self:
        if (self.unit == "degC") != (self.period is None):
            raise ValueError("energy has a 'period', a temperature has none")
        if (self.period == "day") != (self.per_year != 1.0):
            raise ValueError("values of a day have a factor 'per_year' (365.25, say), and only those")
        if self.unit != {"ghi": "kWh/m2", "pvout": "kWh/kWp", "temperature": "degC"}[self.name]:
            raise ValueError(f"{self.unit!r} is no unit of {self.name!r}")
        return self


class CountryArchives(Model):
    """One archive a country, at an address made of the country's name."""

    url: str = Field(
        pattern=r"^https?://[^?#@]*\{hyphenated\}[^?#@]*$",
        description="Of an archive: '{name}' is the country's name, '{hyphenated}' that with hyphens for spaces.",
    )
    names: dict[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], str] = Field(
        min_length=1, description="ISO 3166-1 alpha-2 → the publisher's name of the country."
    )
    max_countries: int = Field(default=100, ge=1, description="More are not asked for.")

    @field_validator("url")
    @classmethod
    def _has_known_parts(cls, value: str) -> str:
        try:
            value.format(name="", hyphenated="")
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError("only {name} and {hyphenated} stand for something in it") from error
        return value


class RasterSource(_Files, _Around):
    """GeoTIFFs, of which the pixels around installations are read."""

    kind: Literal["raster"]
    variables: tuple[RasterVariable, ...] = Field(min_length=1)
    origin: CountryArchives | None = Field(default=None, description="Where archives of countries are published.")


class NsrdbBucket(Model):
    """A year of the NSRDB in S3, open to everybody; read by ranges."""

    url: str = Field(pattern=S3_URL)
    region: str = "us-west-2"
    endpoint: str | None = Field(
        default=None, pattern=ENDPOINT, description="Another S3 server than AWS; asked without credentials too."
    )
    file: str = Field(default="nsrdb_{year}.h5", pattern=r"^[^{}]*\{year\}[^{}]*\.h5$", description="Below the URL.")
    year: int = Field(ge=1998, le=2100)
    datasets: tuple[str, ...] = Field(
        default=("ghi", "dni", "dhi", "air_temperature", "wind_speed"), min_length=1, description="Series that are read."
    )
    max_gb: float = Field(default=20.0, gt=0, description="More than that is not read in one run (10⁹ bytes).")

    @property
    def path(self) -> str:
        """Path of the file below the URL."""
        return self.file.format(year=self.year)


class NsrdbSource(_Files, _Around):
    """HDF5 files of NREL's National Solar Radiation Database, of which the stations next to installations are read.

    Source of the layout: https://nsrdb.nrel.gov/data-sets/how-to-access-data
    """

    kind: Literal["nsrdb"]
    series: Literal["series", "tmy"] = Field(default="series", description="Measured years, or a typical one.")
    max_distance_km: float = Field(default=10.0, gt=0, description="Beyond, a station says nothing of an installation.")
    origin: NsrdbBucket | None = Field(default=None, description="Where stations are read that no file of a mirror has.")


class PvgisApi(Model):
    """The API that gives one typical year a request, asked for the centres of H3 cells that hold PV."""

    url: str = Field(pattern=r"^https?://[^?#@]+/tmy$")
    h3_resolution: int = Field(default=5, ge=3, le=7, description="Size of the cells: one station each.")
    serves_km: float = Field(default=12.0, gt=0, description="A file at hand that is so near to a cell's centre serves it.")
    per_second: float = Field(default=10.0, gt=0, le=30, description="Requests a second at most; the API refuses more than 30.")
    max_stations: int = Field(default=1000, ge=1, description="More are not asked for.")


class PvgisTmySource(_Files):
    """Typical years as CSV files, one a site: as the PVGIS API of the EU's Joint Research Centre gives them, or NREL's TMY3.

    Source of the layouts: https://joint-research-centre.ec.europa.eu/photovoltaic-geographical-information-system-pvgis and
    https://docs.nrel.gov/docs/fy08osti/43156.pdf, both read by :mod:`pvlib.iotools`.
    """

    kind: Literal["pvgis_tmy"]
    format: Literal["pvgis", "tmy3"] = "pvgis"
    origin: PvgisApi | None = Field(default=None, description="Where years are asked for that no file of a mirror is of.")

    @model_validator(mode="after")
    def _origin_answers_in_its_own_format(self) -> Self:
        if self.origin is not None and self.format != "pvgis":
            raise ValueError("an 'origin' answers in the format 'pvgis'")
        return self


FileSource = VectorSource | RasterSource | NsrdbSource | PvgisTmySource
Source = Annotated[OvertureSource | FileSource, Field(discriminator="kind")]


class Context(Model):
    """One source of context."""

    key: str = Field(pattern=KEY_PATTERN)
    title: str
    status: Literal["available", "planned"] = "available"
    reason: str | None = Field(default=None, description="Why a planned entry cannot be ingested.")
    url: str = Field(pattern=r"^https://", description="The publisher's page.")
    citation: str
    licence: Licence
    folder: str = Field(description="Folder of a mirror that has its files.")
    version: str | None = Field(default=None, description="Version of the files; a release of Overture Maps says it itself.")
    source: Source
    notes: str | None = None

    @field_validator("folder")
    @classmethod
    def _is_below_a_mirror(cls, value: str) -> str:
        return published_path(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.status == "planned" and not self.reason:
            raise ValueError("a planned entry says why in 'reason'")
        if isinstance(self.source, OvertureSource) != (self.version is None):
            raise ValueError("files have a 'version', and Overture Maps has none: its 'release' is part of 'source'")
        return self

    @property
    def origin(self) -> CountryArchives | NsrdbBucket | PvgisApi | None:
        """Where it is published by the piece, and asked for what lies around PV."""
        return self.source.origin if isinstance(self.source, RasterSource | NsrdbSource | PvgisTmySource) else None

    @property
    def distributions(self) -> tuple[PublishedFiles, ...]:
        """Published forms of the same content, in order of preference; none where the source is no file."""
        return () if isinstance(self.source, OvertureSource) else self.source.distributions


class ContextManifest(Model):
    """All sources of context, by key."""

    contexts: dict[str, Context]

    @model_validator(mode="before")
    @classmethod
    def _key_into_entry(cls, value: object) -> object:
        return keyed(value, "contexts")

    def __getitem__(self, key: str) -> Context:
        """The entry of that key.

        Raises:
            ContextNotFoundError: names the keys there are.
        """
        return entry(self.contexts, key, "context", ContextNotFoundError)

    def available(self) -> list[Context]:
        """Entries that can be ingested, in manifest order."""
        return [context for context in self.contexts.values() if context.status == "available"]


def load_context_manifest(path: Path = CONTEXT_MANIFEST_PATH) -> ContextManifest:
    """Read and check a manifest of context.

    Raises:
        ManifestError: names the file and each offending key.
    """
    return load(path, ContextManifest)
