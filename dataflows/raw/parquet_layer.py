"""GeoParquet of any version and encoding, and Parquet with a WKB column named ``geometry``."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import geoarrow.rust.core as geoarrow
import geoarrow.rust.io as geoarrow_io
import pyarrow as pa
import pyarrow.parquet as pq

from dataflows.raw.layer import BATCH_ROWS, Layer, from_stream
from db.errors import ReadError, SchemaError
from ingest.acquire import AcquiredFile

NATIVE_ENCODINGS = {"point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"}


def open_parquet(file: AcquiredFile, lake: duckdb.DuckDBPyConnection) -> Layer:
    """A Parquet file; without GeoParquet metadata its CRS is not known.

    Raises:
        ReadError: it is not Parquet, or its GeoParquet metadata are malformed.
        SchemaError: it has no geometry column, or an attribute with a reserved name.
    """
    try:
        parquet = pq.ParquetFile(file.path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ReadError(
            f"{file.name} cannot be read as Parquet: {str(error).rstrip('.')}.", remedy="Check 'format' in the manifest."
        ) from error
    column, encoding, crs = _described(parquet, file)
    if column not in parquet.schema_arrow.names:
        raise SchemaError(
            f"{file.name} has no geometry column {column!r}; it has {', '.join(parquet.schema_arrow.names)}.",
            remedy="Check 'format' in the manifest.",
        )
    if encoding == "WKB":
        reader = pa.RecordBatchReader.from_batches(parquet.schema_arrow, parquet.iter_batches(BATCH_ROWS))
    else:
        reader = _native_as_wkb(file, column)
    return Layer(file, from_stream(reader, column, file, lake), crs, parquet.metadata.num_rows)


def _described(parquet: pq.ParquetFile, file: AcquiredFile) -> tuple[str, str, str | None]:
    """Geometry column, its encoding and CRS."""
    published = (parquet.metadata.metadata or {}).get(b"geo")
    if published is None:
        return "geometry", "WKB", None
    try:
        geo: dict[str, Any] = json.loads(published)
        column = geo["primary_column"]
        description = geo["columns"][column]
        encoding = description["encoding"]
    except (ValueError, KeyError, TypeError) as error:
        raise ReadError(
            f"{file.name} has malformed GeoParquet metadata ({type(error).__name__}: {error}).",
            remedy="Report it to the publisher.",
        ) from error
    if encoding != "WKB" and encoding not in NATIVE_ENCODINGS:
        raise ReadError(
            f"{file.name}: {encoding!r} is not an encoding of GeoParquet 1.1.", remedy="Report it to the publisher."
        )
    # An absent CRS means OGC:CRS84, a null one means unknown
    crs = description.get("crs", "OGC:CRS84")
    return column, encoding, json.dumps(crs) if isinstance(crs, dict) else crs


def _native_as_wkb(file: AcquiredFile, column: str) -> pa.RecordBatchReader:
    native = geoarrow_io.read_parquet(str(file.path))
    # Taken from geoarrow's own table: pyarrow's column has lost the field's metadata, which say what the coordinates form
    wkb = pa.chunked_array(geoarrow.to_wkb(native.column(column))).cast(pa.binary())
    table = pa.table(native)
    return table.set_column(table.schema.get_field_index(column), pa.field(column, pa.binary()), wkb).to_reader(BATCH_ROWS)
