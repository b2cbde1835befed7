"""``eopv context``: what is known of the places where installations stand, and how it comes into the lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from db import settings
from db.errors import SettingsError
from eopv.console import download_bars, exit_code, out, print_failures, table, write_json
from ingest.context_manifest import CONTEXT_MANIFEST_PATH, Context, OvertureSource, load_context_manifest
from ingest.manifest import problems

if TYPE_CHECKING:
    from dataflows.raw.context_ingest import ContextOutcome

app = typer.Typer(no_args_is_help=True, help="Boundaries, buildings, land and irradiance around the installations.")

ManifestOption = Annotated[Path, typer.Option(help="Manifest of context.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command("list")
def listed(manifest: ManifestOption = CONTEXT_MANIFEST_PATH, as_json: JsonOption = False) -> None:
    """List the manifest's sources of context."""
    known = load_context_manifest(manifest).contexts.values()
    if as_json:
        write_json([context.model_dump(mode="json", exclude_defaults=True) for context in known])
        return
    rows = [
        {
            "key": context.key,
            "title": context.title,
            "kind": context.source.kind,
            "release": context.source.release if isinstance(context.source, OvertureSource) else context.version,
            "licence": context.licence.id,
            "status": context.status,
        }
        for context in known
    ]
    out.print(table(rows))


@app.command()
def ingest(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Keys; see 'eopv context list'.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every available entry; with a mirror, every one it holds.")] = False,
    mirror: Annotated[str | None, typer.Option(help="Folder or URL with published files (default: EOPV_MIRROR).")] = None,
    manifest: ManifestOption = CONTEXT_MANIFEST_PATH,
    online: Annotated[
        bool | None,
        typer.Option("--online/--offline", help="Contact the publishers (default: unless --all is used with a mirror)."),
    ] = None,
    refresh: Annotated[bool, typer.Option(help="Ignore the cache, and look for a newer release of Overture Maps.")] = False,
    release: Annotated[str | None, typer.Option(help="Release of Overture Maps, in place of the manifest's.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch and land context around ingested PV; each entry in one transaction, failures not losing the others.

    Exit code 0: all landed or unchanged; 1: nothing could be landed; 3: some failed.
    """
    from dataflows.raw.context_ingest import ContextOptions, ingest_contexts  # Hamilton and GDAL take seconds to import

    known = load_context_manifest(manifest)
    lake = settings()
    mirror = mirror or lake.mirror
    if every == bool(keys):
        raise SettingsError("Say which context to ingest.", remedy="Give keys, or --all.")
    chosen = known.available() if every else [known[key] for key in keys or []]
    if release is not None:
        chosen = [_pinned(context, release) for context in chosen]
    offline = (every and mirror is not None) if online is None else not online
    with download_bars() as bars:
        options = ContextOptions(lake, mirror=mirror, refresh=refresh, offline=offline, progress=bars)
        outcomes = ingest_contexts(chosen, options)
    if as_json:
        write_json(outcomes)
    else:
        _show(outcomes)
    raise typer.Exit(exit_code(outcome.status for outcome in outcomes))


def _pinned(context: Context, release: str) -> Context:
    """The entry at another release; entries of other sources stay as they are."""
    if not isinstance(context.source, OvertureSource):
        return context
    try:
        source = OvertureSource.model_validate(context.source.model_dump() | {"release": release})
    except ValidationError as error:
        raise SettingsError(
            f"{problems(error)}.", remedy="A release is called like 2026-11-18.0; 'newest' is whichever is the newest."
        ) from error
    return context.model_copy(update={"source": source})


def _show(outcomes: list[ContextOutcome]) -> None:
    rows = [
        {
            "context": outcome.context,
            "status": outcome.status,
            "release": outcome.release,
            "from": outcome.origin,
            "rows": outcome.rows,
            "snapshot": outcome.snapshot,
            "seconds": outcome.seconds,
        }
        for outcome in outcomes
    ]
    out.print(table(rows, numeric=frozenset({"rows", "snapshot", "seconds"})))
    print_failures((outcome.context, outcome.error_kind, outcome.error) for outcome in outcomes if outcome.status == "failed")
