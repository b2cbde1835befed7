"""``eopv dag``: draw a Hamilton DAG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from db.errors import SettingsError
from eopv.console import out
from ingest.manifest import Format


def dag(
    name: Annotated[str, typer.Argument(help="Which one: doi_vectors, context_overture, clusters …; a wrong name lists them.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="SVG file (default: NAME.svg).")] = None,
    kind: Annotated[Format, typer.Option("--format", help="Published format, which decides the reader.")] = Format.SHAPEFILE,
) -> None:
    """Draw a DAG as SVG; no system package is needed."""
    from dataflows.catalog import DAGS, dag_driver  # Hamilton takes seconds to import
    from dataflows.drawing import write_dag

    if name not in DAGS:
        raise SettingsError(f"No DAG {name!r}.", remedy=f"Known: {', '.join(DAGS)}.")
    out.print(str(write_dag(dag_driver(name, kind), output or Path(f"{name}.svg"))), markup=False, soft_wrap=True)
