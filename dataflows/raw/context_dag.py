"""What every kind of context ends with: material → fingerprint → ``lake.landing.<key>``."""

from __future__ import annotations

import hashlib

import duckdb
import pyarrow as pa
from hamilton.function_modifiers import tag

from dataflows.outcomes import OutcomeRecorder, measures
from dataflows.raw import context_landing
from dataflows.raw.context_areas import Areas
from dataflows.raw.context_landing import Material
from dataflows.raw.landed_table import Receipt
from dataflows.raw.layer import LazyTable
from dataflows.raw.run_identity import Run
from ingest.context_manifest import Context


@measures.register
def _(result: pa.Table) -> dict[str, int]:
    return {"rows": result.num_rows}


@measures.register
def _(result: Areas) -> dict[str, int]:
    return {"rows": len(result.cells)}


@tag(layer="landing")
def fingerprint(material: Material, context: Context, code_version: str) -> str:
    """Identity of a landing (sha256 hex): same content, same manifest entry and same code land the same table."""
    facts = "\n".join((material.digest, material.release, context.model_dump_json(), code_version))
    return hashlib.sha256(facts.encode()).hexdigest()


@tag(step="land", layer="landing")
def landed(
    context: Context,
    material: Material,
    provenanced_table: LazyTable,
    fingerprint: str,
    run: Run,
    lake: duckdb.DuckDBPyConnection,
    recorder: OutcomeRecorder,
) -> Receipt:
    """``lake.landing.<key>``, replaced in one transaction."""
    return context_landing.land(
        lake,
        context=context,
        material=material,
        table=provenanced_table.relation,
        fingerprint=fingerprint,
        run_id=run.run_id,
        landed_at=run.started_at,
        author=run.author,
        recorder=recorder,
    )
