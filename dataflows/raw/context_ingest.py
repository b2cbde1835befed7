"""Bring context into the lake, one entry after the other; a failure is an outcome, not the end of the run."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Literal

import duckdb
from hamilton.driver import Driver

from dataflows.outcomes import OutcomeRecorder
from dataflows.raw import (
    context_dag,
    context_files,
    context_irradiance,
    context_landing,
    context_overture,
    context_rasters,
    readers,
    run_identity,
    vector_tables,
)
from dataflows.raw.attempt import attempt
from dataflows.raw.run_identity import Run
from dataflows.run import build_driver
from db import Settings, connect
from db.connection import with_services
from db.errors import DatasetPlannedError
from ingest.bucket import S3Credentials
from ingest.context_access import ContextAccess
from ingest.context_manifest import Context, NsrdbBucket, OvertureSource
from ingest.http import RetryPolicy
from ingest.manifest import Format
from ingest.progress import Progress

log = logging.getLogger(__name__)

MODULES = {
    "overture": (context_overture,),
    "vector": (context_files, readers, vector_tables),
    "raster": (context_files, context_rasters),
    "nsrdb": (context_files, context_irradiance),
    "pvgis_tmy": (context_files, context_irradiance),
}


AROUND_PV = frozenset({"overture", "raster", "nsrdb"})
"""Kinds of which only the surroundings of PV are ever wanted."""


@dataclass(frozen=True)
class ContextOptions:
    """How to ingest.

    Attributes:
        lake: settings of the lake.
        mirror: folder or URL tried before where things were published.
        refresh: ignore the cache.
        offline: never contact a publisher.
        run: run id, time and author; a new one when omitted.
        progress: where to report downloads.
        retry: patience with servers.
    """

    lake: Settings
    mirror: str | None = None
    refresh: bool = False
    offline: bool = False
    run: Run | None = None
    progress: Progress | None = None
    retry: RetryPolicy | None = None


@dataclass(frozen=True)
class ContextOutcome:
    """What became of one entry.

    ``absent``: offline, and neither the cache nor the mirror has it. ``unchanged``: the lake already holds exactly this.
    """

    context: str
    status: Literal["landed", "unchanged", "absent", "failed"]
    seconds: float
    release: str | None = None
    origin: str | None = None
    rows: int | None = None
    snapshot: int | None = None
    error_kind: str | None = None
    error: str | None = None


def ingest_contexts(contexts: list[Context], options: ContextOptions) -> list[ContextOutcome]:
    """Ingest entries one after the other; never raises for a single one's failure.

    Returns:
        One outcome an entry, in the order given.

    Raises:
        LakeError: the lake itself cannot be opened.
    """
    run = options.run or Run.start()
    with connect(lake=options.lake) as lake:
        context_landing.VERSIONS.ensure(lake)
        return [ingest_context(context, lake, options, run) for context in contexts]


def ingest_context(context: Context, lake: duckdb.DuckDBPyConnection, options: ContextOptions, run: Run) -> ContextOutcome:
    """Ingest one entry over a connection of its own; a failure is an outcome, recorded in the lake."""
    recorder = OutcomeRecorder(run.run_id, context.key)

    def work(cursor: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        with ExitStack() as resources:
            return _execute(context, cursor, options, run, recorder, resources)

    done = attempt(work, lake, recorder, run, noun="context", offline=options.offline)
    outcome = ContextOutcome(context.key, done.status, done.seconds, error_kind=done.error_kind, error=done.error)
    if not done.results:
        return outcome
    material = done.results["material"]
    return replace(
        outcome, release=material.release, origin=material.origin, rows=done.results["landed"].rows, snapshot=done.snapshot
    )


def _execute(
    context: Context,
    lake: duckdb.DuckDBPyConnection,
    options: ContextOptions,
    run: Run,
    recorder: OutcomeRecorder,
    resources: ExitStack,
) -> dict[str, Any]:
    if context.status == "planned":
        reason = (context.reason or "").rstrip(".")
        raise DatasetPlannedError(f"{context.key} cannot be ingested yet: {reason}.", remedy="Choose another entry.")
    source = context.source
    inputs: dict[str, Any] = {
        "context": context,
        "lake": lake,
        "run": run,
        "recorder": recorder,
        "access": access_of(context, options),
        "resources": resources,
    }
    piecewise = context.origin is not None
    driver = context_driver(source.kind, by_piece=piecewise, recorder=recorder)
    # What was read on the way to the fingerprint is not read again
    known = ["material", "fingerprint", *(["areas"] if _is_around(source.kind, piecewise) else [])]
    known += ["snapshot"] if source.kind == "overture" else ["unpacked"]
    results = driver.execute(known, inputs=inputs)
    # The lake itself says what it holds; no cache could know that a table was dropped or replaced since
    if receipt := context_landing.VERSIONS.current(lake, context.key, results["fingerprint"]):
        log.info("%s: same content and same code as already landed; nothing to do", context.key)
        if "areas" in results and context_landing.confirm(lake, context, run):
            log.info("%s: and that is what is around the PV that was landed since", context.key)
        return results | {"landed": receipt}
    if source.kind == "vector":  # The reader depends on the distribution that was taken
        driver = context_driver(source.kind, results["unpacked"].distribution.format, recorder=recorder)
    return results | driver.execute(["landed"], inputs=inputs, overrides=results)


def context_driver(
    kind: str, form: Format | None = None, *, by_piece: bool = False, recorder: OutcomeRecorder | None = None
) -> Driver:
    """The DAG of one kind of context.

    Args:
        kind: of the source.
        form: published format of vectors.
        by_piece: whether the source has an origin, which is asked for what lies around PV.
        recorder: of the steps.
    """
    adapters = () if recorder is None else (recorder,)
    modules = (*MODULES[kind], context_dag, run_identity)
    chosen = {"kind": kind, "format": form, "by_piece": by_piece, "around": _is_around(kind, by_piece)}
    return build_driver(*modules, config=chosen, adapters=adapters)


def _is_around(kind: str, by_piece: bool) -> bool:
    """Whether only the surroundings of PV are wanted."""
    return by_piece or kind in AROUND_PV


def access_of(context: Context, options: ContextOptions) -> ContextAccess:
    """How an entry is reached; what is on the lake's own S3 server is read with the lake's keys."""
    publisher = context.source if isinstance(context.source, OvertureSource) else context.origin
    endpoint = publisher.endpoint if isinstance(publisher, OvertureSource | NsrdbBucket) else None
    lake, keys = options.lake, None
    if endpoint is not None:
        lake = with_services(lake)
        own = lake.s3_endpoint and endpoint.split("://", 1)[-1] == lake.endpoint_host()
        if own and lake.s3_access_key_id and lake.s3_secret_access_key:
            keys = S3Credentials(lake.s3_access_key_id, lake.s3_secret_access_key)
    return ContextAccess(
        cache_dir=options.lake.cache_dir,
        mirror=options.mirror,
        offline=options.offline,
        refresh=options.refresh,
        credentials=keys,
        retry=options.retry,
        progress=options.progress,
    )
