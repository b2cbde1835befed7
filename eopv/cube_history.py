"""``eopv cube versions|tag|diff|gc``: what cubes were before, what changed, and what is no longer needed."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.filesize import decimal

from db import connect, settings
from db.errors import LakeNotFoundError
from eopv.console import err, out, table, write_json


class Cube(StrEnum):
    """The repositories."""

    VIRTUAL = "virtual"
    CHIPS = "chips"
    REGIONS = "regions"


CubeArgument = Annotated[Cube, typer.Argument(help="Which repository.")]
AsOfOption = Annotated[str | None, typer.Option("--as-of", help="A tag, branch, snapshot id or time: the cubes as they were.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
NUMBERS = frozenset({"items", "lake snapshot", "chunks", "scenes", "chips"})


def versions(cube: CubeArgument, as_json: JsonOption = False) -> None:
    """List commits, newest first, with their branches and tags, and the lake that they were built from."""
    from dataflows.cubes.history.versions import is_build_tag
    from dataflows.cubes.history.versions import versions as listed
    from dataflows.cubes.repository import store  # the imagery stack takes a second to import

    found = listed(store.repository(cube))
    if as_json:
        write_json([{**vars(version), "metadata": version.metadata and version.metadata.model_dump()} for version in found])
        return
    rows = []
    for version in found:
        metadata = version.metadata
        given = [name for name in version.tags if not is_build_tag(name)]
        rows.append(
            {
                "snapshot": version.snapshot_id,
                "time": f"{version.written_at:%Y-%m-%d %H:%M:%S}",
                "message": version.message,
                "branches": ", ".join(version.branches),
                "tags": ", ".join(given) or ("of the build" if version.tags else ""),
                "items": metadata and len({(item.collection, item.item_id) for item in metadata.items}),
                "lake snapshot": metadata and metadata.ducklake_snapshot_id,
                "code": metadata and metadata.code_version,
            }
        )
    out.print(table(rows, numeric=NUMBERS))


def tag(cube: CubeArgument, name: Annotated[str, typer.Argument(help="The tag.")], as_of: AsOfOption = None) -> None:
    """Name a version, so that it is kept."""
    from dataflows.cubes.history.versions import create_tag
    from dataflows.cubes.repository.storage import CubeName

    out.print(create_tag(settings(), CubeName(cube), name, as_of=as_of))


def diff(
    cube: CubeArgument,
    before: Annotated[str, typer.Argument(help="A tag, branch, snapshot id or time.")],
    after: Annotated[str | None, typer.Argument(help="Another (default: main as it is now).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Changes to list.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what changed between two versions: groups, arrays, chunks, and which scenes of which chips."""
    from dataflows.cubes.history.diff import diff as compared
    from dataflows.cubes.repository.storage import CubeName

    found = compared(settings(), CubeName(cube), before, after)
    if as_json:
        write_json(
            {
                **vars(found),
                "arrays": [change._asdict() for change in found.arrays],
                "scenes": [change._asdict() for change in found.scenes],
            }
        )
        return
    out.print(f"{found.before} → {found.after}", markup=False)
    if found.is_empty:
        out.print("no difference")
        return
    for kind, paths in (("new", found.groups_added), ("gone", found.groups_removed)):
        for path in paths:
            out.print(f"group {kind}: {path}", markup=False, soft_wrap=True)
    elsewhere = {*found.groups_added, *found.groups_removed}
    arrays = [change._asdict() for change in found.arrays if change.path.rpartition("/")[0] not in elsewhere]
    if arrays:
        out.print(table(arrays[:limit], title="arrays"))
    if found.chunks is None:
        err.print("Chunks are not known: neither version came from the other, or what was between them has been expired.")
    elif found.chunks:
        written: Counter[str] = Counter()
        for path, count in found.chunks.items():
            written[path.rpartition("/")[0]] += count
        rows = [{"group": group, "chunks": count} for group, count in sorted(written.items())]
        out.print(table(rows, title="chunks written", numeric=NUMBERS))
    _show_scenes(found.scenes, limit)


def gc(
    cube: CubeArgument,
    days: Annotated[float, typer.Option("--older-than", min=0, help="Days: versions and objects that are older.")] = 30,
    build_tags: Annotated[
        bool, typer.Option("--build-tags", help="Drop the tags that builds got, so that their versions can expire.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; otherwise only say what would be done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Expire old versions and delete what nothing refers to any more.

    'main', versions that somebody tagged ('eopv cube tag') and the one that the lake's time series are of are kept.
    """
    from dataflows.cubes.history.garbage import collect_garbage
    from dataflows.cubes.repository.storage import CubeName

    lake = settings()
    keep = _named_by_the_lake() if cube is Cube.CHIPS else frozenset()
    found = collect_garbage(lake, CubeName(cube), timedelta(days=days), build_tags=build_tags, keep=keep, apply=apply)
    if as_json:
        write_json(found)
        return
    would = "" if apply else "would be "
    for what, names in (("tag", found.tags), ("branch", found.branches), ("snapshot", found.expired)):
        for name in names:
            out.print(f"{what} {name}: {would}{'expired' if what == 'snapshot' else 'dropped'}", markup=False, soft_wrap=True)
    freed = f"{found.chunks} chunks, {found.manifests} manifests, {found.snapshots} snapshots, {decimal(found.bytes)}"
    out.print(f"{freed} {'freed' if apply else 'are garbage already'}", soft_wrap=True)
    if not apply:
        out.print("Nothing was done: add --apply.")


def _named_by_the_lake() -> frozenset[str]:
    """Versions that tables of the lake were computed from."""
    from dataflows.cubes.history.garbage import named_snapshots

    try:
        with connect(read_only=True) as con:
            return named_snapshots(con)
    except LakeNotFoundError:
        return frozenset()


def _show_scenes(scenes: tuple[Any, ...], limit: int) -> None:
    if not scenes:
        return
    counts = Counter((change.group, change.kind) for change in scenes)
    rows = [{"group": group, "change": kind, "scenes": count} for (group, kind), count in sorted(counts.items())]
    out.print(table(rows, title="scenes", numeric=NUMBERS))
    out.print(table([{k: v for k, v in change._asdict().items() if k != "group"} for change in scenes[:limit]]))
    if len(scenes) > limit:
        out.print(f"… {len(scenes) - limit:,} more; see --limit, or --json")
