"""``eopv status``: where the lake is and what it holds."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from db import connect, lake, settings
from db.errors import LakeNotFoundError
from eopv.console import err, out, table, write_json


def status(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False) -> None:
    """Show target, home, layers, landed datasets and context, recent snapshots and failures."""
    here = settings()
    report: dict[str, object] = {"target": here.target.value, "home": str(here.home)}
    try:
        with connect(read_only=True, lake=here) as con:
            report |= {
                "layers": lake.layers(con),
                "datasets": lake.landed_datasets(con),
                "context": lake.landed_context(con),
                "snapshots": lake.snapshots(con),
                "failures": lake.last_outcomes(con),
            }
    except LakeNotFoundError as error:
        report["error"] = str(error)
    if as_json:
        write_json(report)
        return
    out.print(f"target [bold]{here.target}[/], home {escape(str(here.home))}", soft_wrap=True)
    if "error" in report:
        err.print(str(report["error"]), markup=False, soft_wrap=True)
        return
    for name in ("layers", "datasets", "context", "snapshots", "failures"):
        found = report[name]
        if found:
            out.print(table(found, title=name, numeric=frozenset({"rows", "tables", "views", "snapshot"})))  # type: ignore[arg-type]
