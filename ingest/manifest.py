"""The typed manifest of published PV datasets: *what* is ingested.

``doi_manifest.yml`` holds one entry a dataset. Every key is checked (``extra="forbid"``), so that a misspelt option is an
error and not a silent default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from db.errors import DatasetNotFoundError, IngestError, ManifestError
from ingest import strict_yaml

MANIFEST_PATH = Path(__file__).with_name("doi_manifest.yml")
KEY_PATTERN = r"^[a-z][a-z0-9_]{2,62}$"


class Model(BaseModel):
    """Strict base: unknown keys are errors, instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Format(StrEnum):
    """Formats that ``dataflows.raw.readers`` understands."""

    SHAPEFILE = "shapefile"
    GEOPACKAGE = "geopackage"
    GEOJSON = "geojson"
    GEOPARQUET = "geoparquet"
    CSV = "csv"
    JSON_COORDINATES = "json_coordinates"
    KML = "kml"


class Level(StrEnum):
    """What one feature stands for."""

    ROOFTOP = "rooftop"
    ARRAY = "array"
    PLANT = "plant"


GeometryKind = Literal["point", "polygon", "mixed"]


class Trust(StrEnum):
    """How far a dataset is believed; ``low`` may support an installation but never creates one."""

    REFERENCE = "reference"
    NORMAL = "normal"
    LOW = "low"


class FileFilter(Model):
    """Which files of a deposit (or members of an archive) belong to the dataset.

    Patterns are matched against the whole published path with ``/`` separators and against its last part: shell globs,
    or regular expressions (searched) with ``regex: true``. ``exclude`` wins.
    """

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    regex: bool = False

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        if self.regex:
            for pattern in (*self.include, *self.exclude):
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise ValueError(f"not a regular expression: {pattern!r}: {error}") from error
        return self

    def _hits(self, pattern: str, name: str) -> bool:
        base = name.rsplit("/", 1)[-1]
        if self.regex:
            return re.search(pattern, name) is not None or re.search(pattern, base) is not None
        return fnmatchcase(name, pattern) or fnmatchcase(base, pattern)

    def accepts(self, name: str) -> bool:
        """Whether a published path belongs to the dataset."""
        return any(self._hits(pattern, name) for pattern in self.include) and not any(
            self._hits(pattern, name) for pattern in self.exclude
        )


class ZenodoSource(Model):
    """A Zenodo record; ``record`` is the number of one version, not the concept DOI."""

    repository: Literal["zenodo"]
    record: int


class FigshareSource(Model):
    """A figshare article at one version (API v2)."""

    repository: Literal["figshare"]
    article: int
    version: int | None = None


class ScienceBaseSource(Model):
    """A USGS ScienceBase item."""

    repository: Literal["sciencebase"]
    item: str = Field(pattern=r"^[0-9a-f]{24}$")


class GithubSource(Model):
    """Files below a folder of a GitHub repository at one ref."""

    repository: Literal["github"]
    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    ref: str
    path: str = ""


class DirectSource(Model):
    """Plain URLs."""

    repository: Literal["direct"]
    urls: tuple[str, ...] = Field(min_length=1)


class MirrorSource(Model):
    """No repository publishes the files in this form: they come from the mirror (or the cache), or not at all."""

    repository: Literal["mirror"]


Source = Annotated[
    ZenodoSource | FigshareSource | ScienceBaseSource | GithubSource | DirectSource | MirrorSource,
    Field(discriminator="repository"),
]


class RowRange(Model):
    """Bounds of the expected row count, both inclusive."""

    min: int = Field(ge=0)
    max: int = Field(ge=0)

    @model_validator(mode="before")
    @classmethod
    def _from_count(cls, value: object) -> object:
        return {"min": value, "max": value} if isinstance(value, int) else value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class PointColumns(Model):
    """Which columns of a table hold the coordinates, in the distribution's CRS."""

    x: str
    y: str


class PublishedFiles(Model):
    """Files that belong together: where they are to be had, and how they are known to be the right ones."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    source: Source
    files: FileFilter = FileFilter()
    members: FileFilter | None = Field(default=None, description="Which archive members; only where the files are archives.")
    checksums: dict[str, str] = Field(
        default_factory=dict, description="Published file name → 'md5:…' or 'sha256:…', where known."
    )

    @field_validator("checksums")
    @classmethod
    def _known_algorithm(cls, value: dict[str, str]) -> dict[str, str]:
        for name, checksum in value.items():
            if not re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", checksum):
                raise ValueError(f"checksum of {name!r} must look like 'md5:<32 hex>' or 'sha256:<64 hex>'")
        return value


class Publication(Protocol):
    """What an acquisition has to know of a manifest entry, whatever its files hold."""

    key: str
    status: Literal["available", "planned"]
    reason: str | None
    url: str

    @property
    def folder(self) -> str:
        """Folder of a mirror that has its files."""

    @property
    def distributions(self) -> tuple[PublishedFiles, ...]:
        """Published forms of the same content, in order of preference."""


class Distribution(PublishedFiles):
    """One published form of a dataset's content. Several of one dataset hold the same features."""

    format: Format
    layer: str | None = Field(default=None, description="Layer of a container with several; default: the only one.")
    crs: str | None = Field(
        default=None,
        description="CRS when the file carries none, as 'AUTHORITY:CODE'. Contradicting a file's own CRS is an error.",
    )
    axis_order: Literal["xy", "yx"] = Field(
        default="xy", description="'yx' where the publisher wrote latitude before longitude against the format's rule."
    )
    points: PointColumns | None = None
    geometry_kind: GeometryKind | None = Field(
        default=None, description="Where this form differs from the dataset's kind: a table of the polygons' centroids, say."
    )
    null_values: tuple[str, ...] = Field(default=(), description="Strings that mean missing, beside the empty one.")
    expected_rows: RowRange | None = None

    @model_validator(mode="after")
    def _csv_says_where(self) -> Self:
        if self.format is Format.CSV and (self.points is None or self.crs is None):
            raise ValueError(f"distribution {self.name!r}: a CSV needs 'points' (its coordinate columns) and 'crs'")
        return self


class Licence(Model):
    """Terms of use: an SPDX id where there is one, else the publisher's words."""

    id: str = Field(description="SPDX identifier, or 'LicenseRef-…' for the publisher's own words.")
    text: str | None = None
    commercial: Literal["yes", "no", "unknown"]


class Coverage(Model):
    """Where the features lie. No country list means global."""

    countries: tuple[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], ...] = Field(default=(), description="ISO 3166-1 alpha-3.")
    bbox: tuple[float, float, float, float] = Field(
        default=(-180.0, -90.0, 180.0, 90.0),
        description="west, south, east, north in degrees; west > east crosses the antimeridian.",
    )


class Dataset(Model):
    """One published dataset at one version."""

    key: str = Field(pattern=KEY_PATTERN)
    title: str
    status: Literal["available", "planned"] = "available"
    reason: str | None = Field(default=None, description="Why a planned dataset cannot be ingested yet.")
    doi: str | None = Field(default=None, pattern=r"^10\.\d{4,9}/\S+$", description="Version DOI of the data.")
    paper_doi: str | None = Field(default=None, pattern=r"^10\.\d{4,9}/\S+$")
    url: str = Field(pattern=r"^https://")
    citation: str
    licence: Licence
    vintage: str = Field(description="Version or date of the data, as the publisher names it.")
    level: Level
    geometry_kind: GeometryKind
    trust: Trust = Trust.NORMAL
    coverage: Coverage = Coverage()
    notes: str | None = None
    distributions: tuple[Distribution, ...] = Field(default=(), description="In order of preference.")

    @property
    def folder(self) -> str:
        """Folder of a mirror that has its files."""
        return self.key

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.status == "planned" and not self.reason:
            raise ValueError("a planned dataset says why in 'reason'")
        if self.status == "available" and not self.distributions:
            raise ValueError("an available dataset has at least one distribution")
        unique_names(self.distributions)
        return self


def unique_names(distributions: Iterable[PublishedFiles]) -> None:
    """Raise where two distributions of one entry have the same name: they would share a place in the cache.

    Raises:
        ValueError: names them all.
    """
    names = [distribution.name for distribution in distributions]
    if len(set(names)) != len(names):
        raise ValueError(f"distribution names repeat: {names}")


class Manifest(Model):
    """All datasets, by key."""

    datasets: dict[str, Dataset]

    @model_validator(mode="before")
    @classmethod
    def _key_into_entry(cls, value: object) -> object:
        return keyed(value, "datasets")

    def __getitem__(self, key: str) -> Dataset:
        """The dataset of that key.

        Raises:
            DatasetNotFoundError: names the keys there are.
        """
        return entry(self.datasets, key, "dataset", DatasetNotFoundError)

    def available(self) -> list[Dataset]:
        """Datasets that can be ingested, in manifest order."""
        return [dataset for dataset in self.datasets.values() if dataset.status == "available"]


def keyed(document: object, entries: str) -> object:
    """A manifest's document in which each entry below ``entries`` knows its own key."""
    if isinstance(document, dict) and isinstance(document.get(entries), dict):
        known = {key: {"key": key, **entry} if isinstance(entry, dict) else entry for key, entry in document[entries].items()}
        return {**document, entries: known}
    return document


def entry[E](entries: Mapping[str, E], key: str, noun: str, error: type[IngestError]) -> E:
    """The entry of that key.

    Raises:
        IngestError: of the given kind; names the keys there are.
    """
    if key not in entries:
        raise error(f"No {noun} {key!r} in the manifest.", remedy=f"Known: {', '.join(sorted(entries))}.")
    return entries[key]


def load_manifest(path: Path = MANIFEST_PATH) -> Manifest:
    """Read and check a manifest.

    Raises:
        ManifestError: names the file and each offending key.
    """
    return load(path, Manifest)


def load[M: BaseModel](path: Path, shape: type[M]) -> M:
    """Read a YAML file and check it against a model.

    Raises:
        ManifestError: names the file and each offending key.
    """
    try:
        document = strict_yaml.load(path.read_text(encoding="utf-8"))
        return shape.model_validate(document)
    except FileNotFoundError as error:
        raise ManifestError(f"No manifest at {path}.", remedy="Pass an existing file.") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{path} is not YAML: {error}.") from error
    except ValidationError as error:
        raise ManifestError(f"{path} is not a valid manifest: {problems(error)}.") from error


def problems(error: ValidationError) -> str:
    """What a model does not accept, each with the key that it stands under."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False)
    )
