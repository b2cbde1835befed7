"""What virtual-tiff cannot do yet, in one place, each with the condition under which it may go.

Importing this module makes the corrections, and registers the codecs that readers of virtual cubes need: without virtual-tiff,
zarr raises ``UnknownCodecError``. ``tests/integration/test_virtual_workarounds.py`` fails as soon as one is no longer needed.
"""

from __future__ import annotations

import enum
import math
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import virtual_tiff.codecs
import virtual_tiff.parser
import zarr.codecs
from virtual_tiff.codecs import ChunkyCodec
from virtual_tiff.imagecodecs import FloatPredCodec
from virtualizarr.manifests import ChunkManifest, ManifestArray
from virtualizarr.manifests.manifest import MISSING_CHUNK_PATH
from zarr.abc.codec import Codec
from zarr.codecs import BytesCodec, TransposeCodec

from dataflows.cubes.rasters.access import Access

# They say at every open that imagecodecs' codecs are no part of Zarr's specification; docs/cubes.md says it once
warnings.filterwarnings("ignore", message="Imagecodecs codecs are not in the Zarr version 3 specification")


class Endian(enum.Enum):
    """Byte order, as virtual-tiff expects it of zarr."""

    little = "little"
    big = "big"


def chunk_manifest(
    *, url: str, shape: tuple[int, ...], chunks: tuple[int, ...], offsets: Iterable[int], byte_counts: Iterable[int]
) -> ChunkManifest:
    """References to the blocks of a TIFF; a sparse block has none, so that it reads as nodata.

    Same arguments as the function of virtual-tiff that it stands in for.
    """
    grid = tuple(math.ceil(size / chunk) for size, chunk in zip(shape, chunks, strict=True))
    lengths = np.array(byte_counts, dtype=np.uint64).reshape(grid)
    starts = np.array(offsets, dtype=np.uint64).reshape(grid)
    paths = np.where(lengths > 0, url, MISSING_CHUNK_PATH).astype(np.dtypes.StringDType())
    return ChunkManifest.from_arrays(paths=paths, offsets=np.where(lengths > 0, starts, np.uint64(0)), lengths=lengths)


# zarr 3.3 turned `Endian` into a deprecated class that takes no arguments, and pixel-interleaved files raise TypeError.
# May go when virtual-tiff > 0.5.0 does without it
if not issubclass(virtual_tiff.codecs.Endian, enum.Enum):
    virtual_tiff.codecs.Endian = Endian

# virtual-tiff 0.5.0 gives sparse tiles a reference of no bytes, which VirtualiZarr ≥ 2.8 refuses.
# May go when virtual-tiff > 0.5.0 gives them none
virtual_tiff.parser._construct_chunk_manifest = chunk_manifest


def referenced(url: str, access: Access) -> ManifestArray:
    """References to the blocks of a TIFF's full-resolution image, dimensions (y, x) or (band, y, x).

    Overviews in a flat layout would clash with it: they are left out.

    Raises:
        NotImplementedError: virtual-tiff cannot describe the file.
        ValueError: as NotImplementedError.
    """
    store, path = access.open(url)
    # What VirtualTIFF(ifd=0) calls, which takes a path from the URL as it stands there, percent-encoded
    return virtual_tiff.parser._construct_manifest_group(url, store=store, path=path, ifd=0).arrays["0"]


def codecs_of_scenes(array: ManifestArray) -> list[Codec]:
    """A TIFF's codecs for chunks of one date: dimensions (time, y, x) or (time, band, y, x).

    virtual-tiff makes codecs for one file, and VirtualiZarr puts a dimension before its array without telling them: transposed
    ones then read another axis. Pixels with their bands side by side are a plain transposition in Zarr's own terms, so that no
    reader needs virtual-tiff's codec for them.
    """
    codecs: list[Codec] = []
    for codec in array.metadata.codecs:
        match codec:
            case TransposeCodec():
                codecs.append(TransposeCodec(order=(0, 2, 3, 1)))
            case ChunkyCodec() | BytesCodec():
                order = getattr(codec.endian, "value", codec.endian)
                codecs.append(BytesCodec(endian=None if array.dtype.itemsize == 1 else order))
            case FloatPredCodec():
                codecs.append(FloatPredCodec(dtype=array.dtype.str, shape=(1, *array.metadata.chunks)))
            case _:
                codecs.append(codec)
    return codecs


def split(codecs: Sequence[Codec]) -> tuple[list[Codec], Codec, list[Codec]]:
    """Codecs as ``zarr.create_array`` takes them: filters, serializer, compressors."""
    filters = [codec for codec in codecs if isinstance(codec, zarr.abc.codec.ArrayArrayCodec)]
    (serializer,) = [codec for codec in codecs if isinstance(codec, zarr.abc.codec.ArrayBytesCodec)]
    compressors = [codec for codec in codecs if isinstance(codec, zarr.abc.codec.BytesBytesCodec)]
    return filters, serializer, compressors
