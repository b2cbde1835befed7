"""What a reader yields: one published file as a lazy table, with the columns that the lake adds."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from dataflows.outcomes import measures
from dataflows.raw.run_identity import Run
from db.errors import SchemaError
from db.sql import identifier, literal
from ingest.acquire import AcquiredFile

BATCH_ROWS = 65_536
PROVENANCE = ("source_file", "source_sha256", "source_row", "ingested_at", "ingest_run_id")


def provenance(run: Run, source_file: str, source_sha256: str) -> str:
    """SQL of the columns that every landed row has, in the order of ``PROVENANCE``.

    Args:
        run: the invocation.
        source_file: SQL of the published file's name.
        source_sha256: SQL of its digest.
    """
    return (
        f"{source_file} AS source_file, {source_sha256} AS source_sha256, source_row,"
        f" {literal(run.started_at.isoformat())}::TIMESTAMPTZ AS ingested_at, {literal(run.run_id)} AS ingest_run_id"
    )


@dataclass(frozen=True)
class Layer:
    """One file as a lazy table.

    Attributes:
        file: the file and its checksum.
        table: published columns, ``geometry`` (in ``crs``) and ``source_row`` (BIGINT).
        crs: what the file says about itself, as anything ``pyproj.CRS`` takes; ``None`` when it says nothing.
        rows: features that the file announces, where the format does.
    """

    file: AcquiredFile
    table: duckdb.DuckDBPyRelation = field(repr=False)  # see LazyTable
    crs: str | None
    rows: int | None


@dataclass(frozen=True)
class LazyTable:
    """A relation between nodes. Hamilton takes the ``repr`` of all inputs of a node that fails, which would run it again."""

    relation: duckdb.DuckDBPyRelation = field(repr=False)


@measures.register
def _(result: list) -> dict[str, int]:
    counts = [layer.rows for layer in result]
    rows = {} if None in counts else {"rows": sum(counts)}
    return {"files": len(result), "bytes": sum(layer.file.bytes for layer in result), **rows}


def reject_reserved(attributes: Iterable[str], file: AcquiredFile) -> None:
    """Raise for a published attribute that has the name of a column that the lake adds; SQL names have no case.

    Raises:
        SchemaError: names the attribute.
    """
    if taken := [name for name in attributes if name.lower() in {"geometry", *PROVENANCE}]:
        raise SchemaError(
            f"{file.name}: attribute {taken[0]!r} has the name of a column that the lake adds.",
            remedy="Rename it in a copy and use that as a mirror; reserved: " + ", ".join(("geometry", *PROVENANCE)) + ".",
        )


def from_stream(
    reader: pa.RecordBatchReader, geometry: str, file: AcquiredFile, lake: duckdb.DuckDBPyConnection
) -> duckdb.DuckDBPyRelation:
    """The table of an Arrow stream: attributes, ``geometry``, ``source_row``.

    Args:
        reader: read once, when the table is.
        geometry: name of the column with WKB, or with a geometry type that DuckDB knows.
        file: for messages.
        lake: a connection.

    Raises:
        SchemaError: an attribute has a reserved name, or the geometry column holds something else.
    """
    reject_reserved((name for name in reader.schema.names if name != geometry), file)
    schema = reader.schema.append(pa.field("source_row", pa.int64()))
    name = f"stream_{uuid.uuid4().hex}"
    lake.register(name, pa.RecordBatchReader.from_batches(schema, _numbered(reader, schema)))
    table = lake.sql(f"SELECT * FROM {name}")
    columns = []
    for column, kind in zip(table.columns, map(str, table.types), strict=True):
        if column == geometry:
            columns.append(f"{_shape(column, kind, file)} AS geometry")
        elif kind == "JSON":
            # GDAL calls a GeoJSON property of mixed types JSON, though plain text is among it: Parquet would not be readable
            columns.append(f"{identifier(column)}::VARCHAR AS {identifier(column)}")
        else:
            columns.append(identifier(column))
    return table.project(", ".join(columns))


def _shape(column: str, kind: str, file: AcquiredFile) -> str:
    if kind.startswith("GEOMETRY"):
        return identifier(column)
    if kind == "BLOB":
        return f"ST_GeomFromWKB({identifier(column)})"
    raise SchemaError(
        f"{file.name}: the geometry column {column!r} is {kind}, not WKB.", remedy="Check 'format' in the manifest."
    )


def _numbered(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Batches with ``source_row`` appended; numbering here keeps DuckDB's plan parallel, a window function would not."""
    start = 0
    for batch in reader:
        rows = pa.arange(start, start + batch.num_rows)
        start += batch.num_rows
        yield pa.RecordBatch.from_arrays([*batch.columns, rows], schema=schema)
