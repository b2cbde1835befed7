"""Scenes on a region's grid, lazily: odc-stac warps what the blocks of a Dask array need, with credentials a file.

A file whose pixels coincide with the grid is copied. Anything else is warped by GDAL, whose approximation of a transform
between CRS is exact to an eighth of a pixel (rasterio's default tolerance).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dask.array as da
import numpy as np
import odc.stac
import pystac
import shapely
from odc.geo.geobox import GeoBox
from odc.loader import RioDriver
from odc.loader._rio import LocalContext, RioReader  # not exported
from odc.loader.types import RasterLoadParams, RasterSource
from rasterio.errors import RasterioError

from dataflows.cubes.pixels.scenes import Band
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.rasters.gdal_access import gdal
from dataflows.cubes.rasters.grid import Grid
from dataflows.cubes.region.scenes import FileFacts, RegionScene
from db.errors import SourceError

# Doubles, where single precision does not hold every number of a type
_WIDE = frozenset(("int32", "uint32", "int64", "uint64", "float64"))

_EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
]


class _Reader(RioReader):
    """Reads one file with its own credentials."""

    def __init__(self, src: RasterSource, ctx: LocalContext, access: Access) -> None:
        super().__init__(src, ctx)
        self._access = access

    def read(
        self, cfg: RasterLoadParams, dst_geobox: GeoBox, *, dst: np.ndarray | None = None, selection: Any = None
    ) -> tuple[tuple[slice, slice], np.ndarray]:
        source, stated = self._src, self._src.meta.nodata if self._src.meta is not None else None
        # As for chips: what the item states counts before what the file does
        cfg = cfg if stated is None else cfg.patch(src_nodata_override=stated)
        try:
            with gdal(source.uri, self._access) as name:
                reader = RioReader(source.patch(uri=name), self._ctx)
                return reader.read(cfg, dst_geobox, dst=dst, selection=selection)
        except RasterioError as error:
            cause = error.__cause__ or error
            raise SourceError(
                f"{source.uri} cannot be read: {str(cause).splitlines()[0]}.", remedy="Fetch it again, or leave it out."
            ) from None


class _Driver(RioDriver):
    """odc-stac's reader of rasters, without its process-wide settings of GDAL."""

    def __init__(self, access: Access) -> None:
        super().__init__()
        self._access = access

    def capture_env(self) -> dict[str, Any]:
        return {}

    @contextmanager
    def restore_env(self, env: dict[str, Any], load_state: Any) -> Iterator[LocalContext]:
        yield load_state.local_ctx(LocalContext)

    def open(self, src: RasterSource, ctx: LocalContext) -> RioReader:
        return _Reader(src, ctx, self._access)


def numbers(
    entry: RegionScene,
    bands: Sequence[Band],
    facts: Mapping[str, FileFacts],
    grid: Grid,
    access: Access,
    *,
    edge: int,
    resampling: str = "nearest",
) -> da.Array:
    """Digital numbers of some bands of a scene on a grid.

    Args:
        entry: scene.
        bands: which of its bands.
        facts: what the files say of themselves.
        grid: the region's.
        access: credentials.
        edge: pixels along an edge of a block.
        resampling: rasterio's name of the method.

    Returns:
        Shape (band, y, x), in floating point that holds every number; NaN where the scene has no value.
    """
    wide = any(facts[band.href].dtype in _WIDE for band in bands)
    dtype = "float64" if wide else "float32"
    return _loaded(entry, bands, facts, grid, access, edge=edge, resampling=resampling, dtype=dtype, nodata=np.nan)


def classes(entry: RegionScene, facts: Mapping[str, FileFacts], grid: Grid, access: Access, *, edge: int) -> da.Array | None:
    """The classification on a grid, nearest neighbour, shape (y, x), 0 outside the scene; ``None`` where it has none."""
    band = entry.scene.classification
    if band is None:
        return None
    dtype = facts[band.href].dtype
    return _loaded(entry, [band], facts, grid, access, edge=edge, resampling="nearest", dtype=dtype, nodata=0)[0]


def _loaded(
    entry: RegionScene,
    bands: Sequence[Band],
    facts: Mapping[str, FileFacts],
    grid: Grid,
    access: Access,
    *,
    edge: int,
    resampling: str,
    dtype: str,
    nodata: float,
) -> da.Array:
    item = pystac.Item(
        entry.scene.item_id,
        shapely.geometry.mapping(entry.footprint),
        list(entry.footprint.bounds),
        entry.scene.taken_at,
        {},
        stac_extensions=_EXTENSIONS,
        collection=entry.scene.collection,
        assets={f"a{index}": _asset(band, facts[band.href]) for index, band in enumerate(bands)},
    )
    names = [f"a{index}.{band.number}" for index, band in enumerate(bands)]
    loaded = odc.stac.load(
        [item],
        bands=names,
        geobox=grid.geobox,
        chunks={"x": edge, "y": edge},
        groupby="id",
        resampling=resampling,
        dtype=dtype,
        nodata=nodata,
        driver=_Driver(access),
    )
    return da.stack([loaded[name].data[0] for name in names])


def _asset(band: Band, facts: FileFacts) -> pystac.Asset:
    stated = {"data_type": facts.dtype} | ({} if band.nodata is None else {"nodata": band.nodata})
    return pystac.Asset(
        band.href,
        media_type=pystac.MediaType.GEOTIFF,
        roles=["data"],
        extra_fields={
            "proj:code": f"EPSG:{facts.grid.epsg}",
            "proj:shape": list(facts.grid.shape),
            "proj:transform": list(facts.grid.transform[:6]),
            "raster:bands": [stated] * facts.bands,
        },
    )
