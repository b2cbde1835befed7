"""Virtual cubes equal rasterio bit for bit, over file and HTTP; what would not is refused by name.

Over S3, see ``test_cube_store.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from range_server import RangeServer
from rasters import COLUMNS, ROWS, TILES, pixels, read_raster, scene, write_raster
from virtual_comparison import compared, few, on_files

from dataflows.cubes import open_virtual
from dataflows.cubes.references.refusals import Reason
from dataflows.cubes.virtual import build_virtual

pytestmark = pytest.mark.filterwarnings("ignore:Imagecodecs codecs")

CODECS = (None, "deflate", "lzw", "zstd", "lzma", "packbits", "lerc", "lerc_deflate", "lerc_zstd")
TYPES = ("uint8", "uint16", "int16", "int32", "uint32", "float16", "float32", "float64")
LAYOUTS = ((1, "band"), (3, "band"), (3, "pixel"))


def matrix() -> Iterator[tuple[str, dict]]:
    """Every codec, predictor, type and interleaving that GDAL writes and we claim to read."""
    for codec, dtype, (bands, interleaving), big in itertools.product(CODECS, TYPES, LAYOUTS, (False, True)):
        floating = dtype.startswith("float")
        lerc = codec is not None and codec.startswith("lerc")
        if lerc and (floating or big):
            continue
        # The byte order is no matter of the codec, nor the second compression inside LERC one of the type
        if (big and codec not in (None, "deflate")) or (codec in ("lerc_deflate", "lerc_zstd") and dtype != "int16"):
            continue
        for predictor in (1, 2, 3) if codec in ("deflate", "lzw", "zstd") else (1,):
            if predictor == 3 and (dtype not in ("float32", "float64") or interleaving == "pixel" or big):
                continue
            profile = {"interleave": interleaving, **({"compress": codec} if codec else {})}
            profile |= {"predictor": predictor} if predictor > 1 else {}
            profile |= {"endianness": "big"} if big else {}
            name = f"{codec}-{dtype}-predictor{predictor}-{bands}{interleaving}{'-big' if big else ''}"
            yield name, {"dtype": dtype, "bands": bands, **profile}


def special() -> Iterator[tuple[str, np.ndarray, dict]]:
    """Layouts beside the matrix: name, pixels, profile."""
    values = pixels("uint16", 3)
    yield "bigtiff", values, {"bigtiff": "YES", "compress": "deflate", "predictor": 2}
    yield "one-strip", values, {"tiled": False, "blockysize": ROWS}
    yield "even-strips", values, {"tiled": False, "blockysize": 15, "compress": "deflate", "predictor": 2}
    yield "even-strips-by-pixel", values, {"tiled": False, "blockysize": 15, "compress": "lzw", "interleave": "pixel"}
    yield "tile-larger-than-image", values, {"blockxsize": 512, "blockysize": 512, "compress": "zstd"}
    for nodata in (0, 7):
        sparse = np.where(values == nodata, 9, values)
        sparse[:, 64:128, 64:], sparse[:, :64, :64] = nodata, nodata
        for interleaving in ("band", "pixel"):
            profile = {"sparse_ok": "TRUE", "nodata": nodata, "compress": "deflate", "interleave": interleaving}
            yield f"sparse-{nodata}-{interleaving}", sparse, profile
    yield "sparse-all", np.full_like(values, 7), {"sparse_ok": "TRUE", "nodata": 7, "compress": "deflate"}
    yield "nodata-nan", np.where(pixels("float32") > 500, np.nan, pixels("float32")), {"nodata": np.nan, "compress": "deflate"}
    yield "name with space #1 100%", values, {}


def test_every_codec_predictor_type_and_interleaving_on_files(home, tmp_path):
    paths = []
    for name, profile in matrix():
        values = pixels(profile.pop("dtype"), profile.pop("bands"))
        paths.append(write_raster(tmp_path / f"{name}.tif", values, **profile))
    assert len(paths) > 200
    assert on_files(home, paths) == []


def test_special_layouts_on_files(home, tmp_path):
    paths = [write_raster(tmp_path / f"{name}.tif", values, **profile) for name, values, profile in special()]
    assert on_files(home, paths) == []


def test_internal_masks_and_overviews_leave_pixels_alone(home, tmp_path):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        masked = write_raster(tmp_path / "masked.tif", pixels(), compress="deflate")
        with rasterio.open(masked, "r+") as file:
            file.write_mask(pixels("uint8")[0] > 100)
    cog = tmp_path / "cog.tif"
    rasterio.shutil.copy(
        write_raster(tmp_path / "plain.tif", pixels("uint16", 4, shape=(600, 700)), photometric="rgb"),
        cog,
        driver="COG",
        compress="deflate",
        predictor="YES",
        blocksize=128,
    )
    with rasterio.open(cog) as file:
        assert file.overviews(1)
    assert on_files(home, [masked, cog]) == []


def test_over_http(home, tmp_path):
    paths = few(tmp_path / "served")
    with RangeServer(tmp_path / "served") as server:
        hrefs = {path.stem: f"{server.url}/{path.name}" for path in paths}
        assert compared(home, hrefs, {path.stem: path for path in paths}) == []


REFUSED = {
    "jpeg": (pixels("uint8", 3), {"compress": "jpeg", "interleave": "pixel", "photometric": "ycbcr"}, Reason.CODEC),
    "jpeg-grey": (pixels("uint8"), {"compress": "jpeg"}, Reason.CODEC),
    "webp": (pixels("uint8", 3), {"compress": "webp", "interleave": "pixel", "WEBP_LOSSLESS": "YES"}, Reason.CODEC),
    "twelve-bit": (pixels("uint16") % 4096, {"nbits": 12}, Reason.SAMPLES),
    "one-bit": (pixels("uint8") % 2, {"nbits": 1}, Reason.SAMPLES),
    "int64": (pixels("int64"), {}, Reason.SAMPLES),
    "uint64": (pixels("uint64"), {}, Reason.SAMPLES),
    "complex": (pixels("float32").astype("complex64"), {}, Reason.SAMPLES),
    "uneven-strips": (pixels(), {"tiled": False, "blockysize": 16}, Reason.UNEVEN_STRIPS),
    "lerc-float": (pixels("float32"), {"compress": "lerc"}, Reason.CODEC),
    "lerc-big-endian": (pixels("uint16"), {"compress": "lerc", "endianness": "big"}, Reason.CODEC),
    "float-predictor-big-endian": (
        pixels("float32"),
        {"compress": "deflate", "predictor": 3, "endianness": "big"},
        Reason.LAYOUT,
    ),
    "float-predictor-by-pixel": (
        pixels("float32", 3),
        {"compress": "deflate", "predictor": 3, "interleave": "pixel"},
        Reason.LAYOUT,
    ),
    "rotated": (pixels(), {"transform": rasterio.Affine(10, 1, 4e5, 1, -10, 4.4e6)}, Reason.ROTATED),
    "no-crs": (pixels(), {"crs": None}, Reason.UNREADABLE),
    "no-epsg": (pixels(), {"crs": "+proj=laea +lat_0=12 +lon_0=34"}, Reason.UNREADABLE),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_exact_is_refused_by_name(name, home, tmp_path):
    values, profile, reason = REFUSED[name]
    path = write_raster(tmp_path / f"{name}.tif", values, **profile)
    good = write_raster(tmp_path / "good.tif", pixels())
    report = build_virtual([scene(path, 0, item_id=name), scene(good, 1)], lake=home)
    assert [(refused.item_id, refused.reason) for refused in report.refusals] == [(name, reason)]
    assert [group.rasters for group in report.groups] == [1]


def test_jpeg2000_is_refused(home, tmp_path):
    path = tmp_path / "tile.jp2"
    with rasterio.open(write_raster(tmp_path / "plain.tif", pixels())) as file:
        drivers = {name for name in ("JP2OpenJPEG",) if name in rasterio.drivers.raster_driver_extensions().values()}
        if not drivers:
            # This build of GDAL cannot write it; its signature box is enough for us to see that it is no TIFF
            path.write_bytes(bytes.fromhex("0000000c6a5020200d0a870a") + bytes(200))
        else:
            rasterio.shutil.copy(file, path, driver=drivers.pop())
    (refused,) = build_virtual([scene(path)], lake=home).refusals
    assert refused.reason == Reason.UNREADABLE


def test_the_edge_of_the_image_is_a_part_of_a_tile(home, tmp_path):
    path = write_raster(tmp_path / "edge.tif", pixels())
    assert (ROWS % TILES["blockysize"], COLUMNS % TILES["blockxsize"]) == (22, 2)
    build_virtual([scene(path)], lake=home)
    cube = open_virtual("made-l2a", lake=home)
    assert np.array_equal(cube.red[0, -3:, -3:].values, read_raster(path)[0, -3:, -3:])
