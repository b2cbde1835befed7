"""A plan's rows as groups: the installations and scenes of one collection in one CRS."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from dataflows.cubes.chip.plan import ChipPlan
from dataflows.cubes.pixels.outlines import outlines
from dataflows.cubes.pixels.scenes import DEFAULT_BANDS, Scene, bands_of, common_bands, scene_of
from db.errors import CubeError

Months = NDArray[np.int64]  # months since January 1970


@dataclass(frozen=True)
class GroupPlan:
    """What is to be in one group of the repository: one collection in one CRS.

    Attributes:
        collection: STAC collection.
        epsg: code of the CRS.
        bands: common names.
        installation_id: those to make chips of, shape (sites,).
        h3_r8: their cells, shape (sites,).
        around: polygons of all installations near them, theirs included, in the CRS.
        own: for each of them the index of its polygon in ``around``, shape (sites,).
        scenes: the items.
        site: index of an installation, one a candidate; candidates are sorted by site, month and rank.
        month: months since January 1970, one a candidate.
        scene: index of a scene, one a candidate.
    """

    collection: str
    epsg: int
    bands: tuple[str, ...]
    installation_id: NDArray[np.object_]
    h3_r8: NDArray[np.uint64]
    around: NDArray[np.object_]
    own: NDArray[np.int64]
    scenes: tuple[Scene, ...]
    site: NDArray[np.int64]
    month: Months
    scene: NDArray[np.int64]

    @property
    def outlines(self) -> NDArray[np.object_]:
        """Polygons of the installations to make chips of, in the CRS, shape (sites,)."""
        return self.around[self.own]

    @property
    def path(self) -> str:
        """Path of the group in the repository."""
        return group_path(self.collection, self.epsg)


def group_path(collection: str, epsg: int) -> str:
    """Path of a group in the repository of chips."""
    return f"{collection}/epsg-{epsg}"


def month_number(day: date) -> int:
    """Months since January 1970 of the first day of a month.

    Raises:
        CubeError: it is another day.
    """
    if day.day != 1:
        raise CubeError(f"{day} is not the first day of a month.", remedy="Chips have monthly periods: scene_period: month.")
    return (day.year - 1970) * 12 + day.month - 1


def group_plans(plan: ChipPlan, bands: Iterable[str] | None = None) -> list[GroupPlan]:
    """The groups of a plan, by collection and CRS, in that order.

    Args:
        plan: what to build.
        bands: common names, in the order that they get; :data:`DEFAULT_BANDS` as far as a group has them when omitted.

    Raises:
        CubeError: a group has none of the bands, or a period is no month.
    """
    # Column by column: the rows of 20,000 installations and a year as Python objects would take a quarter of a gigabyte
    scenes = plan.scenes.filter(pc.is_valid(plan.scenes["epsg"]))
    groups = scenes.group_by(["collection", "epsg"]).aggregate([]).sort_by([("collection", "ascending"), ("epsg", "ascending")])
    files: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item, asset in zip(_items(plan.assets).to_pylist(), plan.assets.to_pylist(), strict=True):
        files[item].append(asset)
    return [
        _group(
            plan.installations,
            scenes.filter(pc.and_(pc.equal(scenes["collection"], row["collection"]), pc.equal(scenes["epsg"], row["epsg"]))),
            files,
            bands,
        )
        for row in groups.to_pylist()
    ]


def _items(table: pa.Table) -> pa.ChunkedArray:
    """A text that tells the versions of items apart."""
    parts = [table[name].cast(pa.string()) for name in ("catalog", "collection", "item_id", "version")]
    return pc.binary_join_element_wise(*parts, "\x1f")


def _group(
    installations: pa.Table, rows: pa.Table, files: Mapping[str, list[dict[str, Any]]], bands: Iterable[str] | None
) -> GroupPlan:
    encoded = _items(rows).combine_chunks().dictionary_encode()
    item = encoded.indices.to_numpy().astype(np.int64)
    items = encoded.dictionary.to_pylist()
    firsts = rows.take(np.unique(item, return_index=True)[1]).to_pylist()
    collection, epsg = firsts[0]["collection"], firsts[0]["epsg"]
    found = [bands_of(files[name]) for name in items]
    names = tuple(bands) if bands is not None else common_bands(found)
    if not names:
        raise CubeError(
            f"{collection}: no asset has one of the bands {', '.join(DEFAULT_BANDS)}.", remedy="Name the bands to build."
        )
    scenes = tuple(scene_of(row, names, held, files[name]) for row, held, name in zip(firsts, found, items, strict=True))
    ids, site = np.unique(rows["installation_id"].to_numpy(zero_copy_only=False), return_inverse=True)
    periods, which = np.unique(rows["period"].to_numpy(), return_inverse=True)
    month = np.array([month_number(day) for day in periods.astype("datetime64[D]").tolist()], np.int64)[which]
    order = np.lexsort((rows["rank"].to_numpy(), month, site))
    return GroupPlan(
        collection,
        int(epsg),
        names,
        ids,
        *_located(installations, ids, epsg),
        scenes,
        site[order],
        month[order],
        item[order],
    )


def _located(
    installations: pa.Table, ids: NDArray[np.object_], epsg: int
) -> tuple[NDArray[np.uint64], NDArray[np.object_], NDArray[np.int64]]:
    """Cells of the chosen installations, the outlines of all that are near them, and which of those are theirs."""
    known = {name: index for index, name in enumerate(installations["installation_id"].to_pylist())}
    if missing := [name for name in ids if name not in known]:
        raise CubeError(f"The plan has scenes of {missing[0]}, but not that installation.", remedy="Read the plan again.")
    rows = np.array([known[name] for name in ids])
    geometries = shapely.from_wkb(installations["geometry"].to_numpy(zero_copy_only=False))
    bounds = shapely.bounds(geometries)
    west, south = np.nanmin(bounds[rows, :2], axis=0) - 1
    east, north = np.nanmax(bounds[rows, 2:], axis=0) + 1
    near = (bounds[:, 2] >= west) & (bounds[:, 0] <= east) & (bounds[:, 3] >= south) & (bounds[:, 1] <= north)
    near[rows] = True
    area, capacity = (
        installations[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in ("area_m2", "capacity_mw")
    )
    shapes = outlines(geometries[near], area[near], capacity[near], epsg)
    cells = np.array([cell or 0 for cell in installations["h3_r8"].to_pylist()], np.uint64)
    return cells[rows], shapes, np.cumsum(near)[rows] - 1
