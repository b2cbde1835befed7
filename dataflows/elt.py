"""Runs the dbt project in this process, against the lake of the settings."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

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
    outcome = _invoked(command, lake, arguments=arguments, root=root, on_node=on_node)
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


@dataclass(frozen=True)
class CompiledModel:
    """A model as dbt would run it.

    Attributes:
        unique_id: dbt's.
        schema: of its table.
        name: of its table.
        relation: the table as SQL names it.
        sql: its query.
        depends_on: unique ids of what it reads.
    """

    unique_id: str
    schema: str
    name: str
    relation: str
    sql: str
    depends_on: tuple[str, ...]


def compiled_models(select: str, lake: Settings, folder: Path) -> list[CompiledModel]:
    """Models with their SQL. The lake is not opened, and the artifacts of its last build stay as they are.

    Args:
        select: dbt node selection.
        lake: decides the target.
        folder: where dbt's artifacts go.

    Raises:
        BuildError: dbt could not start, parse or compile.
    """
    wanted = ("--select", f"{select},resource_type:model")
    outcome = _invoked("compile", lake, arguments=(*wanted, "--no-introspect", "--no-populate-cache"), artifacts=folder)
    nodes = [result.node for result in getattr(outcome.result, "results", None) or [] if hasattr(result, "node")]
    return [
        CompiledModel(
            node.unique_id,
            node.schema,
            node.name,
            str(node.relation_name),
            str(node.compiled_code),
            tuple(node.depends_on.nodes),
        )
        for node in nodes
    ]


def _invoked(
    command: str,
    lake: Settings,
    *,
    arguments: tuple[str, ...] = (),
    root: Path = REPOSITORY_ROOT,
    on_node: NodeFinished | None = None,
    artifacts: Path | None = None,
) -> dbtRunnerResult:
    project = root / PROJECT_DIR.name
    if not (project / "dbt_project.yml").exists():
        raise BuildError(f"There is no dbt project at {project}.", remedy="Work from a clone of the repository.")
    runner = dbtRunner(callbacks=[_progress(on_node)] if on_node else [])
    target_path = artifacts or lake.home / "dbt" / "target"
    parsed, parsed_now = _parsed_project(project, lake, arguments), target_path / "partial_parse.msgpack"
    parsed_now.unlink(missing_ok=True)
    command_line = [
        *command.split(),
        *("--project-dir", str(project)),
        *("--profiles-dir", str(root)),
        *("--target", lake.target.value),
        *("--target-path", str(target_path)),
        *(("--partial-parse-file-path", str(parsed)) if parsed.exists() else ()),
        *("--log-path", str(lake.home / "dbt" / "logs")),
        # What dbt asked stands under target/run; a log of every step takes a tenth of a build's time
        *("--log-level-file", "info"),
        "--quiet",
        *arguments,
    ]
    try:
        with using(lake):
            outcome: dbtRunnerResult = runner.invoke(command_line)
    finally:
        # dbt-duckdb keeps its connection for the next invocation, and with it the lock on the lake
        DuckDBConnectionManager.close_all_connections()
    _keep_parsed(parsed_now, parsed)
    if outcome.exception is not None:
        raise BuildError(f"dbt {command} failed: {outcome.exception}.", remedy=f"See {lake.home / 'dbt' / 'logs' / 'dbt.log'}.")
    return outcome


def _parsed_project(project: Path, lake: Settings, arguments: tuple[str, ...]) -> Path:
    """Where what dbt parsed is kept: by clone, since parsing takes ten times as long as reading it, and lakes are many."""
    # dbt parses anew where the target or the variables are others
    variables = arguments[arguments.index("--vars") + 1] if "--vars" in arguments else ""
    digest = hashlib.sha256(f"{lake.target.value} {variables}".encode()).hexdigest()[:12]
    return project / "target" / "parsed" / f"{digest}.msgpack"


def _keep_parsed(written: Path, kept: Path) -> None:
    # dbt writes none where nothing had to be parsed
    if not written.exists():
        return
    part = kept.with_name(f".{kept.name}.{uuid4().hex}.part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(written, part)
        part.replace(kept)
    except OSError as error:
        log.debug("What dbt parsed is not kept for other lakes: %s", error)


def _progress(on_node: NodeFinished) -> Callable[[EventMsg], None]:
    def callback(event: EventMsg) -> None:
        if event.info.name in {"LogModelResult", "LogTestResult", "LogSeedResult", "LogSnapshotResult"}:
            # Events of tests call the total by another name
            total = getattr(event.data, "total", None) or getattr(event.data, "num_models", 0)
            on_node(event.data.node_info.node_name, event.data.index, total)

    return callback
