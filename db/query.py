"""Run one query and stream its result out as text or Parquet."""

from __future__ import annotations

import csv
import json
import sys
import uuid
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

import duckdb

from db.errors import LakeError
from db.sql import identifier, literal

BATCH_ROWS = 10_000


class ResultFormat(StrEnum):
    """How a result is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def relation(con: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyRelation | None:
    """The query's lazy result; ``None`` for a statement without one.

    Raises:
        LakeError: the query is not valid, or the lake refuses it.
    """
    try:
        return con.sql(query)
    except duckdb.Error as error:
        raise LakeError(str(error).strip()) from error


def readable(result: duckdb.DuckDBPyRelation, geometry: str = "ST_AsText") -> duckdb.DuckDBPyRelation:
    """The result with geometries as text: WKT, or what another function of DuckDB's spatial extension gives."""
    columns = [
        f"{geometry}({identifier(name)}) AS {identifier(name)}" if str(kind).startswith("GEOMETRY") else identifier(name)
        for name, kind in zip(result.columns, result.types, strict=True)
    ]
    return result.project(", ".join(columns))


def batches(result: duckdb.DuckDBPyRelation, size: int = BATCH_ROWS) -> Iterator[list[tuple[Any, ...]]]:
    """The result's rows in batches, so that a large one never stands in memory at once."""
    try:
        while batch := result.fetchmany(size):
            yield batch
    except duckdb.Error as error:
        raise LakeError(str(error).strip()) from error


def write_csv(result: duckdb.DuckDBPyRelation, stream: TextIO) -> None:
    """Comma-separated text with a header line; geometries as WKT."""
    result = readable(result)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(result.columns)
    for batch in batches(result):
        writer.writerows(batch)


def write_json(result: duckdb.DuckDBPyRelation, stream: TextIO) -> None:
    """A JSON array of objects; geometries as GeoJSON objects, not text."""
    geometries = {name for name, kind in zip(result.columns, result.types, strict=True) if str(kind).startswith("GEOMETRY")}
    result = readable(result, "ST_AsGeoJSON")
    separator = "[\n"
    for batch in batches(result):
        for values in batch:
            row = {
                name: json.loads(value) if name in geometries and value is not None else value
                for name, value in zip(result.columns, values, strict=True)
            }
            stream.write(separator + json.dumps(row, default=str, ensure_ascii=False))
            separator = ",\n"
    stream.write("[]\n" if separator == "[\n" else "\n]\n")


def write_parquet(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """A Parquet file (zstd; GeoParquet where there is a geometry), replaced at once or not at all."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        con.execute(f"COPY ({query.strip().rstrip(';')}) TO {literal(str(part))} (FORMAT parquet, COMPRESSION zstd)")
        part.replace(path)
    except duckdb.Error as error:
        raise LakeError(str(error).strip()) from error
    finally:
        part.unlink(missing_ok=True)


def write(con: duckdb.DuckDBPyConnection, query: str, kind: ResultFormat, path: Path | None) -> None:
    """Write a query's result to a file, or as text to standard output.

    Raises:
        LakeError: the query fails, or Parquet is asked for without a file.
    """
    if kind is ResultFormat.PARQUET:
        if path is None:
            raise LakeError("Parquet is not text.", remedy="Name a file with -o.")
        write_parquet(con, query, path)
        return
    result = relation(con, query)
    if result is None:
        return
    writer = write_csv if kind is ResultFormat.CSV else write_json
    if path is None:
        writer(result, sys.stdout)
        return
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            writer(result, stream)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
