"""Bring one dataset into the lake; a failure is an outcome, not the end of the run."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import duckdb
from hamilton.driver import Driver

from dataflows.outcomes import OutcomeRecorder
from dataflows.raw import doi_vectors, geoparquet, landing, readers, run_identity, vector_tables
from dataflows.raw.attempt import attempt
from dataflows.raw.run_identity import Run
from dataflows.run import build_driver
from db import Settings
from ingest.acquire import Progress
from ingest.manifest import Dataset, Format

log = logging.getLogger(__name__)

MODULES = (doi_vectors, vector_tables, readers, run_identity)


@dataclass(frozen=True)
class Options:
    """How to ingest.

    Attributes:
        lake: settings of the lake.
        mirror: folder or URL tried before the repositories.
        refresh: ignore the cache.
        offline: never contact a repository.
        export: also write GeoParquet.
        workers: datasets side by side.
        run: run id, time and author; a new one when omitted.
        progress: where to report downloads.
    """

    lake: Settings
    mirror: str | None = None
    refresh: bool = False
    offline: bool = False
    export: bool = True
    workers: int = 2
    run: Run | None = None
    progress: Progress | None = None


@dataclass(frozen=True)
class DatasetOutcome:
    """What became of one dataset.

    ``absent``: offline, and neither the cache nor the mirror has it. ``unchanged``: the lake already holds exactly this.
    """

    dataset: str
    status: Literal["landed", "unchanged", "absent", "failed"]
    seconds: float
    rows: int | None = None
    snapshot: int | None = None
    distribution: str | None = None
    origin: str | None = None
    error_kind: str | None = None
    error: str | None = None


def ingest_dataset(dataset: Dataset, lake: duckdb.DuckDBPyConnection, options: Options, run: Run) -> DatasetOutcome:
    """Ingest one dataset over a connection of its own; a failure is an outcome, recorded in the lake."""
    recorder = OutcomeRecorder(run.run_id, dataset.key)

    def work(cursor: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        with ExitStack() as resources:
            return _execute(dataset, cursor, options, run, recorder, resources)

    done = attempt(work, lake, recorder, run, noun="dataset", offline=options.offline)
    outcome = DatasetOutcome(dataset.key, done.status, done.seconds, error_kind=done.error_kind, error=done.error)
    if not done.results:
        return outcome
    acquisition = done.results["unpacked"]
    return replace(
        outcome,
        rows=done.results["landed"].rows,
        snapshot=done.snapshot,
        distribution=acquisition.distribution.name,
        origin=acquisition.files[0].origin,
    )


def _execute(
    dataset: Dataset,
    lake: duckdb.DuckDBPyConnection,
    options: Options,
    run: Run,
    recorder: OutcomeRecorder,
    resources: ExitStack,
) -> dict[str, Any]:
    inputs = {
        "dataset": dataset,
        "lake": lake,
        "run": run,
        "recorder": recorder,
        "resources": resources,
        "cache_dir": options.lake.cache_dir,
        "geoparquet_dir": options.lake.geoparquet_dir,
        "mirror": options.mirror,
        "refresh": options.refresh,
        "offline": options.offline,
        "progress": options.progress,
    }
    # The format is known only once a distribution has been chosen, and it decides which reader the DAG has
    first = build_driver(*MODULES, config={"format": None}, adapters=(recorder,))
    results = first.execute(["fetched", "unpacked", "fingerprint", "export_path"], inputs=inputs)
    kind, hamilton_cache = results["unpacked"].distribution.format, options.lake.cache_dir / "hamilton"
    # The lake itself says what it holds; no cache could know that a table was dropped or replaced since
    if receipt := landing.VERSIONS.current(lake, dataset.key, results["fingerprint"]):
        log.info("%s: same content and same code as already landed; nothing to do", dataset.key)
        results["landed"] = receipt
    else:
        driver = vector_driver(kind, recorder=recorder)
        results |= driver.execute(["landed"], inputs=inputs, overrides=results)
    if options.export:
        # The cache knows that this landing was exported once, not that the file is still there and still that one
        stale = not geoparquet.holds(results["export_path"], results["fingerprint"])
        driver = vector_driver(kind, recorder=recorder, cache_dir=hamilton_cache, recompute=("exported",) if stale else ())
        driver.execute(["exported"], inputs=inputs, overrides=results)
    return results


def vector_driver(
    kind: Format,
    *,
    recorder: OutcomeRecorder | None = None,
    cache_dir: Path | None = None,
    recompute: tuple[str, ...] = (),
) -> Driver:
    """The DAG of one dataset in one format."""
    adapters = () if recorder is None else (recorder,)
    return build_driver(
        *MODULES,
        config={"format": kind},
        adapters=adapters,
        cache_dir=cache_dir,
        recompute=recompute,
    )
