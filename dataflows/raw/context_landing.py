"""Landing of context: one entry of the manifest, one DuckLake transaction, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from dataflows.outcomes import OutcomeRecorder
from dataflows.raw import landing
from dataflows.raw.landed_table import SCHEMA, Commit, Receipt, Versions, replace_table, transaction
from dataflows.raw.run_identity import Run
from db.errors import SchemaError
from ingest.context_manifest import Context

VERSIONS = Versions(
    f"{SCHEMA}.context_versions",
    "context",
    {
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
    },
)


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

    def check(target: str, rows: int) -> None:
        if not rows and not material.may_be_empty:
            raise SchemaError(f"{context.key}: the files hold no rows.", remedy="Check 'files' in the manifest.")

    extra = {"context": context.key, "release": material.release, "run_id": run_id, "content_digest": material.digest}
    return replace_table(
        lake,
        table,
        versions=VERSIONS,
        facts=_facts(context, material) | {"fingerprint": fingerprint, "ingested_at": landed_at, "ingest_run_id": run_id},
        commit=Commit(author, f"land {context.key} ({material.release})", extra),
        check=check,
        remedy="Check the entry's 'source' in the manifest.",
        recorder=recorder,
    )


def confirm(lake: duckdb.DuckDBPyConnection, context: Context, run: Run) -> bool:
    """Say that what was landed is what there is around all PV, where PV has been landed since.

    Whether nothing is near a site or nobody has looked yet is told by when somebody looked last, which is the time of the
    newest version. So it is written once more, as it was but for its time; the run stays that of the landing.

    Returns:
        Whether there was anything to say: no PV is newer, so that the same again writes nothing.
    """
    newer = f"""
        SELECT (SELECT max(ingested_at) FROM {landing.VERSIONS.table})
            > (SELECT max(ingested_at) FROM {VERSIONS.table} WHERE context = $key)
    """
    if lake.execute(newer, {"key": context.key}).fetchone() != (True,):
        return False
    extra: dict[str, object] = {"confirmed": context.key, "run_id": run.run_id}
    again = f"""
        INSERT INTO {VERSIONS.table}
        SELECT * REPLACE ($at::TIMESTAMPTZ AS ingested_at) FROM {VERSIONS.table} WHERE context = $key
        QUALIFY row_number() OVER (ORDER BY ingested_at DESC) = 1
    """
    with transaction(lake, Commit(run.author, f"confirm {context.key} around newer PV", extra)):
        lake.execute(again, {"key": context.key, "at": run.started_at})
    return True


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
