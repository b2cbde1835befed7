"""``eopv ingest``: bring published datasets into the lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from db import settings
from db.errors import SettingsError
from eopv.console import download_bars, exit_code, out, print_failures, table, write_json
from ingest.manifest import MANIFEST_PATH, load_manifest

if TYPE_CHECKING:
    from dataflows.raw.ingest import DatasetOutcome


def ingest(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Dataset keys; see 'eopv dataset list'.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every available dataset; with a mirror, every one it holds.")] = False,
    mirror: Annotated[str | None, typer.Option(help="Folder or URL with published files (default: EOPV_MIRROR).")] = None,
    manifest: Annotated[Path, typer.Option(help="Manifest to read.")] = MANIFEST_PATH,
    online: Annotated[
        bool | None,
        typer.Option("--online/--offline", help="Contact the repositories (default: unless --all is used with a mirror)."),
    ] = None,
    refresh: Annotated[bool, typer.Option(help="Ignore the cache.")] = False,
    export: Annotated[bool, typer.Option(help="Also write GeoParquet files.")] = True,
    workers: Annotated[int, typer.Option(min=1, help="Datasets side by side.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Fetch, unpack, read and land datasets; each in one transaction, failures not losing the others.

    Exit code 0: all landed or unchanged; 1: nothing could be landed; 3: some failed.
    """
    from dataflows.raw.ingest import Options  # Hamilton and GDAL take seconds to import
    from dataflows.raw.ingest_run import ingest as ingest_datasets

    known = load_manifest(manifest)
    lake = settings()
    mirror = mirror or lake.mirror
    if every == bool(keys):
        raise SettingsError("Say which datasets to ingest.", remedy="Give dataset keys, or --all.")
    datasets = known.available() if every else [known[key] for key in keys or []]
    offline = (every and mirror is not None) if online is None else not online
    with download_bars() as bars:
        outcomes = ingest_datasets(
            datasets,
            Options(lake, mirror=mirror, refresh=refresh, offline=offline, export=export, workers=workers, progress=bars),
        )
    if as_json:
        write_json(outcomes)
    else:
        _show(outcomes)
    raise typer.Exit(exit_code(outcome.status for outcome in outcomes))


def _show(outcomes: list[DatasetOutcome]) -> None:
    rows = [
        {
            "dataset": outcome.dataset,
            "status": outcome.status,
            "rows": outcome.rows,
            "distribution": outcome.distribution,
            "from": outcome.origin,
            "snapshot": outcome.snapshot,
            "seconds": outcome.seconds,
        }
        for outcome in outcomes
    ]
    out.print(table(rows, numeric=frozenset({"rows", "snapshot", "seconds"})))
    print_failures((outcome.dataset, outcome.error_kind, outcome.error) for outcome in outcomes if outcome.status == "failed")
