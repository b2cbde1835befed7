"""A scene as its files: which file and band holds which band, with its calibration, and what classifies its pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

from dataflows.cubes.pixels import quality
from dataflows.cubes.pixels.reflectance import Coefficients, coefficients, is_landsat_c2, is_sentinel2
from dataflows.cubes.rasters.checksums import Promised

# What the indices need; taken where a collection has them
DEFAULT_BANDS = ("blue", "green", "red", "nir", "swir16")

# Fill of both products, by the specifications that dataflows.cubes.pixels.reflectance names; not every catalog repeats it
FILL = 0.0

# Renderings of a scene have bands of the same names as its data
_RENDERINGS = frozenset(("visual", "overview", "thumbnail"))


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

    @cached_property
    def promised(self) -> tuple[Promised, ...]:
        """What the item says of its files, each once."""
        bands = [band for band in (*self.bands, self.classification) if band is not None]
        files = (Promised(self.collection, self.item_id, band.asset_key, band.href, band.checksum) for band in bands)
        return tuple(dict.fromkeys(files))


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
        row: of the scene, as :mod:`dataflows.cubes.chip.plan` selects it.
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
