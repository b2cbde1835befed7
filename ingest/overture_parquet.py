"""Which parts of a release's Parquet files lie around places of interest, and the features in them.

Files of a release are in the order of space, and each row group has the least and the greatest value of every column in the
file's footer, those of the ``bbox`` struct included. So the footers say which row groups can hold a feature near a place; of
those the boxes are read, and only where one meets a place the whole row group.
Source: https://docs.overturemaps.org/schema/reference/ and https://parquet.apache.org/docs/file-format/metadata/
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyproj
import shapely
from pyproj.exceptions import CRSError as ProjError

from db.errors import CrsError, EopvError, ReadError, SchemaError
from ingest.bucket import Bucket, StoredFile
from ingest.context_manifest import OvertureSource
from ingest.surroundings import Surroundings

log = logging.getLogger(__name__)

EDGES = ("xmin", "ymin", "xmax", "ymax")
REQUIRED = ("id", "geometry")
THREADS = 8
"""Requests at a time: S3 answers each in tens of milliseconds, whatever its size."""
SMALL_BYTES = 1 << 20
"""Row groups up to this size are read at once: another request takes longer than their bytes."""
ADDED = ("source_file", "source_row")


@dataclass
class Reading:
    """What was asked of the files of a release; grows while they are read."""

    files: int = 0
    file_bytes: int = 0
    row_groups: int = 0
    row_groups_read: int = 0
    rows: int = 0
    schemas: list[pa.Schema] = field(default_factory=list)


@dataclass(frozen=True)
class _Footer:
    file: StoredFile
    metadata: pq.FileMetaData

    @property
    def schema(self) -> pa.Schema:
        return self.metadata.schema.to_arrow_schema()


def features(
    bucket: Bucket,
    files: list[StoredFile],
    source: OvertureSource,
    places: Surroundings,
    reading: Reading,
    footers_dir: Path | None = None,
) -> Iterator[pa.Table]:
    """The features around places, a table a row group, in the order of the files.

    Args:
        bucket: where the files are.
        files: Parquet files of one type, in the layout of a release.
        source: ``only`` leaves features out.
        places: a feature belongs to them if its bounding box meets one.
        reading: counts what is read.
        footers_dir: where the files' footers are kept from one question to the next, which has other places; the files of a
            release never change. ``None`` keeps none.

    Returns:
        Published columns, ``source_file`` (path in the bucket) and ``source_row`` (0-based position in the file).

    Raises:
        ReadError: a file is no Parquet.
        SchemaError: it lacks a column that Overture's schema has.
        CrsError: it says that its coordinates are not in OGC:CRS84.
        RemoteError: the server does not answer.
    """
    with ThreadPoolExecutor(THREADS) as threads:
        footers = list(threads.map(lambda file: _footer(bucket, file, source, footers_dir), files))
        chosen = [(footer, group) for footer in footers for group in _candidates(footer, places)]
        reading.files, reading.file_bytes = len(files), sum(file.size for file in files)
        reading.row_groups = sum(footer.metadata.num_row_groups for footer in footers)
        reading.schemas = [footer.schema for footer in footers]
        # A window, because the results wait in memory for those before them
        running: deque[Future[tuple[pa.Table | None, bool]]] = deque()
        pending = iter(chosen)
        try:
            while True:
                while len(running) < THREADS and (next_one := next(pending, None)) is not None:
                    running.append(threads.submit(_row_group, bucket, *next_one, source, places))
                if not running:
                    return
                table, whole = running.popleft().result()
                reading.row_groups_read += whole
                if table is not None:
                    reading.rows += table.num_rows
                    yield table
        finally:
            for future in running:
                future.cancel()


def _footer(bucket: Bucket, file: StoredFile, source: OvertureSource, footers_dir: Path | None) -> _Footer:
    # By size too: a file that was replaced after all is another one
    kept = None if footers_dir is None else footers_dir / f"{file.path}.{file.size}.footer"
    metadata = None if kept is None else _kept_footer(kept)
    if metadata is None:
        with bucket.open(file) as stream, _readable(file):
            metadata = pq.read_metadata(stream)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = kept.with_name(f".{kept.name}.{uuid.uuid4().hex[:12]}.part")
            metadata.write_metadata_file(part)
            part.replace(kept)
    footer = _Footer(file, metadata)
    wanted = [*REQUIRED, *source.only]
    names = footer.schema.names
    if missing := [name for name in wanted if name not in names]:
        raise SchemaError(
            f"{file.path} has no column {missing[0]!r}; it has {', '.join(names)}.",
            remedy="Is it a file of Overture Maps, and of this type?",
        )
    _check_crs(footer)
    return footer


def _kept_footer(path: Path) -> pq.FileMetaData | None:
    try:
        return pq.read_metadata(path)
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError) as error:
        log.warning("The footer %s is damaged and will be read again: %s", path, str(error).splitlines()[0])
        return None


@contextmanager
def _readable(file: StoredFile) -> Iterator[None]:
    try:
        yield
    except EopvError:  # of the server, and some of these are OSErrors too
        raise
    except (pa.ArrowException, OSError, shapely.errors.GEOSException) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ReadError(f"{file.path} cannot be read as GeoParquet: {reason}.", remedy="Fetch it again.") from error


def _check_crs(footer: _Footer) -> None:
    """Overture's schema fixes OGC:CRS84, so that files without GeoParquet metadata are in it too; others are refused."""
    published = (footer.metadata.metadata or {}).get(b"geo")
    if published is None:
        log.warning(
            "%s has no GeoParquet metadata; it is taken to be in OGC:CRS84, as Overture's schema says", footer.file.path
        )
        return
    try:
        crs = json.loads(published)["columns"]["geometry"].get("crs", "OGC:CRS84")
        same = pyproj.CRS(crs).equals("OGC:CRS84", ignore_axis_order=True) if crs is not None else False
    except (ValueError, KeyError, TypeError, AttributeError, ProjError) as error:
        raise ReadError(
            f"{footer.file.path} has malformed GeoParquet metadata ({type(error).__name__}).",
            remedy="Report it to the publisher.",
        ) from error
    if not same:
        raise CrsError(
            f"{footer.file.path} is not in OGC:CRS84, as Overture's schema has it.", remedy="Is it a file of Overture Maps?"
        )


def _candidates(footer: _Footer, places: Surroundings) -> list[int]:
    """Row groups that may hold a feature around a place, as their statistics say; all where they say nothing."""
    metadata = footer.metadata
    columns = {metadata.schema.column(index).path: index for index in range(metadata.num_columns)}
    extents = np.full((metadata.num_row_groups, 4), np.nan)
    if all(f"bbox.{edge}" in columns for edge in EDGES):
        for group in range(metadata.num_row_groups):
            for position, edge in enumerate(EDGES):
                statistics = metadata.row_group(group).column(columns[f"bbox.{edge}"]).statistics
                if statistics is not None and statistics.has_min_max:
                    extents[group, position] = statistics.min if edge.endswith("min") else statistics.max
    return [int(group) for group in np.flatnonzero(places.meets(extents))]


def _row_group(
    bucket: Bucket, footer: _Footer, group: int, source: OvertureSource, places: Surroundings
) -> tuple[pa.Table | None, bool]:
    """The wanted features of a row group, or ``None``; and whether it had to be read whole."""
    start = sum(footer.metadata.row_group(earlier).num_rows for earlier in range(group))
    with bucket.open(footer.file) as stream, _readable(footer.file):
        # Ranges that are next to each other are one request
        parquet = pq.ParquetFile(stream, metadata=footer.metadata, pre_buffer=True)
        names = footer.schema.names
        place = "bbox" if "bbox" in names else "geometry"
        is_small = footer.metadata.row_group(group).total_byte_size <= SMALL_BYTES
        told = parquet.read_row_group(group, columns=None if is_small else [place, *source.only])
        wanted = places.meets(_boxes(told[place], boxed=place == "bbox"))
        for column, values in source.only.items():
            among = pc.is_in(told[column], value_set=pa.array(values, told.schema.field(column).type))
            wanted &= among.to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(wanted)
        if not len(rows):
            return None, is_small
        rest = parquet.read_row_group(group, columns=[name for name in names if name not in told.schema.names])
        parts = {name: (told if name in told.schema.names else rest)[name] for name in names}
        table = pa.table(parts).take(pa.array(rows))
    table = table.append_column(ADDED[0], pa.array([footer.file.path] * len(rows), pa.string()))
    return table.append_column(ADDED[1], pa.array(start + rows, pa.int64())), True


def _boxes(column: pa.ChunkedArray, *, boxed: bool) -> np.ndarray:
    """Bounding boxes (n, 4); of the geometries themselves where the file has none."""
    if boxed:
        parts = column.combine_chunks()
        edges = [pc.struct_field(parts, edge).to_numpy(zero_copy_only=False) for edge in EDGES]
        return np.column_stack(edges).astype(np.float64)
    return shapely.bounds(shapely.from_wkb(column.to_numpy(zero_copy_only=False)))
