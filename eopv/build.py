"""``eopv build``: refine landing tables through the dbt layers."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from db import connect, settings
from db.lake import dataset_summary
from eopv.console import Exit, err, out, table, write_json

SUMMARY_NUMBERS = frozenset({"landed", "valid", "repaired", "no geometry", "duplicates", "area km²", "capacity MW"})


def build(
    select: Annotated[list[str] | None, typer.Option("--select", "-s", help="dbt node selection.")] = None,
    full_refresh: Annotated[bool, typer.Option(help="Rebuild incremental models from nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Run 'dbt build' (models, seeds and tests) on the lake, then show what is in it.

    Exit code 0: all well; 1: a model or a test failed.
    """
    from dataflows.elt import run_dbt  # dbt takes two seconds to import

    lake = settings()
    arguments = [*(["--select", *select] if select else []), *(["--full-refresh"] if full_refresh else [])]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        task = bars.add_task("dbt build", total=None)
        results = run_dbt(
            "build",
            lake,
            arguments=tuple(arguments),
            on_node=lambda name, index, total: bars.update(task, description=name, completed=index, total=total),
        )
    failures = [result for result in results if result.failed]
    for result in failures:
        err.print(
            f"[bold red]{result.status}[/] {result.kind} {result.name}: {escape(result.message)}",
            soft_wrap=True,
            highlight=False,
        )
    if as_json:
        write_json(results)
    else:
        out.print(f"{len(results)} nodes, {len(failures)} failed, {sum(result.seconds for result in results):.1f} s of work")
        with connect(read_only=True, lake=lake) as con:
            rows = dataset_summary(con)
        if rows:
            out.print(table(rows, title="curated.dataset_summary", numeric=SUMMARY_NUMBERS))
    raise typer.Exit(Exit.FAILED if failures else Exit.OK)
