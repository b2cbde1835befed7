"""The SQL of the project's join of points and areas, compiled by dbt, to be run outside of a lake."""

from __future__ import annotations

import json
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from dbt.cli.main import dbtRunner

from benchmarks.entity_resolution.resolving import lake_at
from dataflows.elt import PROJECT_DIR
from db.settings import REPOSITORY_ROOT, using

METHODS = ("h3", "spatial_join")
CALL = "{{ points_in_areas('points', 'areas', 'cover') }}"


def compiled(cache: Path) -> Path:
    """A JSON file of the SQL by method, over tables ``points``, ``areas`` and ``cover``.

    Raises:
        RuntimeError: dbt could not compile it.
    """
    file = cache / "queries.json"
    with tempfile.TemporaryDirectory(prefix="benchmark-") as home:
        file.write_text(json.dumps({method: _compiled(method, Path(home)) for method in METHODS}), encoding="utf-8")
    return file


def _compiled(method: str, home: Path) -> str:
    folders = ("--project-dir", PROJECT_DIR, "--profiles-dir", REPOSITORY_ROOT, "--target-path", home, "--log-path", home)
    # dbt prints what it compiles
    with using(lake_at(home)), redirect_stdout(StringIO()):
        outcome = dbtRunner().invoke(
            ["compile", "--quiet", "--inline", CALL, "--vars", json.dumps({"admin_join_method": method}), *map(str, folders)]
        )
    if outcome.exception is not None or not outcome.result:
        raise RuntimeError(f"dbt could not compile the join by {method}: {outcome.exception}")
    return outcome.result[0].node.compiled_code  # type: ignore[union-attr,index]
