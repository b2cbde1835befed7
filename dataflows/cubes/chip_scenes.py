"""A plan's rows as scenes: which file and band holds which band, with its calibration, grouped by collection and CRS."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from dataflows.cubes import quality
from dataflows.cubes.chip_plan import ChipPlan
from dataflows.cubes.outlines import outlines
from dataflows.cubes.reflectance import Coefficients, coefficients, is_landsat_c2, is_sentinel2
from db.errors import CubeError

# What the indices need; taken where a collection has them
DEFAULT_BANDS = ("blue", "green", "red", "nir", "swir16")

# Fill of both products, by the specifications that dataflows.cubes.reflectance names; not every catalog repeats it
FILL = 0.0

# Renderings of a scene have bands of the same names as its data
_RENDERINGS = frozenset(("visual", "overview", "thumbnail"))

Months = NDArray[np.int64]  # months since January 1970


@dataclass(frozen=True)
class Band:
    """One band of one file.

    Attributes:
        href: absolute URL.
        number: band of the file, from 1.
        nodata: as the item states it, ``None`` where it does not.
        transform: affine of the file as the item states it, ``None`` where it does not.
        asset_key: key of the asset.
        checksum: as published.
    """

    href: str
    number: int
    nodata: float | None
    transform: tuple[float, ...] | None
    asset_key: str
    checksum: str | None


@dataclass(frozen=True)
class Scene:
    """One item, as far as chips are cut from it.

    Attributes:
        catalog: key in the STAC manifest.
        collection: STAC collection.
        item_id: STAC item.
        version: of the item in the lake.
        taken_at: aware.
        bands: one a band of the group; ``None`` where the item has no such asset.
        classification: the band that classifies pixels, if there is one.
        calibration: one a band.
        key: identity of the content that chips are cut from, never 0.
    """

    catalog: str
    collection: str
    item_id: str
    version: int
    taken_at: datetime
    bands: tuple[Band | None, ...]
    classification: Band | None
    calibration: tuple[Coefficients, ...]
    key: int


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


def bands_of(assets: list[dict[str, Any]]) -> dict[str, tuple[dict[str, Any], int]]:
    """For each band the asset that holds it, and its number in that file: data before copies, one band before many."""

    def preference(asset: Mapping[str, Any]) -> tuple[Any, ...]:
        is_tiff = "tiff" in (asset["media_type"] or "") or asset["href"].lower().endswith((".tif", ".tiff"))
        return not is_tiff, len(asset["bands"]), asset["gsd_m"] or np.inf, asset["asset_key"]

    held: dict[str, tuple[dict[str, Any], int]] = {}
    data = [asset for asset in assets if asset["bands"] and not _RENDERINGS & set(asset["roles"] or ())]
    for asset in sorted(data, key=preference):
        for number, name in enumerate(asset["bands"], start=1):
            held.setdefault(name, (asset, number))
    return held


def common_bands(found: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Those of :data:`DEFAULT_BANDS` that every scene has, of each scene's bands by name."""
    shared = set.intersection(*(set(bands) for bands in found))
    return tuple(band for band in DEFAULT_BANDS if band in shared)


def scene_of(
    row: Mapping[str, Any],
    names: tuple[str, ...],
    held: Mapping[str, tuple[dict[str, Any], int]],
    assets: list[dict[str, Any]],
) -> Scene:
    """A scene's files for the bands that are wanted, and for the classification of its pixels.

    Args:
        row: of the scene, as :mod:`dataflows.cubes.chip_plan` selects it.
        names: common names of bands.
        held: what :func:`bands_of` found.
        assets: all of the scene.
    """
    classifying = quality.classification_of([asset["asset_key"] for asset in assets])
    mask = next((_band(asset, 1) for asset in assets if asset["asset_key"] == classifying), None)
    bands = tuple(_band(*held[name]) if name in held else None for name in names)
    calibration = tuple(
        coefficients(
            row["collection"],
            name,
            processing_baseline=row["processing_baseline"],
            boa_offset_applied=row["boa_offset_applied"],
            stated_scale=held[name][0]["scale"] if name in held else None,
            stated_offset=held[name][0]["value_offset"] if name in held else None,
        )
        for name in names
    )
    files = [None if band is None else (band.asset_key, band.number, band.checksum) for band in (*bands, mask)]
    facts = [row["catalog"], row["collection"], row["item_id"], row["version"], files, calibration]
    key = int.from_bytes(hashlib.sha256(json.dumps(facts).encode()).digest()[:8]) | 1
    return Scene(
        row["catalog"],
        row["collection"],
        row["item_id"],
        int(row["version"]),
        row["datetime"],
        bands,
        mask,
        calibration,
        key,
    )


def _band(asset: Mapping[str, Any], number: int) -> Band:
    transform, nodata = asset["proj_transform"], asset["nodata"]
    if nodata is None and (is_sentinel2(asset["collection"]) or is_landsat_c2(asset["collection"])):
        nodata = FILL
    return Band(
        asset["href"],
        number,
        nodata,
        None if not transform else tuple(transform),
        asset["asset_key"],
        asset["checksum"],
    )
