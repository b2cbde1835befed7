"""``eopv lineage``: where an installation and its chips, or a commit of the cubes, come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from db import settings
from db.errors import SettingsError
from eopv.console import out, table, write_json
from eopv.cube_history import AsOfOption, Cube, JsonOption

if TYPE_CHECKING:
    from dataflows.lineage import CommitLineage, InstallationLineage

NUMBERS = frozenset({"row", "version", "lake snapshot", "files", "installations", "observations"})
SHOWN = 16


def lineage(
    installation_id: Annotated[str | None, typer.Argument(help="An installation_id, or its first characters.")] = None,
    commit: Annotated[str | None, typer.Option(help="Instead: a snapshot id or tag of the cubes.")] = None,
    cube: Annotated[Cube | None, typer.Option(help="Whose commit (default: the first that has it).")] = None,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Walk from an installation to publications, files and rows, and to scenes and commits; or from a commit back.

    Of an installation: its observations with DOI, file and row; its chips with the commit and the scene (item, version,
    checksum) of each month. Of a commit: the lake's snapshot, the dbt run, the items, the installations and the DOIs.
    """
    from dataflows import lineage as walked  # the imagery stack takes a second to import
    from dataflows.cubes.repository.storage import CubeName

    if (installation_id is None) == (commit is None):
        raise SettingsError("Say where to begin.", remedy="Give an installation_id, or --commit.")
    if commit is not None:
        of_commit = walked.of_commit(settings(), commit, cube=None if cube is None else CubeName(cube))
        if as_json:
            write_json({**vars(of_commit), "version": _plain_version(of_commit)})
        else:
            _show_commit(of_commit)
        return
    of_installation = walked.of_installation(settings(), str(installation_id), as_of=as_of)
    if as_json:
        scenes = [{**vars(scene), "assets": [asset.model_dump() for asset in scene.assets]} for scene in of_installation.scenes]
        write_json({**vars(of_installation), "scenes": scenes})
    else:
        _show_installation(of_installation)


def _show_installation(found: InstallationLineage) -> None:
    rows = [
        {
            "observation": row["observation_id"],
            "dataset": row["dataset"],
            "DOI": row["doi"] or row["url"],
            "file": row["source_file"],
            "row": row["source_row"],
            "sha256": (row["source_sha256"] or "")[:SHOWN],
            "lake snapshot": row["landed_in"],
        }
        for row in found.observations
    ]
    out.print(table(rows, title=f"{found.installation_id}: observations", numeric=NUMBERS))
    if found.context:
        rows = [
            {
                "context": row["context"],
                "says": ", ".join(row["says"]),
                "release": row["release"],
                "from": row["url"],
                "licence": row["licence"],
                "lake snapshot": row["landed_in"],
            }
            for row in found.context
        ]
        out.print(table(rows, title="what is known of the place", numeric=NUMBERS))
    if not found.scenes:
        out.print("no chips")
        return
    rows = [
        {
            "group": scene.group,
            "chip": str(scene.chip_number),
            "month": f"{scene.period:%Y-%m}",
            "item": scene.item_id,
            "version": scene.version,
            "checksums": ", ".join(f"{asset.asset_key} {(asset.checksum or '')[-8:]}" for asset in scene.assets),
            "commit": scene.commit or "expired",
            "lake snapshot": scene.ducklake_snapshot_id,
        }
        for scene in found.scenes
    ]
    out.print(table(rows, title=f"chips at {found.chips_snapshot}", numeric=NUMBERS))


def _show_commit(found: CommitLineage) -> None:
    version, metadata = found.version, found.version.metadata
    facts = {
        "commit": f"{found.cube} {version.snapshot_id}",
        "written": f"{version.written_at:%Y-%m-%d %H:%M:%S} UTC",
        "message": version.message,
        "tags": ", ".join(version.tags),
        "code": metadata and metadata.code_version,
        "lake snapshot": found.lake_snapshot and f"{found.lake_snapshot['snapshot']}, {found.lake_snapshot['time']}",
        "dbt run": metadata and metadata.dbt_invocation_id,
        "built by it": _built(found),
    }
    out.print(table([{"": name, "what": value} for name, value in facts.items()]))
    if not found.lake_is_there:
        out.print("The lake's snapshot has been expired: the rest is from the lake as it is now.")
    items = [
        {
            "catalog": row.get("catalog"),
            "collection": row["collection"],
            "item": row["item_id"],
            "version": row["version"],
            "files": len(row["assets"]),
            "item sha256": (row.get("item_sha256") or "")[:SHOWN],
        }
        for row in found.items
    ]
    if items:
        out.print(table(items, title="items", numeric=NUMBERS))
    out.print(f"{len(found.installations)} installations: {', '.join(found.installations[:SHOWN])}", markup=False)
    if found.publications:
        rows = [
            {
                "dataset": row["dataset"],
                "DOI": row["doi"] or row["url"],
                "vintage": row["vintage"],
                "installations": row["installations"],
                "observations": row["observations"],
                "lake snapshot": row["landed_in"],
            }
            for row in found.publications
        ]
        out.print(table(rows, title="publications", numeric=NUMBERS))


def _built(found: CommitLineage) -> str:
    tables = [str(row["message"]).removeprefix("build ") for row in found.dbt_tables]
    curated = ", ".join(name for name in tables if name.startswith("curated."))
    return f"{len(tables)} tables: {curated} …" if tables else ""


def _plain_version(found: CommitLineage) -> dict[str, object]:
    version = found.version
    return {**vars(version), "metadata": version.metadata and version.metadata.model_dump()}
