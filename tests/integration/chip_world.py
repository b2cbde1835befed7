"""A small Earth for chips: scenes written by rasterio, installations on them, and the plan that a lake would give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import rasterio
import shapely
import xarray as xr
from affine import Affine
from rasterio.warp import Resampling, reproject
from rasterio.windows import Window

from dataflows.cubes.chip.plan import ChipPlan
from dataflows.cubes.repository import store
from db.settings import Settings

EPSG = 32633
WEST, NORTH = 500_000.0, 5_000_000.0
ROWS, COLUMNS = 260, 300
COLLECTION = "made-l2a"
BANDS = ("red", "nir", "swir16")

INSTALLATIONS = pa.schema(
    [
        ("installation_id", pa.string()),
        ("geometry", pa.binary()),
        ("h3_r8", pa.uint64()),
        ("area_m2", pa.float64()),
        ("capacity_mw", pa.float64()),
    ]
)
SCENES = pa.schema(
    [
        ("installation_id", pa.string()),
        ("catalog", pa.string()),
        ("collection", pa.string()),
        ("item_id", pa.string()),
        ("version", pa.int32()),
        ("period", pa.date32()),
        ("rank", pa.int32()),
        ("datetime", pa.timestamp("us", "UTC")),
        ("epsg", pa.int32()),
        ("processing_baseline", pa.string()),
        ("boa_offset_applied", pa.bool_()),
    ]
)
ASSETS = pa.schema(
    [
        ("catalog", pa.string()),
        ("collection", pa.string()),
        ("item_id", pa.string()),
        ("version", pa.int32()),
        ("asset_key", pa.string()),
        ("href", pa.string()),
        ("media_type", pa.string()),
        ("roles", pa.list_(pa.string())),
        ("bands", pa.list_(pa.string())),
        ("gsd_m", pa.float64()),
        ("proj_transform", pa.list_(pa.float64())),
        ("nodata", pa.float64()),
        ("scale", pa.float64()),
        ("value_offset", pa.float64()),
        ("checksum", pa.string()),
    ]
)


def metres(shape: shapely.Geometry, epsg: int = EPSG) -> shapely.Geometry:
    """A geometry given in metres east and south of the scenes' corner, in EPSG:4326."""
    to = pyproj.Transformer.from_crs(epsg, 4326, always_xy=True)
    return shapely.transform(
        shape, lambda xy: np.stack(to.transform(WEST + xy[:, 0], NORTH - xy[:, 1]), axis=1), include_z=False
    )


def square(x: float, y: float, edge: float = 200.0) -> shapely.Geometry:
    """A site of so many metres, its centre so many metres east and south of the scenes' corner."""
    return metres(shapely.box(x - edge / 2, y - edge / 2, x + edge / 2, y + edge / 2))


@dataclass(frozen=True)
class Asset:
    """One file: its content as it was written, and what its item says about it."""

    key: str
    href: str
    bands: tuple[str, ...]
    transform: Affine
    nodata: float | None = 0
    roles: tuple[str, ...] = ("data",)
    scale: float | None = 1e-4
    offset: float | None = 0.0
    checksum: str | None = None


@dataclass(frozen=True)
class Item:
    """One scene."""

    item_id: str
    taken_at: datetime
    assets: tuple[Asset, ...]
    rank: int = 1
    version: int = 1
    epsg: int = EPSG
    collection: str = COLLECTION
    baseline: str | None = None


@dataclass
class World:
    """Scenes and installations below a folder."""

    folder: Path
    sites: dict[str, shapely.Geometry] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    around: dict[str, shapely.Geometry] = field(default_factory=dict)

    def scene(self, month: int, *, day: int = 5, shift: tuple[float, float] = (0, 0), scl: bool = True, **facts: Any) -> Item:
        """Write and add a scene of 2025: 10 m red and nir, 20 m swir16 and scl, random numbers with holes of nodata."""
        item_id = facts.pop("item_id", f"S{month:02d}{day:02d}")
        crs = f"EPSG:{facts.get('epsg', EPSG)}"
        rng = np.random.default_rng(month * 100 + day)
        made = []
        for name in BANDS:
            step = 20 if name == "swir16" else 10
            shape = (ROWS * 10 // step, COLUMNS * 10 // step)
            values = rng.integers(1, 10_000, shape, dtype=np.uint16)
            values[shape[0] // 2 : shape[0] // 2 + 7, : shape[1] // 3] = 0
            made.append(self.asset(f"{item_id}/{name}.tif", name, values, step, shift, crs=crs))
        if scl:
            classes = rng.choice(np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], np.uint8), (ROWS // 2, COLUMNS // 2))
            made.append(replace(self.asset(f"{item_id}/scl.tif", "scl", classes, 20, shift, crs=crs), bands=(), scale=None))
        item = Item(item_id, datetime(2025, month, day, 10, 30, 15, 250_000, tzinfo=UTC), tuple(made), **facts)
        self.items.append(item)
        return item

    def asset(
        self, name: str, key: str, values: np.ndarray, step: float, shift: tuple[float, float] = (0, 0), **profile: Any
    ) -> Asset:
        """Write one file by rasterio."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        transform = Affine(step, 0, WEST + shift[0], 0, -step, NORTH + shift[1])
        bands = values if values.ndim == 3 else values[None]
        described = {
            "driver": "GTiff",
            "count": bands.shape[0],
            "height": bands.shape[1],
            "width": bands.shape[2],
            "dtype": bands.dtype,
            "crs": f"EPSG:{EPSG}",
            "transform": transform,
            "tiled": True,
            "blockxsize": 64,
            "blockysize": 64,
            "compress": "deflate",
            "nodata": 0,
            **profile,
        }
        with rasterio.open(path, "w", **described) as file:
            file.write(bands)
        return Asset(key, str(path), (key,), transform, nodata=described["nodata"])

    def plan(self, items: Iterable[Item] | None = None) -> ChipPlan:
        """Every installation with every item."""
        items = list(self.items if items is None else items)
        everything = {**self.sites, **self.around}
        installations = [
            {
                "installation_id": name,
                "geometry": shapely.to_wkb(shape),
                "h3_r8": index + 1,
                "area_m2": None,
                "capacity_mw": None,
            }
            for index, (name, shape) in enumerate(everything.items())
        ]
        scenes = [
            {
                "installation_id": name,
                "catalog": "made",
                "collection": item.collection,
                "item_id": item.item_id,
                "version": item.version,
                "period": date(item.taken_at.year, item.taken_at.month, 1),
                "rank": item.rank,
                "datetime": item.taken_at,
                "epsg": item.epsg,
                "processing_baseline": item.baseline,
                "boa_offset_applied": None,
            }
            for name in self.sites
            for item in items
        ]
        assets = [
            {
                "catalog": "made",
                "collection": item.collection,
                "item_id": item.item_id,
                "version": item.version,
                "asset_key": asset.key,
                "href": asset.href,
                "media_type": "image/tiff; application=geotiff",
                "roles": list(asset.roles),
                "bands": list(asset.bands),
                "gsd_m": abs(asset.transform.a),
                "proj_transform": list(asset.transform[:6]),
                "nodata": asset.nodata,
                "scale": asset.scale,
                "value_offset": asset.offset,
                "checksum": asset.checksum,
            }
            for item in items
            for asset in item.assets
        ]
        return ChipPlan(
            pa.Table.from_pylist(installations, INSTALLATIONS),
            pa.Table.from_pylist(scenes, SCENES),
            pa.Table.from_pylist(assets, ASSETS),
        )


def opened(lake: Settings, path: str = f"{COLLECTION}/epsg-{EPSG}") -> xr.Dataset:
    """A group of chips as a user opens it, loaded."""
    session = store.open_readonly("chips", lake=lake)
    return xr.open_zarr(session.store, group=path, consolidated=False, chunks=None).load()


def by_rasterio(href: str, transform: np.ndarray, size: int, fill: float = 0) -> np.ndarray:
    """A window of a file whose pixels coincide with the chip's, opened for this chip alone."""
    with rasterio.open(href) as file:
        column, row = ~file.transform @ (transform[2], transform[5])
        window = Window(round(column), round(row), size, size)
        return file.read(1, window=window, boundless=True, fill_value=fill)


def warped(href: str, transform: np.ndarray, size: int, band: int = 1) -> np.ndarray:
    """A file on the chip's grid by GDAL's warper, nearest neighbour."""
    out = np.zeros((size, size), np.uint16)
    with rasterio.open(href) as file:
        reproject(
            rasterio.band(file, band),
            out,
            dst_transform=Affine(*transform),
            dst_crs=file.crs,
            resampling=Resampling.nearest,
            src_nodata=None,
        )
    return out.astype(file.dtypes[0])
