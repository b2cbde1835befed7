"""Errors of the whole project, grouped by what a caller would do about them.

Every error carries a ``kind`` (a stable, append-only name, recorded in ``landing.ingest_outcomes``) and a ``remedy`` (one
sentence that says what to do). Where a built-in exception says the same thing, it is mixed in, so that
``except KeyError`` works for a dataset that is not there.
"""

from __future__ import annotations

from typing import ClassVar


class EopvError(Exception):
    """Base of every error that the project raises on purpose.

    Args:
        message: what went wrong and where, in one line.
        remedy: what the reader can do about it, in one sentence.
    """

    kind: ClassVar[str] = "error"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class SettingsError(EopvError, ValueError):
    """A setting is unknown, missing or malformed: correct the environment."""

    kind = "settings"


class LakeError(EopvError):
    """The lake cannot be used."""

    kind = "lake"


class LakeNotFoundError(LakeError, FileNotFoundError):
    """There is no lake yet where one was to be read: build it first."""

    kind = "lake_not_found"


class LakeLockedError(LakeError):
    """Another process holds the embedded catalog: wait, or use a target with a server."""

    kind = "lake_locked"


class SnapshotNotFoundError(LakeError, LookupError):
    """``as_of`` names a snapshot or a time that the lake does not have."""

    kind = "snapshot_not_found"


class ServiceError(EopvError):
    """A development service (PostgreSQL, S3) did not start, answer or stop."""

    kind = "service"


class BuildError(EopvError):
    """dbt could not parse, compile or build: the message names the failing nodes."""

    kind = "build"


class IngestError(EopvError):
    """A dataset could not be brought into the lake; the other datasets are not affected."""

    kind = "ingest"


class ManifestError(IngestError, ValueError):
    """A manifest entry is malformed: correct the YAML."""

    kind = "manifest"


class DatasetNotFoundError(IngestError, KeyError):
    """No dataset of that key is in the manifest."""

    kind = "dataset_not_found"

    __str__ = EopvError.__str__  # KeyError would print the repr


class DatasetPlannedError(IngestError):
    """The dataset is in the manifest, but cannot be ingested yet; the manifest says why."""

    kind = "dataset_planned"


class AcquisitionError(IngestError):
    """Files could not be obtained from cache, mirror or repository."""

    kind = "acquisition"


class NoFileMatchedError(AcquisitionError, LookupError):
    """The manifest's filters match nothing: the message lists what was there."""

    kind = "no_file_matched"


class NotHeldError(AcquisitionError, LookupError):
    """Offline, and neither the cache nor the mirror has anything of the dataset."""

    kind = "not_held"


class RemoteError(AcquisitionError):
    """A repository answered with an error, or not at all, after all retries.

    Args:
        message: what was asked for and what came back; without credentials.
        status: HTTP status, or ``None`` where no answer came.
        remedy: what to do about it.
    """

    kind = "remote"

    def __init__(self, message: str, *, status: int | None = None, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class RemoteNotFoundError(RemoteError, FileNotFoundError):
    """The repository says that the record or file does not exist (404, 410)."""

    kind = "remote_not_found"


class IncompleteDownloadError(AcquisitionError):
    """Fewer (or more) bytes arrived than were announced, after all retries."""

    kind = "incomplete_download"


class ChecksumMismatchError(AcquisitionError):
    """The bytes are complete but are not those the manifest or the repository promises."""

    kind = "checksum_mismatch"


class TooManyPlacesError(AcquisitionError):
    """More would be asked of a publisher than the manifest allows: nothing was; raise the bound, or use a mirror."""

    kind = "too_many_places"


class UnsafeArchiveError(AcquisitionError):
    """An archive would write outside its folder, hold links or devices, or unpack to an absurd size."""

    kind = "unsafe_archive"


class CorruptArchiveError(AcquisitionError):
    """An archive cannot be read."""

    kind = "corrupt_archive"


class ReadError(IngestError):
    """A file was obtained but could not be read as the manifest says."""

    kind = "read"


class CrsError(ReadError):
    """The coordinate reference system is missing, unknown or contradicted by the coordinates."""

    kind = "crs"


class SchemaError(ReadError):
    """The table lacks what the manifest promises: a column, a geometry, the expected rows."""

    kind = "schema"


class EncryptedArchiveError(AcquisitionError):
    """An archive or a wanted member of it needs a password: unpack it by hand and use it as a mirror."""

    kind = "encrypted_archive"


class LfsPointerError(AcquisitionError):
    """A Git LFS pointer arrived in place of the file it points to."""

    kind = "lfs_pointer"


class MissingCompanionError(AcquisitionError):
    """A shapefile came without a part that it cannot be read without."""

    kind = "missing_companion"


class CatalogNotFoundError(IngestError, KeyError):
    """No STAC catalog of that key is in the manifest."""

    kind = "catalog_not_found"

    __str__ = EopvError.__str__  # KeyError would print the repr


class ContextNotFoundError(IngestError, KeyError):
    """No source of context of that key is in the manifest."""

    kind = "context_not_found"

    __str__ = EopvError.__str__  # KeyError would print the repr


class ReleaseNotFoundError(AcquisitionError, LookupError):
    """There is no such release of Overture Maps (any more): the message lists those there are."""

    kind = "release_not_found"


class CatalogError(AcquisitionError):
    """A STAC catalog does not do what its manifest entry asks of it: correct the entry, or search it otherwise."""

    kind = "catalog"


class CubeError(EopvError):
    """A datacube could not be built or read; the lake and the other cubes are not affected."""

    kind = "cube"


class CubeNotFoundError(CubeError, FileNotFoundError):
    """There is no cube, or no group of that name in it: build it first."""

    kind = "cube_not_found"


class CubeLockedError(CubeError):
    """Another process writes to the same repository on this machine: wait for it."""

    kind = "cube_locked"


class CubeConflictError(CubeError):
    """Another build of the same repository was finished first; nothing of this one is visible: run it again."""

    kind = "cube_conflict"


class SourceError(CubeError):
    """A raster that a cube needs is missing, broken, unreadable, or not what its item says."""

    kind = "source"


class SourceChangedError(SourceError):
    """A raster has changed since a cube was built on it: its pixels are not given, rather than wrong ones."""

    kind = "source_changed"


class SourceChecksumError(SourceError):
    """A raster has other bytes than the checksum of its item promises; the message names item, asset and URL."""

    kind = "source_checksum"


class SceneRefusedError(SourceError, ValueError):
    """A scene cannot be part of a virtual cube; the message names the item and the reason."""

    kind = "scene_refused"


class PublishError(EopvError, ValueError):
    """A table, picture or page cannot be published as asked; nothing was written."""

    kind = "publish"


class NotSeparableError(PublishError):
    """Rows of a table come from several sources, of which some are restricted, and cannot be told apart."""

    kind = "not_separable"
