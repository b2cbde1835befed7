"""The facts in the header of a GeoTIFF, read without GDAL from file, HTTP and S3 in one or two range requests."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import obstore
from async_geotiff import GeoTIFF
from async_tiff import TIFF, ImageFileDirectory
from async_tiff.enums import Endianness, PlanarConfiguration, SampleFormat
from obstore.exceptions import BaseError
from pyproj.exceptions import CRSError

from dataflows.cubes.rasters.access import Access, absolute
from dataflows.cubes.rasters.grid import Grid
from db.errors import CubeError, SourceError

log = logging.getLogger(__name__)

WORKERS = 16


class Codec(IntEnum):
    """Values of the TIFF tag Compression (TIFF 6.0, and the registry of libtiff's ``tiff.h``)."""

    NONE = 1
    LZW = 5
    JPEG = 7
    DEFLATE = 8
    PACKBITS = 32773
    DEFLATE_OLD = 32946
    JPEG2000_APERIO_YCC = 33003
    JPEG2000_APERIO_RGB = 33005
    JPEG2000 = 34712
    LERC = 34887
    LZMA = 34925
    ZSTD = 50000
    WEBP = 50001
    JPEG_XL = 50002


# Additional compression inside LERC: second value of the tag LercParameters
LERC_PLAIN = 0

_KINDS = {SampleFormat.Uint: "uint", SampleFormat.Int: "int", SampleFormat.Float: "float"}


@dataclass(frozen=True)
class SourceVersion:
    """What tells one content of a URL from another.

    Attributes:
        size: bytes.
        etag: as the store gives it; for local files it is made of inode, time and size.
        modified: time of the last change, aware.
    """

    size: int
    etag: str | None
    modified: datetime | None


@dataclass(frozen=True)
class Layout:
    """How pixels are stored: files whose layouts are equal can be chunks of one array.

    Attributes:
        dtype: NumPy's name of the type that holds a sample, such as ``uint16``.
        bits: per sample; less than the type's where samples are packed.
        big_endian: byte order of the file.
        block: rows and columns of a tile or strip.
        tiled: tiles rather than strips.
        codec: TIFF tag Compression: a :class:`Codec`, or the number of one that we do not know.
        lerc_additional: second compression inside LERC, else 0.
        predictor: 1 none, 2 horizontal differences, 3 floating point.
        bands: samples per pixel.
        pixel_interleaved: a block holds all bands.
        nodata: as text of the file; ``None`` where it states none.
    """

    dtype: str
    bits: int
    big_endian: bool
    block: tuple[int, int]
    tiled: bool
    codec: int
    lerc_additional: int
    predictor: int
    bands: int
    pixel_interleaved: bool
    nodata: str | None

    @property
    def nodata_value(self) -> float | None:
        """Nodata as a number, ``None`` where the file states none or states no number."""
        try:
            return None if self.nodata is None else float(self.nodata)
        except ValueError:
            return None

    def disagreement(self, other: Layout) -> str | None:
        """What differs from another layout, ``None`` where nothing does."""
        differing = [
            f"{name} {ours!r} is not {theirs!r}" for name, ours in vars(self).items() if (theirs := vars(other)[name]) != ours
        ]
        return "; ".join(differing) or None


@dataclass(frozen=True)
class RasterHeader:
    """A GeoTIFF's full-resolution image; overviews and masks are not part of it.

    Attributes:
        href: absolute URL.
        grid: CRS, transform, shape.
        layout: how pixels are stored.
        blocks: number of tiles or strips, of all bands.
        sparse_blocks: those of them that are not stored and mean nodata, or 0 where there is none.
        photometric: TIFF tag PhotometricInterpretation.
        truncated: blocks that begin or end beyond the end of the file.
        has_mask: there is an internal mask.
        has_sub_images: there are images inside the image (SubIFDs).
        scales: one a band, multiplied with stored values; GDAL's metadata.
        offsets: one a band, added after scaling; GDAL's metadata.
        source: which content of the URL this was.
    """

    href: str
    grid: Grid
    layout: Layout
    blocks: int
    sparse_blocks: int
    truncated: int
    photometric: int
    has_mask: bool
    has_sub_images: bool
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    source: SourceVersion


async def read_header(href: str, access: Access) -> RasterHeader:
    """Header of one GeoTIFF.

    Raises:
        SourceError: the file is missing, unreachable, no GeoTIFF, or has no CRS with an EPSG code.
    """
    url = absolute(href)
    try:
        store, path = access.open(url)
        found = await obstore.head_async(store, path)
        tiff = await TIFF.open(path, store=store)
        with warnings.catch_warnings():
            # Strips are read here, only not by async-geotiff's own reader
            warnings.filterwarnings("ignore", message="Striped GeoTIFFs")
            geotiff = GeoTIFF(tiff)
        source = SourceVersion(int(found["size"]), found["e_tag"], found["last_modified"])
        return _header(url, geotiff, source)
    except FileNotFoundError:
        raise SourceError(f"{url} is missing.", remedy="Fetch it, or leave the item out.") from None
    except Exception as error:
        if isinstance(error, CubeError) or not _is_unreadable(error):
            raise
        reason = str(error).split("\n", 1)[0][:200]
        raise SourceError(f"{url} cannot be read as a GeoTIFF: {reason}.", remedy="Fetch it again, or leave it out.") from None


def read_headers(hrefs: Iterable[str], access: Access, *, workers: int = WORKERS) -> dict[str, RasterHeader | SourceError]:
    """Headers of many GeoTIFFs, several at a time; a file that cannot be read has the error in its place.

    Args:
        hrefs: URLs or paths; each is read once.
        access: credentials.
        workers: files read at the same time.

    Returns:
        ``href`` as given → header or error, in the order of first appearance.
    """

    def header(href: str) -> RasterHeader | SourceError:
        try:
            # A thread has no event loop yet, whatever the caller (a notebook, say) runs in
            return asyncio.run(read_header(href, access))
        except SourceError as error:
            return error

    wanted = list(dict.fromkeys(hrefs))
    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(wanted)))) as pool:
        return dict(zip(wanted, pool.map(header, wanted), strict=True))


def _is_unreadable(error: Exception) -> bool:
    # async-tiff's own exception cannot be imported from anywhere
    known = isinstance(error, BaseError | ValueError | CRSError | OSError)
    return known or type(error).__qualname__ == "AsyncTiffException"


def _header(url: str, geotiff: GeoTIFF, source: SourceVersion) -> RasterHeader:
    ifd = geotiff.ifd
    if ifd.model_tiepoint is not None and (len(ifd.model_tiepoint) > 6 or any(ifd.model_tiepoint[:2])):
        raise SourceError(
            f"{url} is placed by ground control points.", remedy="Warp it first: a cube needs an affine transform."
        )
    epsg = geotiff.crs.to_epsg()
    if epsg is None:
        raise SourceError(
            f"{url}: its CRS {geotiff.crs.name!r} has no EPSG code.", remedy="Warp it first: groups are named by code."
        )
    offsets, counts = _blocks(ifd)
    if not offsets or len(offsets) != len(counts):
        raise SourceError(f"{url} does not say where its blocks are.", remedy="Write it again with GDAL.")
    stored = [(start, count) for start, count in zip(offsets, counts, strict=True) if count > 0]
    transform = geotiff.transform
    return RasterHeader(
        href=url,
        grid=Grid.of(epsg, transform[:6], (ifd.image_height, ifd.image_width)),
        layout=_layout(geotiff.tiff, ifd),
        blocks=len(offsets),
        sparse_blocks=len(offsets) - len(stored),
        truncated=sum(start + count > source.size for start, count in stored),
        photometric=int(ifd.photometric_interpretation),
        has_mask=geotiff.mask_ifd is not None,
        has_sub_images=330 in ifd.other_tags,
        scales=tuple(geotiff.scales),
        offsets=tuple(geotiff.offsets),
        source=source,
    )


def _blocks(ifd: ImageFileDirectory) -> tuple[list[int], list[int]]:
    if ifd.tile_width is not None:
        return ifd.tile_offsets or [], ifd.tile_byte_counts or []
    return ifd.strip_offsets or [], ifd.strip_byte_counts or []


def _layout(tiff: TIFF, ifd: ImageFileDirectory) -> Layout:
    formats, bits = set(ifd.sample_format), set(ifd.bits_per_sample)
    tiled = ifd.tile_width is not None
    if tiled:
        block = (int(ifd.tile_height or 0), int(ifd.tile_width or 0))
    else:
        block = (min(ifd.rows_per_strip or ifd.image_height, ifd.image_height), ifd.image_width)
    return Layout(
        dtype=_dtype(formats, bits),
        bits=max(bits),
        big_endian=tiff.endianness == Endianness.BigEndian,
        block=block,
        tiled=tiled,
        codec=int(ifd.compression),
        lerc_additional=(ifd.lerc_parameters or [0, LERC_PLAIN])[1],
        predictor=int(ifd.predictor or 1),
        bands=ifd.samples_per_pixel,
        pixel_interleaved=ifd.planar_configuration == PlanarConfiguration.Chunky and ifd.samples_per_pixel > 1,
        nodata=None if ifd.gdal_nodata is None else ifd.gdal_nodata.strip(" \0"),
    )


def _dtype(formats: set[SampleFormat], bits: set[int]) -> str:
    if len(formats) != 1 or len(bits) != 1:
        return "mixed"
    (kind,), (size,) = formats, bits
    held = next((whole for whole in (8, 16, 32, 64) if size <= whole), None)
    # Complex samples have formats that async-tiff does not name
    return f"{_KINDS[kind]}{held}" if kind in _KINDS and held else f"format {int(kind)}"
