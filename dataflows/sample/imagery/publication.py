"""Publishes the scenes of the sample world: GeoTIFFs and their static STAC catalog in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import shapely

from dataflows.sample.imagery.catalog import BANDS, SCL, asset_file, item_of, scene_id, write_catalog
from dataflows.sample.imagery.files import Written, truncate, write_cog
from dataflows.sample.imagery.grids import centre_of_interest, tiles_around
from dataflows.sample.imagery.landscape import landscape_around
from dataflows.sample.imagery.passes import COLLECTION, PASSES, SHIFT_M, SHIFTED_SCENE, TRUNCATED_ASSET, sun_at
from dataflows.sample.imagery.scene import NODATA, Ground, Scene
from dataflows.sample.imagery.sky import NO_DATA, sky_around
from dataflows.sample.region import LOCAL_CRS, generator


@dataclass(frozen=True)
class SceneFacts:
    """What one scene holds: item id, EPSG code, cloud cover and share without data in %, and bytes of its files as promised."""

    item_id: str
    epsg: int
    cloud_cover_pct: float
    nodata_pct: float
    size: int


def publish_imagery(sites: gpd.GeoDataFrame, seed: int, folder: Path) -> list[SceneFacts]:
    """Write what an imagined satellite saw on six dates of 2025 of the place with most sites, in two UTM zones.

    A window of 5 × 5 km a zone, the two overlapping by 2 km. Vegetation follows the seasons; true sites larger than a pixel
    are dark and of flat spectrum. Bands are digital numbers as Sentinel-2's (reflectance = 0.0001 × number + offset, the
    offset being −0.1 from processing baseline 04.00 on), 10 m, ``uint16``; ``scl`` is the scene classification, 20 m,
    ``uint8``; 0 is nodata in both. On purpose, one file is cut off (``passes.TRUNCATED_ASSET``), one scene lies between the
    pixels of the others (``passes.SHIFTED_SCENE``) and one pass ends within the area.

    Args:
        sites: of ``true_sites``.
        seed: of the world.
        folder: takes ``catalog.json``, ``helia-s2-l2a/collection.json`` and ``helia-s2-l2a/<item>/<item>.json`` with
            ``B02.tif`` … ``SCL.tif`` beside it.

    Returns:
        One entry a scene, in order of zone and time.
    """
    items, facts = [], []
    for scene in _scenes(sites, seed):
        files = _write(scene, seed, folder / COLLECTION / scene_id(scene))
        items.append(item_of(scene, files))
        facts.append(
            SceneFacts(
                scene_id(scene),
                scene.tile.epsg,
                scene.cloud_cover_pct,
                scene.nodata_pct,
                sum(written.size for written in files.values()),
            )
        )
    write_catalog(items, folder)
    return facts


def _scenes(sites: gpd.GeoDataFrame, seed: int) -> Iterator[Scene]:
    centre_m = centre_of_interest(sites)
    centre_deg = gpd.GeoSeries([shapely.Point(centre_m)], crs=LOCAL_CRS).to_crs("EPSG:4326").iloc[0]
    landscape = landscape_around(centre_m, generator(seed, "landscape"))
    skies = {flight: sky_around(centre_m, flight.cloud_share, generator(seed, f"sky {flight.day}")) for flight in PASSES}
    for tile in tiles_around(centre_m):
        ground = Ground(tile, centre_m, landscape, sites.geometry)
        for flight in PASSES:
            is_shifted = (tile.zone, flight.day) == SHIFTED_SCENE
            yield Scene(
                flight,
                Ground(tile.shifted(*SHIFT_M), centre_m, landscape, sites.geometry) if is_shifted else ground,
                skies[flight],
                sun_at(flight.datetime, centre_deg.x, centre_deg.y),
            )


def _write(scene: Scene, seed: int, folder: Path) -> dict[str, Written]:
    """Write a scene's files; asset key → the file as it was before any fault."""
    folder.mkdir(parents=True)
    written = {}
    for band in BANDS:
        pixels = scene.digital_numbers(band, generator(seed, f"{scene_id(scene)} {band}"))
        written[band] = write_cog(pixels, scene.tile.fine, NODATA, folder / asset_file(band))
    written[SCL] = write_cog(scene.scl, scene.tile.coarse, NO_DATA, folder / asset_file(SCL))
    zone, day, asset = TRUNCATED_ASSET
    if (zone, day) == (scene.tile.zone, scene.flight.day):
        truncate(folder / asset_file(asset))
    return written
