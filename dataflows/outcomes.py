"""What happened in each step of an ingestion, as rows of ``landing.ingest_outcomes``."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from functools import singledispatch
from typing import Any

import duckdb
from hamilton.lifecycle import NodeExecutionHook

from db.errors import EopvError
from db.sql import identifier
from ingest.acquire import Acquisition

TABLE = ("lake", "landing", "ingest_outcomes")
STEP_TAG = "step"
PART_TAG = "part_of"


@dataclass(frozen=True)
class Outcome:
    """One step of one dataset in one run: fetch, unpack, read, land; export only where it failed after the landing."""

    run_id: str
    dataset: str
    step: str
    status: str
    started_at: datetime
    duration_s: float
    files: int | None = None
    bytes: int | None = None
    rows: int | None = None
    error_kind: str | None = None
    error_message: str | None = None


_SQL_TYPES = {
    "run_id": "VARCHAR",
    "dataset": "VARCHAR",
    "step": "VARCHAR",
    "status": "VARCHAR",
    "started_at": "TIMESTAMPTZ",
    "duration_s": "DOUBLE",
    "files": "BIGINT",
    "bytes": "BIGINT",
    "rows": "BIGINT",
    "error_kind": "VARCHAR",
    "error_message": "VARCHAR",
}


@singledispatch
def measures(result: object) -> dict[str, int]:
    """What a step's result says about its size; register further result types."""
    return {}


@measures.register
def _(result: Acquisition) -> dict[str, int]:
    return {"files": len(result.files), "bytes": sum(file.bytes for file in result.files)}


def error_kind(error: BaseException) -> str:
    """Stable name of an error: ``EopvError.kind``, or the class name of an error that is not ours."""
    return error.kind if isinstance(error, EopvError) else type(error).__name__


class OutcomeRecorder(NodeExecutionHook):
    """Hamilton hook that records the outcome of every node tagged ``step``.

    A node tagged ``part_of`` finishes what an earlier step began: where it fails, that step has failed.
    """

    def __init__(self, run_id: str, dataset: str) -> None:
        self.run_id = run_id
        self.dataset = dataset
        self.outcomes: list[Outcome] = []
        self._started: dict[str, tuple[datetime, float]] = {}

    def run_before_node_execution(self, *, node_name: str, node_tags: dict[str, Any], **_: Any) -> None:
        """Note the start of a step."""
        if STEP_TAG in node_tags:
            self._started[node_name] = (datetime.now(UTC), time.perf_counter())

    def run_after_node_execution(
        self, *, node_name: str, node_tags: dict[str, Any], result: Any, error: Exception | None, success: bool, **_: Any
    ) -> None:
        """Record the end of a step."""
        if STEP_TAG in node_tags:
            self.outcomes.append(self.outcome(node_name, node_tags[STEP_TAG], error=None if success else error, result=result))
        elif PART_TAG in node_tags and error is not None:
            self._fail(node_tags[PART_TAG], error)

    def _fail(self, step: str, error: Exception) -> None:
        for position, outcome in enumerate(self.outcomes):
            if outcome.step == step:
                self.outcomes[position] = replace(
                    outcome,
                    status="failed",
                    duration_s=(datetime.now(UTC) - outcome.started_at).total_seconds(),
                    error_kind=error_kind(error),
                    error_message=str(error),
                )

    def note(self, step: str, status: str, kind: str, message: str) -> None:
        """Record what is no step of its own, but is to be known of one: a place of which there is nothing."""
        self.outcomes.append(
            Outcome(self.run_id, self.dataset, step, status, datetime.now(UTC), 0.0, error_kind=kind, error_message=message)
        )

    def outcome(self, node_name: str, step: str, *, result: Any = None, error: BaseException | None = None) -> Outcome:
        """The outcome of a step that began when ``node_name`` did and ends now."""
        started_at, clock = self._started[node_name]
        return Outcome(
            run_id=self.run_id,
            dataset=self.dataset,
            step=step,
            status="ok" if error is None else "failed",
            started_at=started_at,
            duration_s=time.perf_counter() - clock,
            error_kind=None if error is None else error_kind(error),
            error_message=None if error is None else str(error),
            **measures(result),
        )


def write_outcomes(lake: duckdb.DuckDBPyConnection, outcomes: list[Outcome]) -> None:
    """Append rows to ``landing.ingest_outcomes``, which is created when it is not there; joins an open transaction."""
    columns = ", ".join(f"{identifier(name)} {_SQL_TYPES[name]}" for name in (field.name for field in fields(Outcome)))
    lake.execute(f"CREATE TABLE IF NOT EXISTS {identifier(*TABLE)} ({columns})")
    if outcomes:
        marks = ", ".join("?" * len(fields(Outcome)))
        lake.executemany(
            f"INSERT INTO {identifier(*TABLE)} VALUES ({marks})", [list(asdict(outcome).values()) for outcome in outcomes]
        )
