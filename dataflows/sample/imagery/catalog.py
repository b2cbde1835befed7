"""The static STAC catalog of the sample's scenes, as a provider of Sentinel-2 Level-2A would publish it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import pystac
import shapely
from odc.geo.geobox import GeoBox

from dataflows.sample.imagery.files import Written
from dataflows.sample.imagery.passes import COLLECTION, PASSES
from dataflows.sample.imagery.scene import NODATA, SCALE, Scene
from dataflows.sample.imagery.sky import NO_DATA
from dataflows.sample.region import COUNTRY_NAME

CATALOG_FILE = "catalog.json"

EXTENSIONS = [
    "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/view/v1.0.0/schema.json",
]

BANDS = {
    "blue": ("B02", 0.490),
    "green": ("B03", 0.560),
    "red": ("B04", 0.665),
    "nir": ("B08", 0.842),
    "swir16": ("B11", 1.610),
}
"""Common name → Sentinel-2's name of the band and its central wavelength in µm."""

SCL = "scl"
PUBLISHED_AT = datetime(2025, 11, 20, tzinfo=UTC)


def scene_id(scene: Scene) -> str:
    """Id of its item."""
    return f"HELIA_T{scene.tile.zone}_{scene.flight.day}"


def asset_file(asset: str) -> str:
    """Name of an asset's file: the band's, or that of the classification."""
    return f"{BANDS[asset][0] if asset in BANDS else 'SCL'}.tif"


def item_of(scene: Scene, files: Mapping[str, Written]) -> pystac.Item:
    """The STAC 1.1 item of a scene, its assets beside it.

    Args:
        scene: what was recorded.
        files: asset key → the file as it was written.
    """
    footprint = gpd.GeoSeries([scene.footprint], crs=scene.tile.epsg).to_crs("EPSG:4326").iloc[0]
    footprint = shapely.orient_polygons(shapely.set_precision(footprint, 1e-7))
    item = pystac.Item(
        id=scene_id(scene),
        geometry=shapely.geometry.mapping(footprint),
        bbox=list(footprint.bounds),
        datetime=scene.flight.datetime,
        collection=COLLECTION,
        stac_extensions=EXTENSIONS,
        properties={
            "created": pystac.utils.datetime_to_str(PUBLISHED_AT),
            "updated": pystac.utils.datetime_to_str(PUBLISHED_AT),
            "platform": "helios-2a",
            "constellation": "helios-2",
            "instruments": ["msi"],
            "gsd": scene.tile.fine.resolution.x,
            "eo:cloud_cover": round(scene.cloud_cover_pct, 6),
            "grid:code": f"HELIA-T{scene.tile.zone}",
            "proj:code": f"EPSG:{scene.tile.epsg}",
            "s2:nodata_pixel_percentage": round(scene.nodata_pct, 6),
            "s2:processing_baseline": scene.flight.baseline,
            "view:off_nadir": scene.flight.off_nadir_deg,
            "view:sun_azimuth": round(scene.sun.azimuth_deg, 3),
            "view:sun_elevation": round(scene.sun.elevation_deg, 3),
        },
    )
    for key, written in files.items():
        item.add_asset(key, _classification(scene, written) if key == SCL else _reflectance(scene, key, written))
    return item


def _reflectance(scene: Scene, key: str, written: Written) -> pystac.Asset:
    name, wavelength_um = BANDS[key]
    return pystac.Asset(
        href=f"./{asset_file(key)}",
        title=f"{name} ({key}), 10 m",
        media_type=pystac.MediaType.COG,
        roles=["data", "reflectance"],
        extra_fields={
            **_placement(scene.tile.fine, written),
            "data_type": "uint16",
            "nodata": NODATA,
            "bands": [{"name": name, "eo:common_name": key, "eo:center_wavelength": wavelength_um}],
            "raster:scale": SCALE,
            "raster:offset": -scene.flight.offset_dn * SCALE,
        },
    )


def _classification(scene: Scene, written: Written) -> pystac.Asset:
    return pystac.Asset(
        href=f"./{asset_file(SCL)}",
        title="Scene classification, 20 m",
        media_type=pystac.MediaType.COG,
        roles=["data", "cloud", "cloud-shadow"],
        extra_fields={
            **_placement(scene.tile.coarse, written),
            "data_type": "uint8",
            "nodata": NO_DATA,
            "bands": [{"name": "SCL"}],
        },
    )


def _placement(grid: GeoBox, written: Written) -> dict[str, object]:
    return {
        "gsd": grid.resolution.x,
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.affine)[:6],
        "file:checksum": written.checksum,
        "file:size": written.size,
    }


def write_catalog(items: list[pystac.Item], folder: Path) -> Path:
    """Write a catalog with one collection, every link relative: ``catalog.json``, ``<collection>/…``, ``<item>/<item>.json``.

    Args:
        items: of one collection.
        folder: takes ``catalog.json``.

    Returns:
        The catalog's path.
    """
    bounds = shapely.total_bounds([shapely.box(*item.bbox) for item in items]).round(7).tolist()
    collection = pystac.Collection(
        id=COLLECTION,
        title=f"{COUNTRY_NAME}: surface reflectance (imagined sample)",
        description="Imagined scenes in the form of Sentinel-2 Level-2A. Generated by eopv sample.",
        license="CC0-1.0",
        keywords=["imagined", "sample"],
        extent=pystac.Extent(
            pystac.SpatialExtent([bounds]),
            pystac.TemporalExtent([[PASSES[0].datetime, PASSES[-1].datetime]]),
        ),
    )
    collection.add_items(items)
    catalog = pystac.Catalog(
        id="helia",
        title=f"Imagery of {COUNTRY_NAME} (imagined sample)",
        description=f"What an imagined satellite sees of {COUNTRY_NAME} within {bounds} degrees. Generated by eopv sample.",
    )
    catalog.add_child(collection)
    catalog.normalize_and_save(str(folder), pystac.CatalogType.SELF_CONTAINED)
    return folder / CATALOG_FILE
