"""``eopv dataset``: what can be ingested, and how to add to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml

from eopv.console import out, table, write_json
from ingest.manifest import Format, load_manifest

app = typer.Typer(no_args_is_help=True, help="List, show and add datasets.")


@app.command("list")
def list_datasets(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False) -> None:
    """List the manifest's datasets."""
    datasets = load_manifest().datasets.values()
    if as_json:
        write_json([dataset.model_dump(mode="json") for dataset in datasets])
        return
    rows = [
        {
            "key": dataset.key,
            "title": dataset.title,
            "level": dataset.level.value,
            "licence": dataset.licence.id,
            "repository": ", ".join(dict.fromkeys(form.source.repository for form in dataset.distributions)),
            "status": dataset.status,
        }
        for dataset in datasets
    ]
    out.print(table(rows))


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="Dataset key.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Show a dataset's manifest entry."""
    entry = load_manifest()[key].model_dump(mode="json", exclude_defaults=True)
    if as_json:
        write_json(entry)
    else:
        out.print(yaml.safe_dump(entry, sort_keys=False, allow_unicode=True, width=120), markup=False, highlight=False, end="")


@app.command()
def new(
    key: Annotated[str, typer.Argument(help="Dataset key: region_publisher_year, lower case.")],
    url: Annotated[str, typer.Option(help="Where the file can be downloaded.")],
    title: Annotated[str, typer.Option(help="Title of the dataset.")],
    kind: Annotated[Format, typer.Option("--format", help="Published format.")] = Format.GEOJSON,
    file: Annotated[Path | None, typer.Option(exists=True, help="A copy, whose columns to list.")] = None,
) -> None:
    """Add a dataset without writing Python: a manifest entry, a raw view and a staging model to complete."""
    from dataflows.scaffold import scaffold  # GDAL is not needed to list datasets

    for path in scaffold(key, title=title, url=url, kind=kind, file=file):
        out.print(str(path), markup=False, soft_wrap=True)
    out.print(f"Complete the manifest entry and the mapping, then: eopv ingest {key} && eopv build")
