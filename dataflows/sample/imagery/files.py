"""Writes single-band cloud-optimised GeoTIFFs that give the same bytes for the same pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

BLOCK_SIZE = 256

SHA2_256_MULTIHASH = "1220"
"""Code and length of a SHA2-256 digest of 32 bytes (multiformats.io/multihash), as ``file:checksum`` wants it."""


@dataclass(frozen=True)
class Written:
    """A file as it was written: multihash of its bytes in hexadecimal, and how many there are."""

    checksum: str
    size: int


def write_cog(pixels: NDArray[np.uint16] | NDArray[np.uint8], grid: GeoBox, nodata: int, path: Path) -> Written:
    """Write one band: blocks of 256 pixels, Deflate with horizontal differencing.

    Args:
        pixels: of the grid's shape.
        grid: CRS and affine; no side longer than 512 pixels, up to which a cloud-optimised GeoTIFF needs no overviews.
        nodata: value of pixels without data.
        path: the file; its folder exists.
    """
    with rasterio.open(
        path,
        "w",
        driver="COG",
        width=grid.shape[1],
        height=grid.shape[0],
        count=1,
        dtype=pixels.dtype,
        crs=str(grid.crs),
        transform=grid.affine,
        nodata=nodata,
        blocksize=BLOCK_SIZE,
        compress="DEFLATE",
        predictor="STANDARD",
        overviews="NONE",
    ) as target:
        target.write(pixels, 1)
    content = path.read_bytes()
    return Written(SHA2_256_MULTIHASH + hashlib.sha256(content).hexdigest(), len(content))


def truncate(path: Path, share: float = 0.6) -> None:
    """Leave only the first part of a file, as a download that broke off would."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
