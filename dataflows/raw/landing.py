"""Landing: one dataset, one DuckLake transaction, or nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from dataflows.outcomes import OutcomeRecorder, measures, write_outcomes
from db.errors import CrsError, ReadError, SchemaError
from db.sql import identifier
from ingest.acquire import Acquisition
from ingest.manifest import Coverage, Dataset, RowRange

log = logging.getLogger(__name__)

SCHEMA = "lake.landing"
VERSIONS = f"{SCHEMA}.dataset_versions"

# What DuckDB raises for content that it cannot turn into a table; others (locks, conflicts, a full disk) are not the file's
UNREADABLE = (duckdb.DataError, duckdb.ProgrammingError)

# A publisher's bounding box is rarely exact; most features outside it means a wrong CRS or swapped axes
MAX_OUTSIDE = 0.5

VERSION_COLUMNS = {
    "dataset": "VARCHAR",
    "vintage": "VARCHAR",
    "title": "VARCHAR",
    "doi": "VARCHAR",
    "url": "VARCHAR",
    "citation": "VARCHAR",
    "licence": "VARCHAR",
    "commercial_use": "VARCHAR",
    "level": "VARCHAR",
    "trust": "VARCHAR",
    "countries": "VARCHAR[]",
    "distribution": "VARCHAR",
    "origin": "VARCHAR",
    "content_digest": "VARCHAR",
    "fingerprint": "VARCHAR",
    "rows_landed": "BIGINT",
    "rows_expected_min": "BIGINT",
    "rows_expected_max": "BIGINT",
    "ingested_at": "TIMESTAMPTZ",
    "ingest_run_id": "VARCHAR",
}


@dataclass(frozen=True)
class Receipt:
    """What landing did.

    Attributes:
        dataset: key.
        table: quoted name of the landing table.
        rows: rows in it.
        snapshot: DuckLake snapshot that holds it; ``None`` when nothing was written.
    """

    dataset: str
    table: str
    rows: int
    snapshot: int | None


@measures.register
def _(result: Receipt) -> dict[str, int]:
    return {"rows": result.rows}


def ensure_tables(lake: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of dataset versions and outcomes where they are missing."""
    columns = ", ".join(f"{identifier(name)} {kind}" for name, kind in VERSION_COLUMNS.items())
    lake.execute(f"CREATE TABLE IF NOT EXISTS {VERSIONS} ({columns})")
    write_outcomes(lake, [])


@contextmanager
def transaction(
    lake: duckdb.DuckDBPyConnection, author: str, message: str, extra: dict[str, object]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """One DuckLake commit with author, message and machine-readable extra facts; rolled back when the block raises."""
    lake.begin()
    try:
        yield lake
        lake.execute("CALL lake.set_commit_message(?, ?, extra_info => ?)", [author, message, json.dumps(extra)])
        lake.commit()
    except BaseException:
        lake.rollback()
        raise


def land(
    lake: duckdb.DuckDBPyConnection,
    *,
    dataset: Dataset,
    acquisition: Acquisition,
    table: duckdb.DuckDBPyRelation,
    fingerprint: str,
    run_id: str,
    landed_at: datetime,
    author: str,
    recorder: OutcomeRecorder,
) -> Receipt:
    """Replace ``lake.landing.<key>`` by ``table`` in one transaction, with the dataset's facts and the run's outcomes.

    Raises:
        ReadError: a file's content is not what its format promises.
        SchemaError: the row count is not what the manifest expects, or no row has a geometry.
        CrsError: most coordinates lie outside the manifest's coverage.
    """
    target = identifier("lake", "landing", dataset.key)
    extra = {"dataset": dataset.key, "vintage": dataset.vintage, "run_id": run_id, "content_digest": acquisition.digest}
    with transaction(lake, author, f"land {dataset.key} ({dataset.vintage})", extra):
        name = f"provenanced_{run_id}_{dataset.key}"
        lake.register(name, table)
        try:
            lake.execute(f"CREATE OR REPLACE TABLE {target} AS SELECT * FROM {identifier(name)}")
        except UNREADABLE as error:
            raise ReadError(
                f"{dataset.key}: the files cannot be read: {str(error).splitlines()[0]}",
                remedy="Check 'format' in the manifest.",
            ) from error
        rows = count(lake, target)
        check_rows(dataset.key, rows, acquisition.distribution.expected_rows)
        check_coverage(lake, target, dataset.key, dataset.coverage)
        receipt = Receipt(dataset.key, target, rows, None)
        facts = _facts(dataset, acquisition, fingerprint, rows, landed_at, run_id)
        marks = ", ".join("?" * len(VERSION_COLUMNS))
        lake.execute(f"INSERT INTO {VERSIONS} VALUES ({marks})", [facts[name] for name in VERSION_COLUMNS])
        write_outcomes(lake, [*recorder.outcomes, recorder.outcome("landed", "land", result=receipt)])
    return replace(receipt, snapshot=snapshot_of(lake, extra))


def snapshot_of(lake: duckdb.DuckDBPyConnection, extra: dict[str, object]) -> int | None:
    """The snapshot that :func:`transaction` committed with these extra facts.

    By them, because ``ducklake_last_committed_snapshot()`` is the catalog's, and another thread may have committed since.
    """
    query = "SELECT max(snapshot_id) FROM lake.snapshots() WHERE commit_extra_info = ?"
    (snapshot,) = lake.execute(query, [json.dumps(extra)]).fetchone() or (None,)
    return snapshot


def current(lake: duckdb.DuckDBPyConnection, key: str, fingerprint: str) -> Receipt | None:
    """The receipt of ``lake.landing.<key>`` when the lake holds exactly this landing already, else ``None``."""
    return held(lake, key, fingerprint, versions=VERSIONS, key_column="dataset")


def held(lake: duckdb.DuckDBPyConnection, key: str, fingerprint: str, *, versions: str, key_column: str) -> Receipt | None:
    """The receipt of ``lake.landing.<key>`` when it is there and its newest row in a table of versions has the fingerprint."""
    present = lake.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'landing' AND table_name = ?", [key]
    ).fetchone()
    newest = lake.execute(f"SELECT max_by(fingerprint, ingested_at) FROM {versions} WHERE {key_column} = ?", [key]).fetchone()
    if present is None or newest != (fingerprint,):
        return None
    target = identifier("lake", "landing", key)
    return Receipt(key, target, count(lake, target), None)


def check_rows(key: str, rows: int, expected: RowRange | None) -> None:
    """Raise when a dataset has another number of rows than its manifest entry expects.

    Raises:
        SchemaError: says how many rows there are and how many were expected.
    """
    if rows == 0:
        raise SchemaError(f"{key}: the files hold no feature.", remedy="Check 'files' and 'layer' in the manifest.")
    if expected is not None and not expected.min <= rows <= expected.max:
        wanted = f"{expected.min}" if expected.min == expected.max else f"{expected.min} to {expected.max}"
        raise SchemaError(
            f"{key}: {rows} rows were read, {wanted} were expected.",
            remedy="Check the files; if the publisher changed the data, correct 'expected_rows' and 'vintage' in the manifest.",
        )


def check_coverage(lake: duckdb.DuckDBPyConnection, table: str, key: str, coverage: Coverage) -> None:
    """Raise when most coordinates lie outside the manifest's coverage, which betrays a wrong CRS or swapped axes.

    Raises:
        SchemaError: there are no coordinates at all, which betrays a wrong reading of them.
        CrsError: says which of the two it looks like.
    """
    inside = _inside("ST_XMin(geometry)", "ST_YMin(geometry)", coverage)
    flipped = _inside("ST_YMin(geometry)", "ST_XMin(geometry)", coverage)
    total, within, within_flipped = lake.execute(
        f"SELECT count(geometry), count(*) FILTER ({inside}), count(*) FILTER ({flipped})"
        f" FROM {table} WHERE NOT ST_IsEmpty(geometry)"
    ).fetchone() or (0, 0, 0)
    if not total:
        raise SchemaError(
            f"{key}: no feature has a geometry.", remedy="Check the files, and 'points' or 'layer' in the manifest."
        )
    outside = total - within
    if outside > MAX_OUTSIDE * total:
        swapped = within_flipped > MAX_OUTSIDE * total
        raise CrsError(
            f"{key}: {outside} of {total} features lie outside the coverage {coverage.bbox}"
            f"{'; with the axes swapped they lie inside' if swapped else ''}.",
            remedy="Set 'axis_order: yx' in the manifest." if swapped else "Check 'crs' and 'coverage' in the manifest.",
        )
    if outside:
        log.warning("%s: %d of %d features lie outside the coverage %s", key, outside, total, coverage.bbox)


def _inside(x: str, y: str, coverage: Coverage) -> str:
    west, south, east, north = coverage.bbox
    longitude = f"{x} BETWEEN {west} AND {east}" if west <= east else f"({x} >= {west} OR {x} <= {east})"
    return f"{longitude} AND {y} BETWEEN {south} AND {north}"


def count(lake: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows of a table."""
    row = lake.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def _facts(
    dataset: Dataset, acquisition: Acquisition, fingerprint: str, rows: int, landed_at: datetime, run_id: str
) -> dict[str, object]:
    expected = acquisition.distribution.expected_rows
    return {
        "dataset": dataset.key,
        "vintage": dataset.vintage,
        "title": dataset.title,
        "doi": dataset.doi,
        "url": dataset.url,
        "citation": dataset.citation,
        "licence": dataset.licence.id,
        "commercial_use": dataset.licence.commercial,
        "level": dataset.level.value,
        "trust": dataset.trust.value,
        "countries": list(dataset.coverage.countries),
        "distribution": acquisition.distribution.name,
        "origin": ", ".join(sorted({file.origin for file in acquisition.files})),
        "content_digest": acquisition.digest,
        "fingerprint": fingerprint,
        "rows_landed": rows,
        "rows_expected_min": None if expected is None else expected.min,
        "rows_expected_max": None if expected is None else expected.max,
        "ingested_at": landed_at,
        "ingest_run_id": run_id,
    }
