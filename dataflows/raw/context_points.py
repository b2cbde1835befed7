"""Values at points, pixels and stations, as the table that lands."""

from __future__ import annotations

import uuid

import duckdb
import pyarrow as pa

from dataflows.raw.layer import LazyTable, provenance
from dataflows.raw.run_identity import Run
from db.sql import identifier


def provenanced(table: pa.Table, lon: str, lat: str, run: Run, lake: duckdb.DuckDBPyConnection) -> LazyTable:
    """A table of points with ``geometry`` (EPSG:4326) and provenance.

    Args:
        table: has ``source_file``, ``source_sha256`` and ``source_row`` beside its own columns.
        lon: column with the longitude in degrees.
        lat: column with the latitude in degrees.
        run: the invocation.
        lake: a connection, which holds the table from now on.
    """
    name = f"points_{uuid.uuid4().hex}"
    lake.register(name, table)
    own = [identifier(column) for column in table.column_names if not column.startswith("source_")]
    point = f"ST_Point({identifier(lon)}, {identifier(lat)}) AS geometry"
    return LazyTable(
        lake.sql(f"SELECT {', '.join(own)}, {point}, {provenance(run, 'source_file', 'source_sha256')} FROM {name}")
    )
