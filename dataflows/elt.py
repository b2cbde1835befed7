"""Runs the dbt project in this process, against the lake of the settings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt_common.events.base_types import EventMsg

from db.errors import BuildError
from db.settings import REPOSITORY_ROOT, Settings, using

log = logging.getLogger(__name__)

PROJECT_DIR = REPOSITORY_ROOT / "eo-pv-elt"
FAILED = {"error", "fail", "runtime error"}


@dataclass(frozen=True)
class NodeResult:
    """What became of one model, seed or test."""

    name: str
    kind: str
    status: str
    seconds: float
    message: str

    @property
    def failed(self) -> bool:
        """Whether the node stops a build from being right."""
        return self.status in FAILED


NodeFinished = Callable[[str, int, int], None]


def run_dbt(
    command: str,
    lake: Settings,
    *,
    arguments: tuple[str, ...] = (),
    root: Path = REPOSITORY_ROOT,
    on_node: NodeFinished | None = None,
) -> list[NodeResult]:
    """Run a dbt command.

    Args:
        command: ``build``, ``run``, ``test``, ``docs generate`` …
        lake: decides the target and where artifacts and logs go (``<home>/dbt``).
        arguments: further arguments, e.g. ``("--select", "curated")``.
        root: folder with ``eo-pv-elt/`` and ``profiles.yml``.
        on_node: called with name, position and total whenever a node has finished.

    Returns:
        One result a node, failures included.

    Raises:
        BuildError: dbt could not start, parse or compile.
    """
    project = root / PROJECT_DIR.name
    if not (project / "dbt_project.yml").exists():
        raise BuildError(f"There is no dbt project at {project}.", remedy="Work from a clone of the repository.")
    runner = dbtRunner(callbacks=[_progress(on_node)] if on_node else [])
    command_line = [
        *command.split(),
        *("--project-dir", str(project)),
        *("--profiles-dir", str(root)),
        *("--target", lake.target.value),
        *("--target-path", str(lake.home / "dbt" / "target")),
        *("--log-path", str(lake.home / "dbt" / "logs")),
        "--quiet",
        *arguments,
    ]
    try:
        with using(lake):
            outcome: dbtRunnerResult = runner.invoke(command_line)
    finally:
        # dbt-duckdb keeps its connection for the next invocation, and with it the lock on the lake
        DuckDBConnectionManager.close_all_connections()
    if outcome.exception is not None:
        raise BuildError(f"dbt {command} failed: {outcome.exception}.", remedy=f"See {lake.home / 'dbt' / 'logs' / 'dbt.log'}.")
    results = getattr(outcome.result, "results", None) or []
    return [
        NodeResult(
            result.node.name,
            str(result.node.resource_type),
            str(result.status),
            float(getattr(result, "execution_time", 0.0)),
            str(getattr(result, "message", None) or ""),
        )
        for result in results
        if hasattr(result, "node")
    ]


def _progress(on_node: NodeFinished) -> Callable[[EventMsg], None]:
    def callback(event: EventMsg) -> None:
        if event.info.name in {"LogModelResult", "LogTestResult", "LogSeedResult", "LogSnapshotResult"}:
            # Events of tests call the total by another name
            total = getattr(event.data, "total", None) or getattr(event.data, "num_models", 0)
            on_node(event.data.node_info.node_name, event.data.index, total)

    return callback
