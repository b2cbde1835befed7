"""Cubes that contenders read: made once, beside the scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import zarr

from benchmarks.cubes.scenes import BANDS, COLLECTION, Scenes
from dataflows.cubes.chip.group import PIXELS
from dataflows.cubes.references.scenes import SceneAsset
from dataflows.cubes.repository import store
from dataflows.cubes.virtual import build_virtual
from db.settings import Settings

MATERIALISED = "materialised"


def lake(scenes: Scenes, cache: Path) -> Settings:
    """Settings of the lake that holds them."""
    return Settings(home=cache / f"{scenes.name}-lake", _env_file=None)


def made(scenes: Scenes, cache: Path) -> Settings:
    """The lake with a materialised cube (one chunk a tile) and a virtual one of the scenes, made where it is missing."""
    home = lake(scenes, cache)
    if not store.exists("regions", home):
        with store.build("regions", message="layers", lake=home) as build:
            shape = (scenes.dates, len(BANDS), scenes.edge, scenes.edge)
            chunks = (1, 1, scenes.block, scenes.block)
            cube = zarr.create_group(build.store, path=MATERIALISED).create_array(
                "pixels", shape=shape, chunks=chunks, dtype="uint16", fill_value=0, compressors=PIXELS
            )
            for layer, path in enumerate(scenes.paths(cache)):
                with rasterio.open(path) as file:
                    cube[divmod(layer, len(BANDS))] = np.asarray(file.read(1))
    if not store.exists("virtual", home):
        assets = [
            SceneAsset(
                COLLECTION,
                scenes.item_id(date),
                band,
                str(scenes.path(cache, date, band)),
                scenes.taken_at(date),
                bands=(band,),
            )
            for date, band in scenes.layers
        ]
        report = build_virtual(assets, lake=home, strict=True)
        assert not report.refusals
    return home
