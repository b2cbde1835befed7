"""Which rasters go into which group: what agrees is put side by side along time, what does not goes elsewhere or is refused.

Concatenation itself checks nothing of this: a raster of another UTM zone, on a shifted grid or with another nodata is taken
silently. So everything is compared here, before a reference is written.

A group holds the rasters of one collection on one grid. A raster whose storage differs from that of the group's array (codec,
block size, type, nodata …) goes to a group of its own beside it, named after the difference.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from virtualizarr.manifests import ManifestArray

from dataflows.cubes.rasters.geotiff import Layout, RasterHeader
from dataflows.cubes.rasters.grid import Grid
from dataflows.cubes.references.refusals import Reason, Refusal
from dataflows.cubes.references.scenes import SceneAsset


class Source(NamedTuple):
    """A raster that can be referenced.

    Attributes:
        scene: the asset that it is.
        header: what its file says.
        references: to its blocks.
    """

    scene: SceneAsset
    header: RasterHeader
    references: ManifestArray


class Cell(NamedTuple):
    """What is known of one asset at one date of a group that has been written.

    Attributes:
        href: URL of the raster; empty where the scene has no such asset.
        etag: ETag that its chunks are bound to.
        checksum: ``file:checksum`` of the asset; empty where it states none.
        scale: see :class:`~dataflows.cubes.references.scenes.SceneAsset`.
        offset: see there.
    """

    href: str = ""
    etag: str = ""
    checksum: str = ""
    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def of(cls, source: Source) -> Cell:
        """What is to be known of a source."""
        scene, header, _ = source
        scale = scene.scale if scene.scale is not None else header.scales[0]
        offset = scene.offset if scene.offset is not None else header.offsets[0]
        return cls(header.href, header.source.etag or "", scene.checksum or "", scale, offset)


@dataclass(frozen=True)
class GroupState:
    """What a group holds: written, or to be written.

    Attributes:
        path: of the group in the repository.
        grid: of all its arrays.
        grid_code: tile of the collection's own scheme; empty where there is none.
        times: dates, unique and ascending, aware.
        items: item id of each date.
        versions: version of each item in the lake; -1 where it is not known.
        layouts: asset key → how its pixels are stored.
        bands: asset key → names of its bands; empty for an asset of one band.
        cells: (time, asset key) → source.
    """

    path: str
    grid: Grid
    grid_code: str = ""
    times: tuple[datetime, ...] = ()
    items: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()
    layouts: Mapping[str, Layout] = field(default_factory=dict)
    bands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cells: Mapping[tuple[datetime, str], Cell] = field(default_factory=dict)


class GroupPlan(NamedTuple):
    """A group as it is, as it shall be, and the sources that make the difference."""

    before: GroupState
    after: GroupState
    sources: dict[tuple[datetime, str], Source]


def planned(
    sources: Iterable[Source], existing: Mapping[str, GroupState], *, replace_changed: bool = False
) -> tuple[list[GroupPlan], list[Refusal]]:
    """Groups to write, by path, and what cannot be part of one.

    Args:
        sources: rasters that can be referenced.
        existing: path → group that the repository holds.
        replace_changed: reference a source anew that has changed since it was referenced, instead of refusing it.
    """
    plans, refusals = [], []
    for state, members in _by_grid(sources, existing):
        for variant, assets in _by_layout(state, members, existing):
            plan, refused = _plan(variant, assets, replace_changed=replace_changed)
            refusals += refused
            if plan.sources:
                plans.append(plan)
    return sorted(plans, key=lambda plan: plan.after.path), sorted(refusals)


def _by_grid(sources: Iterable[Source], existing: Mapping[str, GroupState]) -> Iterable[tuple[GroupState, list[Source]]]:
    """Sources of one collection on one grid, and the group that they belong to."""
    found: dict[str, tuple[GroupState, list[Source]]] = {}
    for source in sorted(sources, key=_order):
        grid = source.header.grid
        path = f"{source.scene.collection}/{grid.label}"
        state = found[path][0] if path in found else existing.get(path)
        if state is not None and not state.grid.same(grid):
            # Apart by less than the label can tell, but apart
            path += "-" + _digest((grid.transform, grid.shape))
            state = found[path][0] if path in found else existing.get(path)
        state = state or GroupState(path, grid, source.scene.grid_code or "")
        found.setdefault(path, (state, []))[1].append(source)
    return found.values()


def _by_layout(
    state: GroupState, sources: list[Source], existing: Mapping[str, GroupState]
) -> Iterable[tuple[GroupState, list[Source]]]:
    """Sources whose storage agrees asset by asset: those of the group itself, and of groups beside it."""
    layouts = defaultdict(list)
    for source in sources:
        layouts[source.scene.asset_key].append(_storage(source))
    main = {asset: Counter(found).most_common(1)[0][0] for asset, found in layouts.items()}
    main |= {asset: (layout, state.bands[asset]) for asset, layout in state.layouts.items()}
    groups: dict[str, tuple[GroupState, list[Source]]] = {}
    for source in sources:
        storage = _storage(source)
        path = state.path
        if storage != main[source.scene.asset_key]:
            path += "-" + _digest(storage)
        group = state if path == state.path else existing.get(path, replace(_empty(state), path=path))
        groups.setdefault(path, (group, []))[1].append(source)
    return groups.values()


def _plan(before: GroupState, sources: list[Source], *, replace_changed: bool) -> tuple[GroupPlan, list[Refusal]]:
    """The group with its new sources; one scene a date."""
    refusals: list[Refusal] = []
    item_at = dict(zip(before.times, before.items, strict=True))
    version_at = dict(zip(before.times, before.versions, strict=True))
    taken: dict[tuple[datetime, str], Source] = {}
    for source in sources:
        scene = source.scene
        time = scene.datetime
        assert time is not None
        holder = item_at.setdefault(time, scene.item_id)
        cell = before.cells.get((time, scene.asset_key), Cell())
        if holder != scene.item_id:
            refusals.append(refusal(scene, Reason.DUPLICATE_TIME, f"{holder} is at {time.isoformat()} already"))
        elif (time, scene.asset_key) in taken:
            refusals.append(refusal(scene, Reason.DUPLICATE_TIME, f"the asset is listed twice at {time.isoformat()}"))
        elif cell.href and (cell.href, cell.etag) == Cell.of(source)[:2]:
            continue
        elif cell.href and not replace_changed:
            refusals.append(refusal(scene, Reason.CHANGED, f"it has changed since it was referenced as {cell.href}"))
        else:
            taken[time, scene.asset_key] = source
            version_at[time] = -1 if scene.version is None else scene.version
    taken, absent = _without_gaps(before, taken)
    refusals += absent
    times = tuple(sorted(set(before.times) | {time for time, _ in taken}))
    layouts = dict(before.layouts) | {asset: source.header.layout for (_, asset), source in taken.items()}
    bands = dict(before.bands)
    for (_, asset), source in sorted(taken.items(), key=lambda entry: entry[0]):
        bands.setdefault(asset, band_names(source))
    after = replace(
        before,
        times=times,
        items=tuple(item_at[time] for time in times),
        versions=tuple(version_at[time] for time in times),
        layouts=dict(sorted(layouts.items())),
        bands=bands,
        cells=dict(before.cells) | {key: Cell.of(source) for key, source in taken.items()},
    )
    return GroupPlan(before, after, taken), refusals


def _without_gaps(
    before: GroupState, taken: dict[tuple[datetime, str], Source]
) -> tuple[dict[tuple[datetime, str], Source], list[Refusal]]:
    """Only scenes that have every asset whose absence could not be told from data.

    An absent asset reads as the array's fill value. That is nodata where the rasters state one; where they state none, it
    would be a picture of zeros.
    """
    refusals: list[Refusal] = []
    without_nodata = {asset for asset, layout in before.layouts.items() if layout.nodata is None}
    without_nodata |= {asset for (_, asset), source in taken.items() if source.header.layout.nodata is None}
    for asset in sorted(without_nodata - before.layouts.keys()):
        lacking = sorted(time for time in before.times if (time, asset) not in taken)
        if lacking:
            detail = f"the group has dates without it ({lacking[0].isoformat()} …), and it has no nodata to say so"
            refusals += [refusal(s.scene, Reason.ABSENT_ASSET, detail) for (_, key), s in taken.items() if key == asset]
            taken = {key: source for key, source in taken.items() if key[1] != asset}
            without_nodata.discard(asset)
    present = defaultdict(set)
    for time, asset in [*taken, *(key for key, cell in before.cells.items() if cell.href)]:
        present[time].add(asset)
    incomplete = {time: sorted(lacking) for time in present if (lacking := without_nodata - present[time])}
    for (time, _), source in taken.items():
        if time in incomplete:
            detail = f"the scene lacks {', '.join(incomplete[time])}, which has no nodata to say so"
            refusals.append(refusal(source.scene, Reason.ABSENT_ASSET, detail))
    return {key: source for key, source in taken.items() if key[0] not in incomplete}, refusals


def refusal(scene: SceneAsset, reason: Reason, detail: str) -> Refusal:
    """A refusal of one asset."""
    return Refusal(scene.collection, scene.item_id, scene.asset_key, scene.href, reason, detail)


def band_names(source: Source) -> tuple[str, ...]:
    """Names of a raster's bands in file order: the item's, else numbers from 1; empty for a raster of one band."""
    count = source.header.layout.bands
    if count == 1:
        return ()
    names = source.scene.bands
    if len(names) == count and len(set(names)) == count:
        return names
    return tuple(str(number) for number in range(1, count + 1))


def _storage(source: Source) -> tuple[Layout, tuple[str, ...]]:
    """What sources of one array share; bands of other names in the same places would be mixed silently."""
    return source.header.layout, band_names(source)


def _empty(state: GroupState) -> GroupState:
    return GroupState(state.path, state.grid, state.grid_code)


def _order(source: Source) -> tuple[str, datetime, str, str]:
    scene = source.scene
    assert scene.datetime is not None
    return scene.collection, scene.datetime, scene.item_id, scene.asset_key


def _digest(facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:8]
