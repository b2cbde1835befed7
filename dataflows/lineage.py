"""Where things come from, across two histories: the lake's (DuckLake) and the cubes' (Icechunk).

From an installation: to its observations, and from each to the publication (DOI), the file and the row; and to its chips, and
from each to the commit that wrote it and the scenes behind it. From a commit: to the lake that it was built from, the dbt run,
the STAC items, the installations, and the publications behind those.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import duckdb

from dataflows.context_lineage import of_place
from dataflows.cubes.history.scene_origins import SceneOrigin, scene_origins
from dataflows.cubes.history.versions import Version, versions
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from dataflows.cubes.repository.storage import CubeName
from dataflows.cubes.repository.store import AsOf
from db import connect
from db.errors import CubeNotFoundError, LakeNotFoundError, SnapshotNotFoundError
from db.lake import has_table, rows
from db.settings import Settings

# A commit of a landing transaction names its dataset and run
_PUBLICATIONS = """
    LEFT JOIN lake.landing.dataset_versions AS v ON v.dataset = o.dataset AND v.ingest_run_id = o.ingest_run_id
    LEFT JOIN lake.snapshots() AS s
        ON (s.commit_extra_info ->> 'run_id') = o.ingest_run_id AND (s.commit_extra_info ->> 'dataset') = o.dataset
"""


@dataclass(frozen=True)
class InstallationLineage:
    """Where an installation comes from, and its chips.

    Attributes:
        installation_id: whole id.
        observations: rows with observation_id, dataset, doi, url, vintage, source_file, source_row (from 0),
            source_feature_id, source_sha256, rule_id and match_probability (why it is a member), landed_in (DuckLake snapshot),
            landed_at.
        context: what is known of the place, and from where; rows of :func:`dataflows.context_lineage.of_place`.
        chips_snapshot: version of the chips; ``None`` where there are none.
        scenes: what its chips show; empty where it has none.
    """

    installation_id: str
    observations: tuple[dict[str, Any], ...]
    context: tuple[dict[str, Any], ...]
    chips_snapshot: str | None
    scenes: tuple[SceneOrigin, ...]


@dataclass(frozen=True)
class CommitLineage:
    """Where a commit of a repository comes from.

    Attributes:
        cube: the repository.
        version: the commit with its metadata: items, checksums, code version, parameters.
        lake_snapshot: snapshot, time, author and message of the lake that it was built from; ``None`` where unknown.
        lake_is_there: whether the lake can still be read as it was then; if not, what follows is from the lake as it is now.
        dbt_tables: what the dbt run built: snapshot, time, table.
        items: catalog, collection, item_id, version, assets, source (of the item), landed_in (DuckLake snapshot).
        installations: ids whose chips the commit changed; for virtual cubes those that its scenes were chosen for.
        publications: dataset, doi, vintage, installations, observations: what is known about these installations from where.
    """

    cube: CubeName
    version: Version
    lake_snapshot: dict[str, Any] | None
    lake_is_there: bool
    dbt_tables: tuple[dict[str, Any], ...]
    items: tuple[dict[str, Any], ...]
    installations: tuple[str, ...]
    publications: tuple[dict[str, Any], ...]


def of_installation(lake: Settings, start: str, *, as_of: AsOf | None = None) -> InstallationLineage:
    """The way from an installation to everything it comes from.

    Args:
        lake: settings.
        start: an installation_id, or its first characters.
        as_of: version of the chips.

    Raises:
        LakeNotFoundError: no installation, or more than one, begins so.
        SnapshotNotFoundError: the chips have no such version.
    """
    with connect(read_only=True, lake=lake) as con:
        installation_id = _installation(con, start)
        observations = rows(
            con,
            f"""
            SELECT o.observation_id, o.dataset, v.doi, v.url, v.vintage, o.source_file, o.source_row, o.source_feature_id,
                o.source_sha256, m.rule_id, m.match_probability, s.snapshot_id AS landed_in, s.snapshot_time AS landed_at
            FROM lake.curated.pv_installation_observations AS m
            JOIN lake.curated.pv_observations AS o USING (observation_id) {_PUBLICATIONS}
            WHERE m.installation_id = ? ORDER BY o.dataset, o.source_file, o.source_row, o.observation_id
            """,
            [installation_id],
        )
        context = of_place(con, installation_id)
    snapshot, scenes = None, []
    if store.exists(CubeName.CHIPS, lake):
        repo = store.repository(CubeName.CHIPS, lake=lake)
        snapshot = store.snapshot_at(repo, as_of)
        scenes = scene_origins(repo, snapshot, installation_id)
    return InstallationLineage(installation_id, tuple(observations), tuple(context), snapshot, tuple(scenes))


def of_commit(lake: Settings, commit: str, *, cube: CubeName | None = None) -> CommitLineage:
    """The way from a commit of a repository to everything it comes from.

    Args:
        lake: settings.
        commit: snapshot id or tag (or branch, or time).
        cube: which repository; the first of chips, virtual and regions that has it when omitted.

    Raises:
        CubeNotFoundError: there are no cubes.
        SnapshotNotFoundError: none of them has such a version.
    """
    name, repo_version = _found(lake, commit, (CubeName.CHIPS, CubeName.VIRTUAL, CubeName.REGIONS) if cube is None else (cube,))
    metadata = repo_version.metadata or CommitMetadata(code_version="unknown")
    con, is_there = _lake_then(lake, metadata.ducklake_snapshot_id)
    with con:
        built_from = rows(
            con,
            "SELECT snapshot_id AS snapshot, snapshot_time AS time, author, commit_message AS message FROM lake.snapshots() "
            "WHERE snapshot_id = ?",
            [metadata.ducklake_snapshot_id],
        )
        dbt_tables = rows(
            con,
            """
            SELECT snapshot_id AS snapshot, snapshot_time AS time, commit_message AS message FROM lake.snapshots()
            WHERE (commit_extra_info ->> 'dbt_invocation_id') = ? ORDER BY snapshot_id
            """,
            [metadata.dbt_invocation_id],
        )
        items = _items(con, metadata)
        installations = _installations(con, lake, name, repo_version, metadata)
        publications = _publications(con, installations)
    return CommitLineage(
        name,
        repo_version,
        built_from[0] if built_from else None,
        is_there,
        tuple(dbt_tables),
        tuple(items),
        installations,
        tuple(publications),
    )


def _installation(con: duckdb.DuckDBPyConnection, start: str) -> str:
    found = []
    if has_table(con, "curated", "pv_installations"):
        query = """
            SELECT installation_id FROM lake.curated.pv_installations
            WHERE starts_with(installation_id, ?) ORDER BY installation_id = ? DESC, installation_id LIMIT 2
        """
        found = [row["installation_id"] for row in rows(con, query, [start, start])]
    if not found or (len(found) > 1 and found[0] != start):
        raise LakeNotFoundError(
            f"The lake has {'more than one installation' if found else 'no installation'} {start!r}.",
            remedy="Give an installation_id of curated.pv_installations.",
        )
    return found[0]


def _found(lake: Settings, commit: str, names: Iterable[CubeName]) -> tuple[CubeName, Version]:
    there = [name for name in names if store.exists(name, lake)]
    if not there:
        raise CubeNotFoundError("There are no cubes.", remedy="Run 'eopv cube build'.")
    for name in there:
        repo = store.repository(name, lake=lake)
        try:
            snapshot = store.snapshot_at(repo, commit)
        except SnapshotNotFoundError:
            continue
        version = next((version for version in versions(repo) if version.snapshot_id == snapshot), None)
        if version is not None:
            return name, version
    raise SnapshotNotFoundError(
        f"Neither {' nor '.join(there)} cubes have a commit {commit!r}.", remedy="List them with 'eopv cube versions'."
    )


def _lake_then(lake: Settings, snapshot: int | None) -> tuple[duckdb.DuckDBPyConnection, bool]:
    """The lake as it was, else as it is."""
    if snapshot is not None:
        try:
            return connect(as_of=snapshot, lake=lake), True
        except SnapshotNotFoundError:
            pass
    return connect(read_only=True, lake=lake), False


def _items(con: duckdb.DuckDBPyConnection, metadata: CommitMetadata) -> list[dict[str, Any]]:
    by_item: dict[tuple[str, str, int | None], dict[str, Any]] = {}
    for item in metadata.items:
        row = by_item.setdefault(
            (item.collection, item.item_id, item.version),
            {"collection": item.collection, "item_id": item.item_id, "version": item.version, "assets": []},
        )
        if item.asset_key is not None:
            row["assets"].append({"asset_key": item.asset_key, "checksum": item.checksum, "etag": item.etag})
    landed: dict[tuple[str, str, int | None], dict[str, Any]] = {}
    if has_table(con, "landing", "stac_items"):
        query = """
            SELECT i.collection, i.item_id, i.version, i.catalog, i.source, i.item_sha256, i.ingested_at, i.ingest_run_id
            FROM lake.landing.stac_items AS i
            SEMI JOIN (SELECT unnest(?::VARCHAR[]) AS collection, unnest(?::VARCHAR[]) AS item_id) USING (collection, item_id)
        """
        wanted = [[key[0] for key in by_item], [key[1] for key in by_item]]
        landed = {(row["collection"], row["item_id"], row["version"]): row for row in rows(con, query, wanted)}
    return [{**landed.get(key, {}), **row} for key, row in sorted(by_item.items(), key=lambda entry: str(entry[0]))]


def _installations(
    con: duckdb.DuckDBPyConnection, lake: Settings, name: CubeName, version: Version, metadata: CommitMetadata
) -> tuple[str, ...]:
    if name is CubeName.CHIPS and version.parent_id is not None:
        from dataflows.cubes.history.diff import compared  # pandas takes a second to import, and the other way does without

        changes = compared(store.repository(name, lake=lake), name, version.parent_id, version.snapshot_id).scenes
        return tuple(sorted({change.installation_id for change in changes}))
    if not has_table(con, "curated", "pv_scenes"):
        return ()
    query = """
        SELECT DISTINCT installation_id FROM lake.curated.pv_scenes
        SEMI JOIN (SELECT unnest(?::VARCHAR[]) AS collection, unnest(?::VARCHAR[]) AS item_id) USING (collection, item_id)
        ORDER BY installation_id
    """
    found = rows(con, query, [[item.collection for item in metadata.items], [item.item_id for item in metadata.items]])
    return tuple(row["installation_id"] for row in found)


def _publications(con: duckdb.DuckDBPyConnection, installations: tuple[str, ...]) -> list[dict[str, Any]]:
    if not has_table(con, "curated", "pv_installation_observations"):
        return []
    return rows(
        con,
        f"""
        SELECT o.dataset, v.doi, v.url, v.vintage, any_value(s.snapshot_id) AS landed_in,
            count(DISTINCT m.installation_id) AS installations, count(DISTINCT o.observation_id) AS observations
        FROM lake.curated.pv_installation_observations AS m
        JOIN lake.curated.pv_observations AS o USING (observation_id) {_PUBLICATIONS}
        WHERE m.installation_id IN (SELECT unnest(?::VARCHAR[]))
        GROUP BY o.dataset, v.doi, v.url, v.vintage ORDER BY o.dataset, v.vintage
        """,
        [list(installations)],
    )
