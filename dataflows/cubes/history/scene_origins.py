"""Which commit put the pixels of a scene into a chip."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import icechunk
import numpy as np

from dataflows.cubes.chip.group import chip_paths, opened_group
from dataflows.cubes.repository.commit_metadata import CommitMetadata, ItemReference


@dataclass(frozen=True)
class SceneOrigin:
    """One chip of one month, and where its pixels came from.

    Attributes:
        group: path.
        chip_number: of the chip within its installation.
        period: first day of the month.
        item_id: STAC item.
        version: of the item in the lake; ``None`` where the commit is not known.
        assets: the files that were read, with their checksums.
        commit: snapshot id of the commit that wrote it; ``None`` where that part of the history has been expired.
        committed_at: when, UTC.
        ducklake_snapshot_id: the lake that it was built from.
        dbt_invocation_id: the dbt run that made the tables it was built from.
    """

    group: str
    chip_number: int
    period: date
    item_id: str
    version: int | None
    assets: tuple[ItemReference, ...]
    commit: str | None
    committed_at: datetime | None
    ducklake_snapshot_id: int | None
    dbt_invocation_id: str | None


Cell = tuple[str, int, date]


def scene_origins(repo: icechunk.Repository, snapshot: str, installation_id: str) -> list[SceneOrigin]:
    """Origins of all scenes in an installation's chips, by group, chip and month.

    A commit wrote a scene if it names the item, and the chip was another before it.

    Args:
        repo: the repository of chips.
        snapshot: the version that is looked at.
        installation_id: whole id.
    """
    held = _cells(repo, snapshot, installation_id)
    origins: dict[Cell, tuple[icechunk.SnapshotInfo, CommitMetadata]] = {}
    for info in repo.ancestry(snapshot_id=snapshot):
        metadata = CommitMetadata.of(info)
        if metadata is None:
            continue
        named = {(item.collection, item.item_id) for item in metadata.items}
        open_cells = [cell for cell in held if cell not in origins and (_collection(cell[0]), held[cell][0]) in named]
        if not open_cells:
            continue
        before = _cells(repo, info.parent_id, installation_id) if info.parent_id else {}
        origins |= {cell: (info, metadata) for cell in open_cells if before.get(cell) != held[cell]}
        if len(origins) == len(held):
            break
    return [_origin(cell, held[cell][0], origins.get(cell)) for cell in sorted(held)]


def _origin(cell: Cell, item_id: str, found: tuple[icechunk.SnapshotInfo, CommitMetadata] | None) -> SceneOrigin:
    group, number, period = cell
    if found is None:
        return SceneOrigin(group, number, period, item_id, None, (), None, None, None, None)
    info, metadata = found
    assets = tuple(item for item in metadata.items if (item.collection, item.item_id) == (_collection(group), item_id))
    return SceneOrigin(
        group,
        number,
        period,
        item_id,
        assets[0].version,
        assets,
        info.id,
        info.written_at,
        metadata.ducklake_snapshot_id,
        metadata.dbt_invocation_id,
    )


def _collection(path: str) -> str:
    return path.rpartition("/")[0]


def _cells(repo: icechunk.Repository, snapshot: str, installation_id: str) -> dict[Cell, tuple[str, int]]:
    """Item and key of each chip and month of an installation."""
    session = repo.readonly_session(snapshot_id=snapshot)
    found: dict[Cell, tuple[str, int]] = {}
    for path in chip_paths(session):
        group = opened_group(session, path)
        chips = np.flatnonzero(np.asarray(group["installation_id"][:]).astype(object) == installation_id)
        days = group.months.astype("datetime64[M]").astype("datetime64[D]").tolist()
        for chip in chips.tolist():
            number = int(group["chip_number"][chip])
            keys, items = np.asarray(group["scene_key"][chip]), np.asarray(group["item_id"][chip]).astype(object)
            found |= {(path, number, days[month]): (str(items[month]), int(keys[month])) for month in np.flatnonzero(keys)}
    return found
