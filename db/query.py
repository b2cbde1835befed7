"""Run one query and stream its result out as text or Parquet."""

from __future__ import annotations

import csv
import json
import math
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
        raise refused(error) from error


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
        raise refused(error) from error


def write_csv(result: duckdb.DuckDBPyRelation, stream: TextIO) -> None:
    """Comma-separated text with a header line; geometries as WKT."""
    result = readable(result)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(result.columns)
    for batch in batches(result):
        writer.writerows(batch)


def write_json(result: duckdb.DuckDBPyRelation, stream: TextIO) -> None:
    """A JSON array of objects; geometries as GeoJSON objects, not text; numbers that JSON has not (NaN, ∞) as null."""
    geometries = {name for name, kind in zip(result.columns, result.types, strict=True) if str(kind).startswith("GEOMETRY")}
    result = readable(result, "ST_AsGeoJSON")
    separator = "[\n"
    for batch in batches(result):
        for values in batch:
            row = {
                name: json.loads(value) if name in geometries and value is not None else value
                for name, value in zip(result.columns, values, strict=True)
            }
            stream.write(separator + json.dumps(_finite(row), default=str, ensure_ascii=False, allow_nan=False))
            separator = ",\n"
    stream.write("[]\n" if separator == "[\n" else "\n]\n")


def write_parquet(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """A Parquet file (zstd; GeoParquet where there is a geometry), replaced at once or not at all."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        # What comes before the query, such as SET VARIABLE
        *before, query = [statement.query for statement in con.extract_statements(query)]
        for statement in before:
            con.execute(statement)
        con.execute(f"COPY ({query.strip().rstrip(';')}) TO {literal(str(part))} (FORMAT parquet, COMPRESSION zstd)")
        part.replace(path)
    except duckdb.Error as error:
        raise refused(error) from error
    finally:
        part.unlink(missing_ok=True)


def write(con: duckdb.DuckDBPyConnection, query: str, kind: ResultFormat, path: Path | None) -> None:
    """Write a query's result to a file, or as text to standard output.

    Raises:
        LakeError: the query fails, Parquet is asked for without a file, or the file's folder is not there.
    """
    if path is not None and not path.parent.is_dir():
        raise LakeError(f"There is no folder {path.parent}.", remedy="Make it, or name another file.")
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


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value


def refused(error: duckdb.Error) -> LakeError:
    """DuckDB's error in one line, without the picture that points at the place."""
    lines = [line.strip() for line in str(error).splitlines()]
    text = " ".join(line for line in lines if line.strip("^"))
    return LakeError(text, remedy="Check the query; 'eopv status' lists what there is.")
