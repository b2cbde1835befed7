"""Pixels of GeoTIFFs around places, read window by window."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from dataflows.raw.crs import is_geographic
from db.errors import CrsError, ReadError
from ingest.acquire import AcquiredFile
from ingest.context_manifest import RasterVariable

log = logging.getLogger(__name__)

AROUND = 1
"""Pixels on every side of the one that holds a place: the nearest with a value may be beside it, at a coast."""

SCHEMA = pa.schema(
    [
        ("variable", pa.string()),
        ("value", pa.float64()),
        ("unit", pa.string()),
        ("period", pa.string()),
        ("per_year", pa.float64()),
        ("lon_deg", pa.float64()),
        ("lat_deg", pa.float64()),
        ("pixel_width_deg", pa.float64()),
        ("pixel_height_deg", pa.float64()),
        ("source_file", pa.string()),
        ("source_sha256", pa.string()),
        ("source_row", pa.int64()),
    ]
)


def pixels(file: AcquiredFile, variable: RasterVariable, places: np.ndarray) -> pa.Table:
    """The pixels that hold a place or are next to one that does, those without a value left out.

    Args:
        file: a GeoTIFF of one band in a geographic CRS on WGS 84.
        variable: what it holds.
        places: float64 (n, 2): longitude and latitude in degrees.

    Returns:
        A row a pixel as in ``SCHEMA``: value as published (scale and offset of the band applied), its unit, the factor to one
        of a year, the pixel's centre and size in degrees; ``source_row`` is the pixel's 0-based position, row by row.

    Raises:
        ReadError: GDAL cannot read it.
        CrsError: its CRS is not geographic, or it has none.
    """
    try:
        with rasterio.open(file.path) as raster:
            if raster.crs is None or not is_geographic(raster.crs.to_wkt()) or raster.transform.b or raster.transform.d:
                raise CrsError(
                    f"{file.name} is not in longitude and latitude, north up.",
                    remedy="Warp it to EPSG:4326 in a mirror.",
                )
            rows, columns = _wanted(raster, places)
            values = np.full(len(rows), np.nan)
            read = 0
            for window, inside in _windows(raster, rows, columns):
                block = raster.read(1, window=window, masked=True).astype(np.float64).filled(np.nan)
                values[inside] = block[rows[inside] - window.row_off, columns[inside] - window.col_off]
                read += block.size
            values = values * raster.scales[0] + raster.offsets[0]
            lon, lat = raster.transform @ (columns + 0.5, rows + 0.5)
            width, height = abs(raster.transform.a), abs(raster.transform.e)
            log.info("%s: %d pixels around PV, read %d of %d", file.name, len(rows), read, raster.width * raster.height)
            position = rows.astype(np.int64) * raster.width + columns
    except RasterioError as error:
        raise ReadError(f"{file.name} cannot be read: {str(error).rstrip('.')}.", remedy="Fetch it again.") from error
    there = np.isfinite(values)
    constants = {
        "variable": variable.name,
        "unit": variable.unit,
        "period": variable.period,
        "per_year": variable.per_year,
        "pixel_width_deg": width,
        "pixel_height_deg": height,
        "source_file": file.name,
        "source_sha256": file.sha256,
    }
    own = {"value": values[there], "lon_deg": lon[there], "lat_deg": lat[there], "source_row": position[there]}
    count = int(there.sum())
    arrays = [
        pa.array(own[field.name], field.type)
        if field.name in own
        else pa.repeat(pa.scalar(constants[field.name], field.type), count)
        for field in SCHEMA
    ]
    return pa.table(arrays, schema=SCHEMA)


def _wanted(raster: rasterio.DatasetReader, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels around places, each once, row by row; a raster around the world has no eastern edge."""
    columns, rows = ~raster.transform @ (places[:, 0], places[:, 1])
    columns, rows = np.floor(columns).astype(np.int64), np.floor(rows).astype(np.int64)
    steps = np.arange(-AROUND, AROUND + 1)
    rows = (rows[:, None, None] + steps[None, :, None] + 0 * steps[None, None, :]).ravel()
    columns = (columns[:, None, None] + 0 * steps[None, :, None] + steps[None, None, :]).ravel()
    if np.isclose(raster.width * abs(raster.transform.a), 360.0):
        columns %= raster.width
    inside = (rows >= 0) & (rows < raster.height) & (columns >= 0) & (columns < raster.width)
    chosen = np.unique(rows[inside] * raster.width + columns[inside])
    return chosen // raster.width, chosen % raster.width


def _windows(raster: rasterio.DatasetReader, rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[Window, np.ndarray]]:
    """For each block of the file that holds a wanted pixel: the window of these pixels, and which they are."""
    height, width = raster.block_shapes[0]
    blocks_across = -(-raster.width // width)
    block = (rows // height) * blocks_across + columns // width
    order = np.argsort(block, kind="stable")
    starts = np.flatnonzero(np.diff(block[order], prepend=-1))
    for inside in np.split(order, starts[1:]) if len(order) else ():
        top, left = int(rows[inside].min()), int(columns[inside].min())
        extent = int(rows[inside].max()) - top + 1, int(columns[inside].max()) - left + 1
        yield Window(left, top, extent[1], extent[0]), inside
