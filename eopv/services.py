"""``eopv services``: PostgreSQL and S3 for the target ``dev``, without Docker."""

from __future__ import annotations

from typing import Annotated

import typer

from db import settings
from eopv.console import Exit, err, out, table, write_json

app = typer.Typer(no_args_is_help=True, help="Start and stop the development services (PostgreSQL, S3).")


@app.command()
def up() -> None:
    """Start both servers and wait until they answer; does nothing when they run already."""
    from db import services  # the servers' wheels are needed by these verbs only

    with err.status("starting PostgreSQL and SeaweedFS"):
        endpoints = services.up(settings())
    out.print(f"S3 http://{endpoints.s3_endpoint} bucket {endpoints.bucket}; use them with EOPV_TARGET=dev")


@app.command()
def down() -> None:
    """Stop both servers; what they hold is kept."""
    from db import services  # the servers' wheels are needed by these verbs only

    stopped = services.down(settings())
    out.print(f"stopped: {', '.join(stopped) or 'nothing was running'}")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False) -> None:
    """Say whether the servers run and answer. Exit code 1 when one does not."""
    from db import services  # the servers' wheels are needed by these verbs only

    found = services.status(settings())
    if as_json:
        write_json(found)
    else:
        rows = [
            {"service": s.name, "running": s.running, "healthy": s.healthy, "address": s.address, "pid": str(s.pid or "")}
            for s in found
        ]
        out.print(table(rows))
    raise typer.Exit(Exit.OK if all(service.healthy for service in found) else Exit.FAILED)
