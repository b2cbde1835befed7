"""Landing of context: one entry of the manifest, one DuckLake transaction, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from dataflows.outcomes import OutcomeRecorder, write_outcomes
from dataflows.raw import landing
from dataflows.raw.landing import UNREADABLE, Receipt
from db.errors import ReadError, SchemaError
from db.sql import identifier
from ingest.context_manifest import Context

VERSIONS = "context_versions"
VERSION_COLUMNS = {
    "context": "VARCHAR",
    "kind": "VARCHAR",
    "release": "VARCHAR",
    "title": "VARCHAR",
    "url": "VARCHAR",
    "citation": "VARCHAR",
    "licence": "VARCHAR",
    "commercial_use": "VARCHAR",
    "origin": "VARCHAR",
    "content_digest": "VARCHAR",
    "fingerprint": "VARCHAR",
    "rows_landed": "BIGINT",
    "ingested_at": "TIMESTAMPTZ",
    "ingest_run_id": "VARCHAR",
}
_VERSIONS = identifier("lake", "landing", VERSIONS)


@dataclass(frozen=True)
class Material:
    """What is to be landed, before it is read.

    Attributes:
        release: version of the source.
        origin: where it was taken from: cache, mirror or repository.
        digest: identity of the content and, where only a part of it is wanted, of that part.
        may_be_empty: whether no rows are an answer: that there is nothing of the kind around PV.
    """

    release: str
    origin: str
    digest: str
    may_be_empty: bool


def ensure_tables(lake: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of versions and outcomes where they are missing."""
    columns = ", ".join(f"{identifier(name)} {kind}" for name, kind in VERSION_COLUMNS.items())
    lake.execute(f"CREATE TABLE IF NOT EXISTS {_VERSIONS} ({columns})")
    write_outcomes(lake, [])


def current(lake: duckdb.DuckDBPyConnection, key: str, fingerprint: str) -> Receipt | None:
    """The receipt of ``lake.landing.<key>`` when the lake holds exactly this landing already, else ``None``."""
    return landing.held(lake, key, fingerprint, versions=_VERSIONS, key_column="context")


def land(
    lake: duckdb.DuckDBPyConnection,
    *,
    context: Context,
    material: Material,
    table: duckdb.DuckDBPyRelation,
    fingerprint: str,
    run_id: str,
    landed_at: datetime,
    author: str,
    recorder: OutcomeRecorder,
) -> Receipt:
    """Replace ``lake.landing.<key>`` by ``table`` in one transaction, with the entry's facts and the run's outcomes.

    Raises:
        ReadError: a file's content is not what its format promises.
        SchemaError: there are no rows where there must be some.
    """
    target = identifier("lake", "landing", context.key)
    extra = {"context": context.key, "release": material.release, "run_id": run_id, "content_digest": material.digest}
    with landing.transaction(lake, author, f"land {context.key} ({material.release})", extra):
        name = f"context_{run_id}_{context.key}"
        lake.register(name, table)
        try:
            lake.execute(f"CREATE OR REPLACE TABLE {target} AS SELECT * FROM {identifier(name)}")
        except UNREADABLE as error:
            raise ReadError(
                f"{context.key}: the files cannot be read: {str(error).splitlines()[0]}",
                remedy="Check the entry's 'source' in the manifest.",
            ) from error
        rows = landing.count(lake, target)
        if not rows and not material.may_be_empty:
            raise SchemaError(f"{context.key}: the files hold no rows.", remedy="Check 'files' in the manifest.")
        receipt = Receipt(context.key, target, rows, None)
        facts = _facts(context, material) | {
            "fingerprint": fingerprint,
            "rows_landed": rows,
            "ingested_at": landed_at,
            "ingest_run_id": run_id,
        }
        marks = ", ".join("?" * len(VERSION_COLUMNS))
        lake.execute(f"INSERT INTO {_VERSIONS} VALUES ({marks})", [facts[name] for name in VERSION_COLUMNS])
        write_outcomes(lake, [*recorder.outcomes, recorder.outcome("landed", "land", result=receipt)])
    return replace(receipt, snapshot=landing.snapshot_of(lake, extra))


def _facts(context: Context, material: Material) -> dict[str, object]:
    return {
        "context": context.key,
        "kind": context.source.kind,
        "release": material.release,
        "title": context.title,
        "url": context.url,
        "citation": context.citation,
        "licence": context.licence.id,
        "commercial_use": context.licence.commercial,
        "origin": material.origin,
        "content_digest": material.digest,
    }
