"""``eopv stac``: catalogs of imagery, what they have, and what the lake holds of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from db import connect, settings
from db.errors import SettingsError
from eopv.box import Box, box_area
from eopv.console import err, exit_code, out, print_failures, table, write_json
from ingest.manifest import problems
from ingest.stac_manifest import STAC_MANIFEST_PATH, Catalog, Collection, Search, load_stac_manifest

if TYPE_CHECKING:
    from dataflows.raw.stac_ingest import CatalogOutcome
    from ingest.stac_policy import Area

app = typer.Typer(no_args_is_help=True, help="Search STAC catalogs, land their items, list what the lake holds.")

ManifestOption = Annotated[Path, typer.Option(help="Manifest of catalogs.")]
MirrorOption = Annotated[
    str | None, typer.Option(help="Folder or URL whose folder 'stac' has files of catalogs (default: EOPV_MIRROR).")
]
BoxOption = Annotated[
    Box | None,
    typer.Option(
        "--bbox", metavar="W S E N", help="Search here instead of around installations; W > E crosses the antimeridian."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def catalogs(manifest: ManifestOption = STAC_MANIFEST_PATH, as_json: JsonOption = False) -> None:
    """List the manifest's catalogs."""
    known = load_stac_manifest(manifest).catalogs.values()
    if as_json:
        write_json([catalog.model_dump(mode="json", exclude_defaults=True) for catalog in known])
        return
    rows = [
        {
            "key": catalog.key,
            "title": catalog.title,
            "kind": catalog.source.kind,
            "collections": ", ".join(catalog.collections) or "all",
            "licence": catalog.licence.id,
            "status": catalog.status,
        }
        for catalog in known
    ]
    out.print(table(rows))


@app.command()
def search(
    key: Annotated[str, typer.Argument(metavar="CATALOG", help="Catalog key; see 'eopv stac catalogs'.")],
    collection: Annotated[list[str] | None, typer.Option(help="Only this collection; may be given again.")] = None,
    bbox: BoxOption = None,
    datetime: Annotated[str | None, typer.Option(help="START/END, '..' for an open end.")] = None,
    max_cloud_cover: Annotated[float | None, typer.Option(min=0, max=100, help="In %.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many items.")] = None,
    shown: Annotated[int, typer.Option(min=0, help="How many items to show.")] = 10,
    mirror: MirrorOption = None,
    manifest: ManifestOption = STAC_MANIFEST_PATH,
    as_json: JsonOption = False,
) -> None:
    """Search a catalog as the manifest says, or otherwise; nothing is written to the lake."""
    from dataflows.raw.stac_ingest import StacOptions  # GDAL and Hamilton take seconds to import
    from dataflows.raw.stac_search import search as search_catalog

    lake = settings()
    catalog = _changed(load_stac_manifest(manifest)[key], collection, datetime, max_cloud_cover)
    with _bars() as bars:
        options = StacOptions(lake, mirror=mirror or lake.mirror, areas=_areas(bbox), progress=bars)
        result = search_catalog(catalog, options, shown=shown, limit=limit)
    if as_json:
        write_json(result)
        return
    where = "anywhere" if result.areas is None else f"in {result.areas} area{'' if result.areas == 1 else 's'}"
    total = sum(result.items.values())
    out.print(f"{total:,} items {where}{'' if result.complete else ', and perhaps more'}; {result.unwanted:,} others left out")
    counts = [{"collection": name, "items": count} for name, count in sorted(result.items.items())]
    out.print(table(counts, numeric=frozenset({"items"})))
    if result.first:
        out.print(table(result.first, title="the first", numeric=frozenset({"cloud cover, %", "assets"})))
    _refusals(catalog.key, result.refused)


@app.command()
def ingest(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[CATALOG]...", help="Catalog keys.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every available catalog; with a mirror, every one it holds.")] = False,
    bbox: BoxOption = None,
    mirror: MirrorOption = None,
    manifest: ManifestOption = STAC_MANIFEST_PATH,
    online: Annotated[
        bool | None,
        typer.Option("--online/--offline", help="Contact catalogs (default: unless --all is used with a mirror)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Land the items of catalogs: new ones, and new versions of changed ones, one commit a catalog.

    An interrupted run asks only for what it had not found yet. Exit code 0: all landed or unchanged; 1: nothing could be
    landed; 3: some failed.
    """
    from dataflows.raw.stac_ingest import StacOptions, ingest_catalogs  # GDAL and Hamilton take seconds to import

    known = load_stac_manifest(manifest)
    lake = settings()
    mirror = mirror or lake.mirror
    if every == bool(keys):
        raise SettingsError("Say which catalogs to ingest.", remedy="Give catalog keys, or --all.")
    chosen = known.available() if every else [known[key] for key in keys or []]
    offline = (every and mirror is not None) if online is None else not online
    with _bars() as bars:
        options = StacOptions(lake, mirror=mirror, offline=offline, areas=_areas(bbox), progress=bars)
        outcomes = ingest_catalogs(chosen, options)
    if as_json:
        write_json(outcomes)
    else:
        _show(outcomes)
    raise typer.Exit(exit_code(outcome.status for outcome in outcomes))


@app.command()
def items(
    collection: Annotated[str | None, typer.Option(help="Only this collection.")] = None,
    installation: Annotated[str | None, typer.Option(help="Items over this installation_id (or its first characters).")] = None,
    quarantine: Annotated[bool, typer.Option(help="What could not be landed, and why.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many items to list.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List what the lake holds: a row a collection, or the items over one installation."""
    from dataflows.raw import stac_held

    with connect(read_only=True) as lake:
        if quarantine:
            rows = stac_held.quarantined(lake)
        elif installation is not None:
            rows = stac_held.items_over(lake, installation, collection, limit)
        else:
            rows = stac_held.collections(lake, collection)
    if as_json:
        write_json(rows)
    elif rows:
        out.print(table(rows, numeric=frozenset({"items", "versions", "records", "version", "cloud cover, %"})))
    else:
        out.print("none")


def _changed(catalog: Catalog, collections: list[str] | None, datetime: str | None, cloud_pct: float | None) -> Catalog:
    """The entry with another search policy."""
    changes = {"datetime": datetime, "max_cloud_cover_pct": cloud_pct}
    policy = catalog.search.model_dump() | {name: value for name, value in changes.items() if value is not None}
    try:
        changed: dict[str, object] = {"search": Search.model_validate(policy)}
    except ValidationError as error:
        raise SettingsError(f"{problems(error)}.", remedy="See 'eopv stac search --help'.") from error
    if collections:
        known = catalog.collections
        changed["collections"] = {name: known.get(name, Collection()) for name in collections}
    return catalog.model_copy(update=changed)


def _areas(bbox: Box | None) -> list[Area] | None:
    return None if bbox is None else [box_area(bbox)]


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def _show(outcomes: list[CatalogOutcome]) -> None:
    columns = (
        "found",
        "unwanted",
        "new",
        "changed",
        "unchanged",
        "stale",
        "migrated",
        "assets",
        "quarantined",
        "snapshot",
        "seconds",
    )
    rows = [
        {"catalog": outcome.catalog, "status": outcome.status, **{name: getattr(outcome, name) for name in columns}}
        for outcome in outcomes
    ]
    out.print(table(rows, numeric=frozenset(columns)))
    for outcome in outcomes:
        _refusals(outcome.catalog, outcome.refused)
    print_failures((outcome.catalog, outcome.error_kind, outcome.error) for outcome in outcomes if outcome.status == "failed")


def _refusals(key: str, refused: dict[str, int]) -> None:
    """What could not be landed is said on standard error, a line a reason."""
    for reason, count in sorted(refused.items(), key=lambda entry: (-entry[1], entry[0])):
        err.print(escape(f"{key}: {count} × not usable: {reason}"), soft_wrap=True, highlight=False)
