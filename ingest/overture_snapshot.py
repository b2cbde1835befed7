"""Features of one type of Overture Maps around places, kept as one file a release.

Layout: ``<cache>/overture/<key>/<identity>/<release>.parquet`` with a sidecar beside it; the identity is that of the places and
of what is wanted. Footers of a bucket's files are below ``<cache>/overture/footers/<identity of the bucket>``. Everything is
written to a temporary name and renamed.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from db.errors import AcquisitionError, SchemaError
from ingest.acquired import Origin
from ingest.bucket import Bucket, StoredFile
from ingest.cache import SIDECAR_SUFFIX, write_atomically
from ingest.context_manifest import NEWEST, Context, OvertureSource
from ingest.overture_parquet import ADDED, Reading, features
from ingest.overture_release import age
from ingest.surroundings import Surroundings
from ingest.verification import verify

log = logging.getLogger(__name__)

FORMAT = 1
"""Of snapshots; raise it with a change of what they hold."""


class _Sidecar(BaseModel):
    """What a snapshot was when it was written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    size: int
    rows: int
    source: str


@dataclass(frozen=True)
class Snapshot:
    """The features of one type around places, of one release.

    Attributes:
        path: Parquet file with the published columns (``geometry``: WKB in OGC:CRS84), ``source_file`` and ``source_row``;
            not to be written to.
        release: id.
        sha256: hex digest of the file.
        bytes: size of the file.
        rows: features.
        origin: where it was taken from in this run.
        source: URL or folder of the release that it was read from.
        bytes_read: asked of that in this run, 0 from the cache.
        bytes_held: by the files of the release, 0 from the cache.
    """

    path: Path
    release: str
    sha256: str
    bytes: int
    rows: int
    origin: Origin
    source: str
    bytes_read: int = 0
    bytes_held: int = 0


class Snapshots:
    """The snapshots of one entry around the same places."""

    def __init__(self, context: Context, places: Surroundings, cache_dir: Path) -> None:
        assert isinstance(context.source, OvertureSource)
        chosen = context.source.model_dump_json(include={"theme", "type", "only", "url"})
        identity = hashlib.sha256(f"{FORMAT}\n{chosen}\n{places.name}".encode()).hexdigest()[:16]
        self._key, self._source, self._places = context.key, context.source, places
        self._folder = cache_dir / "overture" / context.key / identity
        # A release is a folder below the URL, and its types are folders below that
        published = f"{context.source.url}\n{context.source.endpoint or ''}"
        self._footers = cache_dir / "overture" / "footers" / hashlib.sha256(published.encode()).hexdigest()[:16]

    def folder(self) -> Path:
        """Where the snapshots are."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def wanted(self) -> Snapshot | None:
        """The snapshot of the pinned release, verified; the newest one where the newest release is wanted."""
        there = sorted((path.stem for path in self._folder.glob("*.parquet")), key=age, reverse=True)
        wanted = there if self._source.release == NEWEST else [name for name in there if name == self._source.release]
        return next((found for name in wanted if (found := self._held(name))), None)

    def _held(self, release: str) -> Snapshot | None:
        path = self._path(release)
        try:
            sidecar = _Sidecar.model_validate_json(self._sidecar(path).read_bytes())
            verify(path, path.name, checksums=[f"sha256:{sidecar.sha256}"], size=sidecar.size)
        except (AcquisitionError, ValidationError, FileNotFoundError) as error:
            log.warning("The snapshot %s is damaged and will be made again: %s", path, error)
            return None
        return Snapshot(path, release, sidecar.sha256, sidecar.size, sidecar.rows, "cache", sidecar.source)

    def take(self, bucket: Bucket, release: str, files: list[StoredFile], origin: Origin, shown: str) -> Snapshot:
        """Read what is wanted of the files of a release, and keep it; there wholly or not at all.

        Args:
            bucket: where the files are.
            release: id.
            files: Parquet files of the type.
            origin: what to record as the snapshot's origin.
            shown: the bucket as it may be shown.

        Raises:
            EopvError: as :func:`ingest.overture_parquet.features`.
        """
        path, reading = self._path(release), Reading()
        part = self.folder() / f".{path.name}.{uuid.uuid4().hex[:12]}.part"
        try:
            kept = self._footers if origin == "repository" else None
            _write(part, features(bucket, files, self._source, self._places, reading, kept), reading)
            sha256, size = verify(part, path.name), part.stat().st_size
            facts = _Sidecar(sha256=sha256, size=size, rows=reading.rows, source=f"{shown}/{release}")
            part.replace(path)
            write_atomically(self._sidecar(path), facts.model_dump_json(indent=1))
        finally:
            part.unlink(missing_ok=True)
        log.info(
            "%s: release %s from %s: %s features around %s places, %s of %s row groups, %s of %s bytes in %s requests.",
            self._key,
            release,
            shown,
            f"{reading.rows:,}",
            f"{len(self._places.boxes):,}",
            f"{reading.row_groups_read:,}",
            f"{reading.row_groups:,}",
            f"{bucket.bytes_read:,}",
            f"{reading.file_bytes:,}",
            f"{bucket.requests:,}",
        )
        return Snapshot(path, release, sha256, size, reading.rows, origin, facts.source, bucket.bytes_read, reading.file_bytes)

    def _path(self, release: str) -> Path:
        return self._folder / f"{release}.parquet"

    def _sidecar(self, path: Path) -> Path:
        return path.with_name(f"{path.name}{SIDECAR_SUFFIX}")


def _write(path: Path, tables: Iterator[pa.Table], reading: Reading) -> None:
    """One file of all tables, with the columns of all files; a file without rows where there is no table."""
    first = next(tables, None)  # fills ``reading``
    added = pa.schema([(ADDED[0], pa.string()), (ADDED[1], pa.int64())])
    schemas = [*(schema.remove_metadata() for schema in reading.schemas), added]
    try:
        schema = pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaError(
            f"The files of a release differ in their columns: {error}.", remedy="Report it to the publisher."
        ) from error
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in chain([] if first is None else [first], tables):
            writer.write_table(_as(table, schema))


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with all columns of a schema; null where it has none of that name."""
    columns = [
        table[field.name].cast(field.type) if field.name in table.schema.names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
