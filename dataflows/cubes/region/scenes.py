"""The scenes that a region is made of, as the lake lists them, and what of their files can be read.

The lake is asked in this module and nowhere else in the regions' code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import shapely

from dataflows.cubes.pixels.scenes import Band, Scene, bands_of, common_bands, scene_of
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.rasters.checksums import Checksums
from dataflows.cubes.rasters.geotiff import RasterHeader, read_headers
from dataflows.cubes.rasters.grid import Grid
from dataflows.cubes.rasters.tiles import Raster, TileReader
from db.errors import CubeError, LakeError, SourceError
from db.lake import has_table


@dataclass(frozen=True)
class RegionScene:
    """One item that meets the region.

    Attributes:
        scene: its files, by band, with their calibration.
        footprint: EPSG:4326.
        cloud_cover_pct: as the item states it; ``None`` where it does not.
    """

    scene: Scene
    footprint: shapely.Geometry
    cloud_cover_pct: float | None


@dataclass(frozen=True)
class RegionRefusal:
    """An item that the region is made without.

    Attributes:
        item_id: of the item.
        asset_key: of the file; ``None`` where none is to blame.
        reason: why.
    """

    item_id: str
    asset_key: str | None
    reason: str


@dataclass(frozen=True)
class FileFacts:
    """What a file says of itself."""

    grid: Grid
    bands: int
    dtype: str
    nodata: float | None


def scenes_of_region(
    con: duckdb.DuckDBPyConnection,
    zone: shapely.Geometry,
    collection: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    bands: Sequence[str] | None = None,
    most_cloud_pct: float | None = None,
) -> tuple[tuple[str, ...], list[RegionScene]]:
    """Scenes of a collection whose footprint meets a zone, by time, and the bands that are taken of them.

    Args:
        con: a connection to a built lake.
        zone: EPSG:4326, split at the antimeridian.
        collection: STAC collection.
        since: scenes at or after this time.
        until: scenes before this time.
        bands: common names; those of :data:`~dataflows.cubes.pixels.scenes.DEFAULT_BANDS` that all scenes have when omitted.
        most_cloud_pct: scenes that state more are left out.

    Raises:
        LakeError: the tables have not been built.
        CubeError: no scene is there, or they share no band.
    """
    if not has_table(con, "staging", "stg_stac_assets"):
        raise LakeError("There is no staging.stg_stac_assets.", remedy="Run 'eopv stac ingest' and 'eopv build' first.")
    chosen = """
        FROM lake.staging.stg_stac_items
        WHERE collection = $collection AND ST_Intersects(footprint, ST_GeomFromWKB($zone))
            AND ($since IS NULL OR datetime >= $since) AND ($until IS NULL OR datetime < $until)
            AND ($cloud IS NULL OR cloud_cover_pct IS NULL OR cloud_cover_pct <= $cloud)
    """
    asked = {
        "collection": collection,
        "zone": shapely.to_wkb(zone),
        "since": since,
        "until": until,
        "cloud": most_cloud_pct,
    }
    listed = f"""
        SELECT
            catalog, collection, item_id, version, datetime, processing_baseline, boa_offset_applied, cloud_cover_pct,
            ST_AsWKB(footprint)::BLOB AS footprint
        {chosen} ORDER BY datetime, catalog, item_id
    """
    items = con.execute(listed, asked).to_arrow_table().to_pylist()
    if not items:
        raise CubeError(
            f"The lake has no scene of {collection!r} there and then.",
            remedy="Run 'eopv stac ingest' and 'eopv build', or ask for more.",
        )
    files: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    assets = f"""
        SELECT
            catalog, collection, item_id, version, asset_key, href, media_type, roles, bands, gsd_m, proj_transform, nodata,
            scale, value_offset, checksum
        FROM lake.staging.stg_stac_assets
        SEMI JOIN (SELECT catalog, collection, item_id, version {chosen}) USING (catalog, collection, item_id, version)
        ORDER BY catalog, item_id, asset_key
    """
    for asset in con.execute(assets, asked).to_arrow_table().to_pylist():
        files[asset["catalog"], asset["item_id"]].append(asset)
    held = {key: bands_of(of_item) for key, of_item in files.items()}
    names = tuple(bands) if bands else common_bands(held.values()) if held else ()
    if not names:
        raise CubeError(f"The scenes of {collection!r} share no band.", remedy="Name the bands to build.")
    return names, [
        RegionScene(
            scene_of(item, names, held.get(key, {}), files[key]),
            shapely.from_wkb(item["footprint"]),
            item["cloud_cover_pct"],
        )
        for item in items
        for key in [(item["catalog"], item["item_id"])]
    ]


def files_of(scene: Scene) -> list[Band]:
    """The bands of a scene, and what classifies its pixels."""
    return [band for band in (*scene.bands, scene.classification) if band is not None]


def readable(
    scenes: Iterable[RegionScene], names: Sequence[str], access: Access
) -> tuple[list[RegionScene], list[RegionRefusal], dict[str, FileFacts]]:
    """Scenes all of whose files are there and whole, those that are not, and what the files say of themselves.

    Args:
        scenes: candidates.
        names: bands that each must have.
        access: credentials.
    """
    scenes = list(scenes)
    facts = _facts(dict.fromkeys(band.href for entry in scenes for band in files_of(entry.scene)), access)
    whole, refused = [], []
    checksums = Checksums(access)
    checksums.verify(file for entry in scenes if _refusal(entry.scene, names, facts) is None for file in entry.scene.promised)
    for entry in scenes:
        refusal = _refusal(entry.scene, names, facts) or _broken_promise(entry.scene, checksums)
        if refusal is None:
            whole.append(entry)
        else:
            refused.append(refusal)
    return whole, refused, {href: found for href, found in facts.items() if isinstance(found, FileFacts)}


def _refusal(scene: Scene, names: Sequence[str], facts: dict[str, FileFacts | SourceError]) -> RegionRefusal | None:
    if missing := [name for name, band in zip(names, scene.bands, strict=True) if band is None]:
        return RegionRefusal(scene.item_id, None, f"it has no {', '.join(missing)}")
    for band in files_of(scene):
        found = facts[band.href]
        if isinstance(found, SourceError):
            return RegionRefusal(scene.item_id, band.asset_key, found.message)
        if band.number > found.bands:
            return RegionRefusal(scene.item_id, band.asset_key, f"{band.href} has {found.bands} bands, not {band.number}.")
    return None


def _broken_promise(scene: Scene, checksums: Checksums) -> RegionRefusal | None:
    for file in scene.promised:
        try:
            checksums.require([file])
        except SourceError as error:
            return RegionRefusal(scene.item_id, file.asset_key, error.message)
    return None


def _facts(hrefs: Iterable[str], access: Access) -> dict[str, FileFacts | SourceError]:
    headers = read_headers(hrefs, access)
    found: dict[str, FileFacts | SourceError] = {
        href: _of_header(header) for href, header in headers.items() if isinstance(header, RasterHeader)
    }
    # What is no GeoTIFF may be something else that GDAL reads, such as JPEG 2000
    others = [href for href in headers if href not in found]
    with TileReader(access) as reader:
        for href, raster in reader.rasters(others).items():
            is_raster = isinstance(raster, Raster)
            found[href] = FileFacts(raster.grid, raster.bands, raster.dtype, raster.nodata) if is_raster else raster
    return found


def _of_header(header: RasterHeader) -> FileFacts | SourceError:
    if header.truncated:
        return SourceError(
            f"{header.href} is truncated: {header.truncated} of {header.blocks} blocks are not in the file.",
            remedy="Fetch it again.",
        )
    layout = header.layout
    return FileFacts(header.grid, layout.bands, layout.dtype, layout.nodata_value)
