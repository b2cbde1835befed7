"""A lake that lists scenes as staging does, from STAC items without dbt; and regions computed by rasterio and pyproj alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import pystac
import rasterio
import shapely
from affine import Affine
from chip_world import ASSETS

from dataflows.sample import SampleWorld
from db import connect
from db.settings import Settings

ITEMS = pa.schema(
    [
        ("catalog", pa.string()),
        ("collection", pa.string()),
        ("item_id", pa.string()),
        ("version", pa.int32()),
        ("datetime", pa.timestamp("us", "UTC")),
        ("footprint", pa.binary()),
        ("processing_baseline", pa.string()),
        ("boa_offset_applied", pa.bool_()),
        ("cloud_cover_pct", pa.float64()),
    ]
)
# Clear classes of the scene classification, and pixels this far from an edge of theirs are surely taken by GDAL, too
CLEAR = np.array([2, 4, 5, 6, 7])
SURE_PX = 0.13


def sample_items(world: SampleWorld) -> list[pystac.Item]:
    items = sorted(pystac.Catalog.from_file(str(world.catalog)).get_items(recursive=True), key=lambda item: item.datetime)
    for item in items:
        item.make_asset_hrefs_absolute()
    return items


def list_scenes(lake: Settings, items: list[dict[str, Any]], assets: list[dict[str, Any]]) -> None:
    """Replace ``staging.stg_stac_items`` and ``stg_stac_assets`` by these rows."""
    with connect(lake=lake) as con:
        con.register("made_items", pa.Table.from_pylist(items, ITEMS))
        con.register("made_assets", pa.Table.from_pylist(assets, ASSETS))
        con.execute(
            "CREATE OR REPLACE TABLE lake.staging.stg_stac_items AS "
            "SELECT * REPLACE (ST_GeomFromWKB(footprint) AS footprint) FROM made_items"
        )
        con.execute("CREATE OR REPLACE TABLE lake.staging.stg_stac_assets AS SELECT * FROM made_assets")


def list_items(lake: Settings, items: Iterable[pystac.Item], **changed: Any) -> None:
    """The rows of STAC items, as far as regions ask for them; ``changed`` replaces columns of items."""
    item_rows, asset_rows = [], []
    for item in items:
        names = {"catalog": "helia", "collection": item.collection_id, "item_id": item.id, "version": 1}
        more = {
            "datetime": item.datetime,
            "footprint": shapely.to_wkb(shapely.from_geojson(json.dumps(item.geometry))),
            "processing_baseline": item.properties.get("s2:processing_baseline"),
            "cloud_cover_pct": item.properties.get("eo:cloud_cover"),
        }
        item_rows.append({**names, **more, **changed})
        for key, asset in item.assets.items():
            (band,) = asset.extra_fields.get("raster:bands") or asset.extra_fields.get("bands") or [{}]
            facts = {**band, **asset.extra_fields}
            bands = [] if key == "scl" else [key]
            asset_rows.append(
                {
                    **names,
                    "asset_key": key,
                    "href": asset.href,
                    "media_type": asset.media_type,
                    "roles": asset.roles,
                    "bands": bands,
                    "proj_transform": facts.get("proj:transform"),
                    "nodata": facts.get("nodata"),
                    "scale": facts.get("raster:scale", facts.get("scale")),
                    "value_offset": facts.get("raster:offset", facts.get("offset")),
                    "checksum": facts.get("file:checksum"),
                }
            )
    list_scenes(lake, item_rows, asset_rows)


def nearest(href: str, epsg: int, transform: Affine, shape: tuple[int, int], band: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A file's pixels nearest to those of a grid, 0 outside, by pyproj and indexing alone; and where GDAL must agree."""
    with rasterio.open(href) as file:
        values, source, crs = file.read(band), file.transform, file.crs.to_epsg()
    columns, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    x, y = transform.c + columns * transform.a, transform.f + rows * transform.e
    if crs != epsg:
        x, y = pyproj.Transformer.from_crs(epsg, crs, always_xy=True).transform(x, y)
    column, row = (x - source.c) / source.a, (y - source.f) / source.e
    inside = (column >= 0) & (column < values.shape[1]) & (row >= 0) & (row < values.shape[0])
    taken = np.zeros(shape, values.dtype)
    taken[inside] = values[np.floor(row[inside]).astype(int), np.floor(column[inside]).astype(int)]
    from_edge = np.minimum(*(np.abs(each - np.rint(each)) for each in (column, row)))
    return taken, (from_edge > SURE_PX) | (crs == epsg)


def clear_reflectance(item: pystac.Item, band: str, bands: tuple[str, ...], *grid: Any) -> tuple[np.ndarray, np.ndarray]:
    """Reflectance of one scene where all of some bands have a value and the classification is clear, and where that is sure."""
    planes = {key: nearest(item.assets[key].href, *grid) for key in (*bands, "scl")}
    whole = np.all([plane != 0 for key, (plane, _) in planes.items() if key != "scl"], axis=0)
    baseline = item.properties["s2:processing_baseline"]
    offset = -0.1 if baseline >= "04.00" else 0.0
    values = np.where(whole & np.isin(planes["scl"][0], CLEAR), planes[band][0] * 1e-4 + offset, np.nan)
    return values.astype(np.float32), np.all([sure for _, sure in planes.values()], axis=0)


def by_day(items: list[pystac.Item], places: list[int], values: dict[int, np.ndarray]) -> list[np.ndarray]:
    """Of the scenes of a day, the first one (by time and id) that is clear."""
    days: dict[str, np.ndarray] = {}
    for place in sorted(places, key=lambda place: (items[place].datetime, items[place].id)):
        day = f"{items[place].datetime:%Y-%m-%d}"
        days[day] = np.where(np.isnan(days[day]), values[place], days[day]) if day in days else values[place]
    return list(days.values())
