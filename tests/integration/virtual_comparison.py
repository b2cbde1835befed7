"""Virtual cubes beside what rasterio reads of the same files."""

from __future__ import annotations

import itertools
from pathlib import Path

from rasters import pixels, read_raster, same_bits, scene, write_raster

from dataflows.cubes import open_virtual
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.virtual import build_virtual
from db.settings import Settings


def compared(lake: Settings, hrefs: dict[str, str], paths: dict[str, Path], access: Access | None = None) -> list[str]:
    """Names of rasters whose virtual array is not the same as what rasterio reads: each is an asset of one scene."""
    report = build_virtual([scene(href, asset=name) for name, href in hrefs.items()], lake=lake, access=access)
    assert report.refusals == ()
    found = {}
    for group in report.groups:
        cube = open_virtual(group.path, lake=lake, access=access, split_bands=False)
        found |= {cube[name].attrs["asset_key"]: cube[name][0].values for name in cube.data_vars}
    assert found.keys() == paths.keys() == hrefs.keys()
    wrong = []
    for name, got in found.items():
        if not same_bits(got[None] if got.ndim == 2 else got, read_raster(paths[name])):
            wrong.append(name)
    return wrong


def on_files(lake: Settings, paths: list[Path]) -> list[str]:
    return compared(lake, {path.stem: str(path) for path in paths}, {path.stem: path for path in paths})


def few(folder: Path) -> list[Path]:
    """A raster of each codec, with predictor and by pixel where there is that."""
    paths = []
    for codec, dtype in itertools.product(("deflate", "lzw", "zstd", "lzma", "lerc"), ("uint8", "uint16", "int16", "float32")):
        if codec == "lerc" and dtype == "float32":
            continue
        predictor = {"predictor": 3 if dtype == "float32" else 2} if codec in ("deflate", "lzw", "zstd") else {}
        values = pixels(dtype, 1)
        paths.append(write_raster(folder / f"{codec}-{dtype}.tif", values, compress=codec, **predictor))
    paths.append(write_raster(folder / "by-pixel.tif", pixels("uint8", 4), interleave="pixel", compress="deflate", predictor=2))
    sparse = pixels("uint16", 3)
    sparse[:, :64] = 0
    return [*paths, write_raster(folder / "sparse.tif", sparse, sparse_ok="TRUE", compress="deflate", nodata=0)]
