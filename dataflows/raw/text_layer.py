"""Coordinates as text: CSV with two coordinate columns, and JSON lists of pairs."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from dataflows.raw import text_encoding
from dataflows.raw.crs import parse
from dataflows.raw.layer import Layer, reject_reserved
from db.errors import ReadError, SchemaError
from db.sql import identifier, literal
from ingest.acquire import AcquiredFile
from ingest.manifest import Distribution

TAIL_BYTES = 64
GROUPED = r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"  # 1,234,567.8
DECIMAL_COMMA = r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+"  # 1234567,8 and 1.234.567,8


def open_csv(file: AcquiredFile, distribution: Distribution, lake: duckdb.DuckDBPyConnection, resources: ExitStack) -> Layer:
    """Delimited text; dialect and types are sniffed over the whole file.

    Args:
        file: in UTF-8, UTF-16 with a mark, Windows-1252 or Latin-1.
        distribution: names the coordinate columns.
        lake: a connection.
        resources: keeps a copy in UTF-8, where one is needed, until the table has been read.

    Raises:
        ReadError: it is not a table.
        CrsError: PROJ does not know the manifest's CRS.
        SchemaError: a coordinate column is missing, or an attribute has a reserved name.
    """
    assert distribution.points is not None
    assert distribution.crs is not None
    points = distribution.points
    nulls = ", ".join(literal(text) for text in ("", *distribution.null_values))
    # A table that goes with the connection: a relation over read_csv sniffs the whole file again each time it is built upon
    name = identifier("temp", "main", f"csv_{uuid.uuid4().hex}")
    try:
        # One thread reads a file front to back, so that row_number() is the row's place in it.
        lake.execute(
            f"CREATE TEMP TABLE {name} AS FROM read_csv({literal(str(_as_utf8(file, resources)))}, sample_size = -1,"
            f" header = true, nullstr = [{nulls}], parallel = false)"
        )
    except duckdb.Error as error:
        raise ReadError(
            f"{file.name} cannot be read as CSV: {str(error).splitlines()[0].rstrip('.')}.",
            remedy="Check 'format' in the manifest.",
        ) from error
    published = lake.sql(f"FROM {name}")
    reject_reserved(published.columns, file)
    kinds = dict(zip(published.columns, map(str, published.types), strict=True))
    if missing := [name for name in (points.x, points.y) if name not in kinds]:
        raise SchemaError(
            f"{file.name} has no column {missing[0]!r}; it has {', '.join(kinds)}.",
            remedy="Correct 'points' in the manifest; where all names stand as one, some row has too many or too few fields.",
        )
    geographic = parse(distribution.crs, file.name).is_geographic
    x, y = (_number(name, kinds[name], geographic) for name in (points.x, points.y))
    table = published.project(f"*, {_point(x, y)} AS geometry, row_number() OVER () - 1 AS source_row")
    return Layer(file, table, None, None)


def open_coordinates(file: AcquiredFile, lake: duckdb.DuckDBPyConnection) -> Layer:
    """A JSON array of ``[x, y]`` pairs; they have no attributes.

    Raises:
        ReadError: it is not an array, or is cut short. An element that is neither a pair nor null is found when the table
            is read.
    """
    with file.path.open("rb") as stream:
        stream.seek(max(0, file.bytes - TAIL_BYTES))
        # DuckDB takes the end of the file for the end of the array
        complete = stream.read().rstrip().endswith(b"]")
    if not complete:
        raise ReadError(f"{file.name} does not end as a JSON array.", remedy="Check the file and 'format' in the manifest.")
    pairs = lake.sql(
        f"SELECT pair, row_number() OVER () - 1 AS source_row FROM read_json({literal(str(file.path))}, format = 'array',"
        " records = false, columns = {pair: 'DOUBLE[]'}, maximum_object_size = 1073741824)"
    )
    wrong = f"error({literal(f'{file.name}: an element is not a pair of coordinates: ')} || pair::VARCHAR)"
    point = f"CASE WHEN len(pair) != 2 THEN {wrong} ELSE {_point('pair[1]', 'pair[2]')} END AS geometry"
    return Layer(file, pairs.project(f"{point}, source_row"), None, None)


def _as_utf8(file: AcquiredFile, resources: ExitStack) -> Path:
    encoding = text_encoding.detect(file.path)
    if encoding == "utf-8":
        return file.path
    folder = Path(resources.enter_context(TemporaryDirectory(prefix="eopv-")))
    return text_encoding.transcode(file.path, encoding, folder / "utf8.csv")


def _number(column: str, kind: str, geographic: bool) -> str:
    """SQL for a coordinate as DOUBLE, null where it is none; commas group digits or stand before the decimals."""
    if kind != "VARCHAR":
        return f"TRY_CAST({identifier(column)} AS DOUBLE)"
    text = f"trim({identifier(column)})"
    # No angle has thousands, so that 10,125 can only be a decimal there; in metres it is a thousand
    grouped = "false" if geographic else f"regexp_full_match({text}, {literal(GROUPED)})"
    plain = (
        f"CASE WHEN {grouped} THEN replace({text}, ',', '')"
        f" WHEN regexp_full_match({text}, {literal(DECIMAL_COMMA)}) THEN replace(replace({text}, '.', ''), ',', '.')"
        f" ELSE {text} END"
    )
    return f"TRY_CAST({plain} AS DOUBLE)"


def _point(x: str, y: str) -> str:
    return f"CASE WHEN isfinite({x}) AND isfinite({y}) THEN ST_Point({x}, {y}) END"
