"""A lake that holds given observations, and the resolution of them by the project's own dbt models.

As a script it is one step in a process of its own, measured: ``python -m benchmarks.entity_resolution.resolving STEP HOME
[FILE]`` with the steps ``load``, ``append`` and ``resolve``.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb

from benchmarks.entity_resolution import observations
from benchmarks.measuring import Measurement, in_child, measure
from dataflows.elt import run_dbt
from dataflows.raw import landing
from db import Settings, connect
from db.settings import load_settings

MODULE = "benchmarks.entity_resolution.resolving"
TAG = "tag:resolution"


@dataclass(frozen=True)
class Resolution:
    """A resolved lake.

    Attributes:
        lake: settings of the home.
        model_seconds: by model, in the order they finished; several run side by side, so that their sum exceeds the wall time
            of the models.
        wall_seconds: of ``dbt run``, its start and parsing included.
    """

    lake: Settings
    model_seconds: dict[str, float]
    wall_seconds: float

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A connection that reads the results."""
        return connect(read_only=True, lake=self.lake)


def lake_at(home: Path, memory_limit: str | None = None) -> Settings:
    """Settings of a local lake in a folder; threads and memory limit are those of the environment where none is given."""
    environment = load_settings(home=home, memory_limit=memory_limit)
    return Settings(home=home, threads=environment.threads, memory_limit=environment.memory_limit, _env_file=None)


def resolve(file: Path, home: Path, select: str = TAG) -> Resolution:
    """A fresh lake at ``home`` with the observations of ``file``, resolved; or up to what dbt's ``select`` names.

    Raises:
        RuntimeError: a seed or a model failed.
    """
    shutil.rmtree(home, ignore_errors=True)
    lake = lake_at(home)
    load(file, lake)
    return run(lake, select)


def load(file: Path, lake: Settings) -> dict[str, Any]:
    """Observations into the lake, replacing those it has, and the seeds."""
    with connect(lake=lake) as con:
        landing.VERSIONS.ensure(con)  # dbt refuses a lake into which nothing has ever been landed
        rows = observations.replace_by(con, file)
    _succeeded(run_dbt("seed", lake))
    return {"rows": rows}


def append(file: Path, lake: Settings) -> dict[str, Any]:
    """Further observations into the lake."""
    with connect(lake=lake) as con:
        return {"rows": observations.append(con, file)}


def run(lake: Settings, select: str = TAG) -> Resolution:
    """The models of the resolution, over what the lake holds; or those that dbt's ``select`` names."""
    started = perf_counter()
    results = _succeeded(run_dbt("run", lake, arguments=("--select", select)))
    return Resolution(
        lake, {result.name: result.seconds for result in results if result.kind == "model"}, perf_counter() - started
    )


def in_process_of_its_own(step: str, home: Path, file: Path | str = "", memory_limit: str | None = None) -> Measurement:
    """One step as :func:`main` does it, measured in a child; ``details`` hold the rows, or seconds by model."""
    return in_child(MODULE, step, str(home), str(file), memory_limit or "")


def _succeeded(results: list[Any]) -> list[Any]:
    if failures := [result for result in results if result.failed]:
        raise RuntimeError("\n".join(f"{result.name}: {result.message}" for result in failures))
    if not results:
        raise RuntimeError(f"dbt found nothing to do: is there a model with {TAG}?")
    return results


def _resolved(lake: Settings) -> dict[str, Any]:
    resolution = run(lake)
    return {"model_seconds": resolution.model_seconds, "wall_seconds": resolution.wall_seconds}


def main(step: str, home: str, file: str = "", memory_limit: str = "") -> None:
    lake = lake_at(Path(home), memory_limit or None)
    steps = {
        "load": lambda: load(Path(file), lake),
        "append": lambda: append(Path(file), lake),
        "resolve": lambda: _resolved(lake),
    }
    measure(steps[step])


if __name__ == "__main__":
    main(*sys.argv[1:])
