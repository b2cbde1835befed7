"""``eopv``: the command line. Each verb is a thin module beside this one."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer
from rich.markup import escape

from db.errors import EopvError
from eopv import (
    build,
    context,
    cube,
    dag,
    dataset,
    docs,
    explain,
    export,
    ingest,
    lineage,
    plot,
    report,
    sample,
    services,
    sql,
    stac,
    status,
)
from eopv.console import Exit, configure_logging, err

log = logging.getLogger(__name__)

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, help="The EO-PV lakehouse.")


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what happens.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug lines.")] = False,
) -> None:
    """The EO-PV lakehouse: published solar-PV datasets in one traceable lake."""
    configure_logging(verbose=verbose, debug=debug)


app.command("ingest")(ingest.ingest)
app.command("build")(build.build)
app.command("explain")(explain.explain)
app.command("lineage")(lineage.lineage)
app.command("sql")(sql.sql)
app.command("status")(status.status)
app.command("export")(export.export)
app.command("plot")(plot.plot)
app.command("report")(report.report)
app.add_typer(dataset.app, name="dataset")
app.add_typer(stac.app, name="stac")
app.add_typer(context.app, name="context")
app.add_typer(cube.app, name="cube")
app.command("dag")(dag.dag)
app.add_typer(services.app, name="services")
app.command("sample")(sample.sample)
app.command("docs")(docs.docs)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: one readable line for an error of ours, the traceback behind ``--debug``."""
    try:
        app(args=arguments, standalone_mode=True)
    except EopvError as error:
        if logging.getLogger("eopv").isEnabledFor(logging.DEBUG):
            log.exception("traceback")
        err.print(f"[bold red]{error.kind}[/]: {escape(error.message)}", soft_wrap=True, highlight=False)
        if error.remedy:
            err.print(f"[bold]→[/] {escape(error.remedy)}", soft_wrap=True, highlight=False)
        sys.exit(Exit.FAILED)
