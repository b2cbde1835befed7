"""What changed between two versions of a repository: groups, arrays, chunks, and which scenes of which chips.

Scenes are compared by content, so that any two versions can be, in either order. Chunks are known from the commits' own logs,
where one version came from the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import icechunk
import numpy as np
import pandas as pd
import zarr

from dataflows.cubes.chip.group import opened_group
from dataflows.cubes.repository import store
from dataflows.cubes.repository.conventions import decoded_times
from dataflows.cubes.repository.nodes import arrays, group_paths
from dataflows.cubes.repository.storage import CubeName
from dataflows.cubes.repository.store import AsOf
from db.settings import Settings


class SceneChange(NamedTuple):
    """A scene that one version has and the other has not, or has otherwise.

    Attributes:
        group: path.
        installation_id: of the chip; empty for virtual cubes.
        chip_number: of the chip within its installation; ``None`` for virtual cubes.
        period: first day of the month; for virtual cubes the day of the scene. ``None``: the chip itself.
        kind: ``added``, ``removed``, ``replaced`` (another item), ``recut`` (the same item, another version of it or another
            window), ``source`` (of a virtual cube: another file of the item); of chips: ``new chip``, ``gone chip``,
            ``outline`` (other masks).
        before: item in the older version, or file.
        after: item in the newer version, or file.
    """

    group: str
    installation_id: str
    chip_number: int | None
    period: date | None
    kind: str
    before: str
    after: str


class ArrayChange(NamedTuple):
    """An array that one version has and the other has not, or has with other lengths or metadata."""

    path: str
    kind: str
    before: tuple[int, ...] | None
    after: tuple[int, ...] | None


@dataclass(frozen=True)
class VersionDiff:
    """How a version differs from another.

    Attributes:
        before: snapshot id.
        after: snapshot id.
        groups_added: paths.
        groups_removed: paths.
        arrays: those that are new, gone, longer, or otherwise described.
        scenes: those that are new, gone or others.
        chunks: chunks written between the two, by array; ``None`` where neither version came from the other, or the history
            between them has been expired.
    """

    before: str
    after: str
    groups_added: tuple[str, ...]
    groups_removed: tuple[str, ...]
    arrays: tuple[ArrayChange, ...]
    scenes: tuple[SceneChange, ...]
    chunks: dict[str, int] | None

    @property
    def is_empty(self) -> bool:
        """Whether there is no difference."""
        return not (self.groups_added or self.groups_removed or self.arrays or self.scenes or self.chunks)


def diff(lake: Settings, name: CubeName, before: AsOf, after: AsOf | None = None) -> VersionDiff:
    """Compare two versions of a repository.

    Args:
        lake: settings.
        name: which repository.
        before: tag, branch, snapshot id or time.
        after: likewise; ``main`` as it is now when omitted.

    Raises:
        CubeNotFoundError: there is no such repository.
        SnapshotNotFoundError: there is no such version.
    """
    repo = store.repository(name, lake=lake)
    return compared(repo, name, store.snapshot_at(repo, before), store.snapshot_at(repo, after))


def compared(repo: icechunk.Repository, name: CubeName, before: str, after: str) -> VersionDiff:
    """Compare two snapshots by their ids, as :func:`diff` does."""
    ids = (before, after)
    old, new = (repo.readonly_session(snapshot_id=each) for each in ids)
    groups = [set(group_paths(session)) for session in (old, new)]
    scenes: list[SceneChange] = []
    by_content = {CubeName.CHIPS: _chip_scenes, CubeName.VIRTUAL: _virtual_scenes}.get(name)
    if by_content is not None and ids[0] != ids[1]:
        for path in sorted(groups[0] | groups[1]):
            sides = [session if path in held else None for session, held in zip((old, new), groups, strict=True)]
            scenes += by_content(path, *sides)
    return VersionDiff(
        *ids,
        tuple(sorted(groups[1] - groups[0])),
        tuple(sorted(groups[0] - groups[1])),
        tuple(_arrays(old, new)),
        tuple(scenes),
        _chunks(repo, *ids),
    )


def _chunks(repo: icechunk.Repository, before: str, after: str) -> dict[str, int] | None:
    if before == after:
        return {}
    for older, newer in ((before, after), (after, before)):
        if older in {info.id for info in repo.ancestry(snapshot_id=newer)}:
            found = repo.diff(from_snapshot_id=older, to_snapshot_id=newer)
            return {path.lstrip("/"): len(chunks) for path, chunks in sorted(found.updated_chunks.items())}
    return None


def _arrays(old: icechunk.Session, new: icechunk.Session) -> Iterator[ArrayChange]:
    before, after = (arrays(session) for session in (old, new))
    for path in sorted(before.keys() | after.keys()):
        one, other = before.get(path), after.get(path)
        if one is None or other is None:
            yield ArrayChange(path, "removed" if other is None else "added", one and one.shape, other and other.shape)
        elif one.shape != other.shape:
            yield ArrayChange(path, "resized", one.shape, other.shape)
        elif one.metadata.to_dict() != other.metadata.to_dict():
            yield ArrayChange(path, "described", one.shape, other.shape)


def _chip_scenes(path: str, old: icechunk.Session | None, new: icechunk.Session | None) -> Iterator[SceneChange]:
    on = ["installation_id", "chip_number", "period"]
    before, after = (_cut(session, path) for session in (old, new))
    changed = before.merge(after, how="outer", on=on, suffixes=("_before", "_after")).sort_values(on)
    changed = changed[changed["key_before"].fillna(0) != changed["key_after"].fillna(0)]
    for row in changed.itertuples(index=False):
        one, other = (item if isinstance(item, str) else "" for item in (row.item_before, row.item_after))
        kind = "added" if pd.isna(row.key_before) else "removed" if pd.isna(row.key_after) else ""
        if pd.isna(row.period):
            kind, period = {"added": "new chip", "removed": "gone chip"}.get(kind, "outline"), None
        else:
            kind, period = kind or ("recut" if one == other else "replaced"), row.period.date()
        yield SceneChange(path, row.installation_id, int(row.chip_number), period, kind, one, other)


def _cut(session: icechunk.Session | None, path: str) -> pd.DataFrame:
    """What each chip shows each month, and, without a period, its outline."""
    if session is None:
        return pd.DataFrame(columns=["installation_id", "chip_number", "period", "item", "key"]).astype(
            {"period": "datetime64[s]", "key": "uint64", "chip_number": "int16"}
        )
    group = opened_group(session, path)
    ids = np.asarray(group["installation_id"][:]).astype(object)
    numbers, keys = np.asarray(group["chip_number"][:]), np.asarray(group["scene_key"][:])
    chip, time = np.nonzero(keys)
    months = group.months.astype("datetime64[M]").astype("datetime64[s]")
    cut = pd.DataFrame(
        {
            "installation_id": ids[chip],
            "chip_number": numbers[chip],
            "period": months[time],
            "item": np.asarray(group["item_id"][:]).astype(object)[chip, time],
            "key": keys[chip, time],
        }
    )
    outlines = pd.DataFrame(
        {
            "installation_id": ids,
            "chip_number": numbers,
            "period": np.full(len(ids), np.datetime64("NaT", "s")),
            "item": "",
            "key": np.asarray(group["outline_key"][:]),
        }
    )
    return pd.concat([cut, outlines], ignore_index=True)


def _virtual_scenes(path: str, old: icechunk.Session | None, new: icechunk.Session | None) -> Iterator[SceneChange]:
    before, after = (_referenced(session, path) for session in (old, new))
    for taken, item in sorted(before.keys() | after.keys()):
        one, other = before.get((taken, item)), after.get((taken, item))
        if one is None or other is None:
            held = ("", item) if one is None else (item, "")
            yield SceneChange(path, "", None, taken, "added" if one is None else "removed", *held)
            continue
        for asset in sorted(one.keys() | other.keys()):
            if one.get(asset) != other.get(asset):
                yield SceneChange(path, "", None, taken, "source", one.get(asset, ""), other.get(asset, ""))


def _referenced(session: icechunk.Session | None, path: str) -> dict[tuple[date, str], dict[str, str]]:
    """Sources of each scene: by asset, href with ETag and checksum."""
    if session is None:
        return {}
    group = zarr.open_group(session.store, path=path, mode="r")
    items = np.asarray(group["item_id"][:]).astype(object)  # type: ignore[index]
    assets = np.asarray(group["asset"][:]).astype(object)  # type: ignore[index]
    sources = [
        np.asarray(group[name][:]).astype(object)  # type: ignore[index]
        for name in ("source_href", "source_etag", "source_checksum")
    ]
    days = [time.date() for time in decoded_times(np.asarray(group["time"][:]))]  # type: ignore[index]
    return {
        (day, str(item)): {
            str(asset): " ".join(str(source[row, column]) for source in sources if source[row, column])
            for column, asset in enumerate(assets)
        }
        for row, (day, item) in enumerate(zip(days, items, strict=True))
    }
