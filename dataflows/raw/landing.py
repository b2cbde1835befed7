"""Landing: one dataset, one DuckLake transaction, or nothing."""

from __future__ import annotations

import logging
from datetime import datetime

import duckdb

from dataflows.outcomes import OutcomeRecorder
from dataflows.raw.landed_table import SCHEMA, Commit, Receipt, Versions, replace_table
from db.errors import CrsError, SchemaError
from ingest.acquire import Acquisition
from ingest.manifest import Coverage, Dataset, RowRange

log = logging.getLogger(__name__)

# A publisher's bounding box is rarely exact; most features outside it means a wrong CRS or swapped axes
MAX_OUTSIDE = 0.5

VERSIONS = Versions(
    f"{SCHEMA}.dataset_versions",
    "dataset",
    {
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
    },
)


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

    def check(target: str, rows: int) -> None:
        check_rows(dataset.key, rows, acquisition.distribution.expected_rows)
        check_coverage(lake, target, dataset.key, dataset.coverage)

    extra = {"dataset": dataset.key, "vintage": dataset.vintage, "run_id": run_id, "content_digest": acquisition.digest}
    return replace_table(
        lake,
        table,
        versions=VERSIONS,
        facts=_facts(dataset, acquisition) | {"fingerprint": fingerprint, "ingested_at": landed_at, "ingest_run_id": run_id},
        commit=Commit(author, f"land {dataset.key} ({dataset.vintage})", extra),
        check=check,
        remedy="Check 'format' in the manifest.",
        recorder=recorder,
    )


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


def _facts(dataset: Dataset, acquisition: Acquisition) -> dict[str, object]:
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
        "rows_expected_min": None if expected is None else expected.min,
        "rows_expected_max": None if expected is None else expected.max,
    }
