"""What cannot be part of a virtual cube, and why: named, so that the materialising path can take it.

The list of what is allowed is the list of what was compared with rasterio bit for bit
(``tests/integration/test_virtual_exactness.py``); what nobody compared is refused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from dataflows.cubes.rasters.geotiff import Codec, RasterHeader


class Reason(StrEnum):
    """Why a source or a scene is refused; append-only."""

    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    CODEC = "codec"
    SAMPLES = "samples"
    UNEVEN_STRIPS = "uneven_strips"
    LAYOUT = "layout"
    NODATA = "nodata"
    ROTATED = "rotated"
    UNVERIFIABLE = "unverifiable"
    NO_DATETIME = "no_datetime"
    DUPLICATE_TIME = "duplicate_time"
    CHANGED = "changed"
    ABSENT_ASSET = "absent_asset"
    OTHER_GRID = "other_grid"
    CHECKSUM = "checksum"


class Refusal(NamedTuple):
    """One asset of one item that is not in a virtual cube.

    Attributes:
        collection: of the item.
        item_id: of the item.
        asset_key: of the asset.
        href: URL of the raster.
        reason: a stable name.
        detail: what exactly, for people.
    """

    collection: str
    item_id: str
    asset_key: str
    href: str
    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.collection}/{self.item_id} {self.asset_key}: {self.detail} ({self.reason})"


EXACT_CODECS = frozenset(
    {Codec.NONE, Codec.LZW, Codec.DEFLATE, Codec.DEFLATE_OLD, Codec.PACKBITS, Codec.LERC, Codec.LZMA, Codec.ZSTD}
)
EXACT_TYPES = frozenset({"uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64"})

# TIFF tag PhotometricInterpretation: colours that a reader would have to convert
YCBCR, CIELAB = 6, 8


def reason_against(header: RasterHeader) -> tuple[Reason, str] | None:
    """Why a raster cannot be referenced, ``None`` where it can."""
    layout = header.layout
    dtype, floating = layout.dtype, layout.dtype.startswith("float")
    rows = header.grid.shape[0]
    if header.truncated:
        return Reason.TRUNCATED, f"{header.truncated} of {header.blocks} blocks lie beyond the end of the file"
    if layout.codec not in EXACT_CODECS or header.photometric in (YCBCR, CIELAB):
        return Reason.CODEC, f"{_codec_name(layout.codec)} is not decoded exactly"
    if dtype not in EXACT_TYPES or np.dtype(dtype).itemsize * 8 != layout.bits:
        return Reason.SAMPLES, f"samples of {layout.bits} bits ({dtype}) have no exact counterpart"
    if not layout.tiled and rows % layout.block[0]:
        return Reason.UNEVEN_STRIPS, f"{rows} rows are not a multiple of {layout.block[0]} rows a strip"
    if layout.codec == Codec.LERC and floating:
        # imagecodecs drops it without a word: NaN reads as 0
        return Reason.CODEC, "LERC keeps NaN in a mask of its own, which the decoder drops"
    if layout.codec == Codec.LERC and layout.big_endian:
        return Reason.CODEC, "LERC has a byte order of its own"
    if layout.predictor == 3 and (layout.pixel_interleaved or layout.big_endian):
        # In a big-endian file three quarters of the pixels come out wrong, without a word
        return Reason.LAYOUT, "the floating-point predictor is undone only in little-endian bands"
    if layout.predictor not in (1, 2, 3) or header.has_sub_images:
        return Reason.LAYOUT, f"predictor {layout.predictor}" if not header.has_sub_images else "images inside the image"
    if not _is_representable(layout.nodata, dtype):
        return Reason.NODATA, f"nodata {layout.nodata!r} is no {dtype}"
    if not header.grid.is_north_up:
        return Reason.ROTATED, "a rotated grid has no x and y of its own"
    etag = header.source.etag
    if etag is None or etag.startswith("W/"):
        return Reason.UNVERIFIABLE, "its server gives no strong ETag: a changed file would give wrong pixels"
    return None


def _codec_name(codec: int) -> str:
    return Codec(codec).name if codec in Codec else f"TIFF compression {codec}"


def _is_representable(nodata: str | None, dtype: str) -> bool:
    try:
        return nodata is None or np.dtype(dtype).type(nodata) is not None
    except (ValueError, OverflowError):
        return False
