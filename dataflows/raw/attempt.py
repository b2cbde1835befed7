"""One attempt to bring something into the lake: its failure is an outcome that the lake keeps, not the end of the run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal

import duckdb
import pyarrow as pa

from dataflows.outcomes import OutcomeRecorder, error_kind, write_outcomes
from dataflows.raw.landed_table import Commit, transaction
from dataflows.raw.run_identity import Run
from db.errors import EopvError, NotHeldError

log = logging.getLogger(__name__)

# What one thing may fail with while the others go on; anything else is a defect of ours and stops the run
FAILURES = (EopvError, duckdb.Error, pa.ArrowException, OSError)


@dataclass(frozen=True)
class Attempt:
    """What came of it.

    Attributes:
        status: ``absent``: offline, and neither the cache nor the mirror has it; nothing was tried that could have failed.
            ``unchanged``: the lake already holds exactly this.
        seconds: that it took.
        results: of the nodes that were asked for; none where it came to nothing.
        snapshot: DuckLake snapshot that holds it, where something was written.
        error_kind: stable name of the error.
        error: what it says.
    """

    status: Literal["landed", "unchanged", "absent", "failed"]
    seconds: float
    results: dict[str, Any] = field(default_factory=dict)
    snapshot: int | None = None
    error_kind: str | None = None
    error: str | None = None


def attempt(
    work: Callable[[duckdb.DuckDBPyConnection], dict[str, Any]],
    lake: duckdb.DuckDBPyConnection,
    recorder: OutcomeRecorder,
    run: Run,
    *,
    noun: str,
    offline: bool,
) -> Attempt:
    """Do it over a connection of its own; a failure is recorded in the lake.

    Args:
        work: returns results by node; ``landed`` is a receipt with the ``snapshot`` that was written, if one was.
        lake: connection.
        recorder: of the steps, and whose they are.
        run: the invocation.
        noun: what it is about, as commits call it: ``dataset``, ``context``, ``catalog``.
        offline: nobody was to be asked, so that having nothing is no failure.
    """
    started = perf_counter()
    try:
        with lake.cursor() as cursor:
            results = work(cursor)
    except FAILURES as error:
        status: Literal["absent", "failed"] = "absent" if offline and isinstance(error, NotHeldError) else "failed"
        if status == "failed":
            _record(error, lake, recorder, run, noun)
        return Attempt(status, perf_counter() - started, error_kind=error_kind(error), error=str(error))
    snapshot = results["landed"].snapshot
    return Attempt("unchanged" if snapshot is None else "landed", perf_counter() - started, results, snapshot)


def _record(error: Exception, lake: duckdb.DuckDBPyConnection, recorder: OutcomeRecorder, run: Run, noun: str) -> None:
    # Not an error line: whoever asked for it gets the outcome, and says it once
    log.info("%s failed: %s", recorder.dataset, error)
    log.debug("%s", recorder.dataset, exc_info=error)
    # A landing has recorded its own steps: what can fail after it is the export
    landed = any(outcome.step == "land" and outcome.status == "ok" for outcome in recorder.outcomes)
    outcomes = [outcome for outcome in recorder.outcomes if outcome.status == "failed" or not landed]
    if outcomes:
        extra = {noun: recorder.dataset, "run_id": run.run_id}
        commit = Commit(run.author, f"record the failure of {recorder.dataset}", extra)
        with lake.cursor() as cursor, transaction(cursor, commit):
            write_outcomes(cursor, outcomes)
