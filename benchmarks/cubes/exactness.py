"""Are our pixels those that rasterio reads, whatever the codec, the layout and the transport? One table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import psutil
import rasterio
from affine import Affine

from benchmarks.cubes.scenes import EPSG, NORTH, PIXEL_M, WEST
from dataflows.cubes.opening import open_virtual
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.rasters.tiles import TileReader
from dataflows.cubes.references.scenes import SceneAsset
from dataflows.cubes.virtual import build_virtual
from db import services
from db.services.seaweed import Seaweed
from db.settings import Settings

# Neither is a multiple of a tile's edge
ROWS, COLUMNS = 600, 700
TAKEN_AT = datetime(2025, 3, 5, 10, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Source:
    """One way to write a raster."""

    name: str
    dtype: str = "uint16"
    bands: int = 1
    profile: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Random numbers, so that a wrong byte shows."""
        rng = np.random.default_rng(7)
        shape = (self.bands, ROWS, COLUMNS)
        kind = np.dtype(self.dtype)
        values = rng.random(shape) if kind.kind == "f" else rng.integers(0, 250 if kind.itemsize == 1 else 10_000, shape)
        described = {
            "driver": "GTiff",
            "count": self.bands,
            "height": ROWS,
            "width": COLUMNS,
            "dtype": self.dtype,
            "crs": f"EPSG:{EPSG}",
            "transform": Affine(PIXEL_M, 0, WEST, 0, -PIXEL_M, NORTH),
            "tiled": True,
            "blockxsize": 256,
            "blockysize": 256,
            **self.profile,
        }
        with rasterio.open(path, "w", **described) as file:
            file.write(values.astype(kind))


SOURCES = (
    Source("none"),
    Source("deflate, predictor 2", profile={"compress": "deflate", "predictor": 2}),
    Source("lzw, predictor 2", profile={"compress": "lzw", "predictor": 2}),
    Source("zstd, predictor 2", profile={"compress": "zstd", "predictor": 2}),
    Source("lzma", profile={"compress": "lzma"}),
    Source("deflate, predictor 3", dtype="float32", profile={"compress": "deflate", "predictor": 3}),
    Source("lerc, float32", dtype="float32", profile={"compress": "lerc", "max_z_error": 0}),
    Source("lerc, uint16", profile={"compress": "lerc", "max_z_error": 0}),
    Source("deflate, big-endian", profile={"compress": "deflate", "endianness": "big"}),
    Source("deflate, BigTIFF", profile={"compress": "deflate", "bigtiff": "yes"}),
    Source("deflate, 3 bands by pixel", bands=3, profile={"compress": "deflate", "interleave": "pixel"}),
    Source("deflate, 3 bands by band", bands=3, profile={"compress": "deflate", "interleave": "band"}),
    Source("deflate, strips", profile={"compress": "deflate", "tiled": False, "blockysize": 50, "blockxsize": None}),
    Source("deflate, int64", dtype="int64", profile={"compress": "deflate"}),
    Source("jpeg", dtype="uint8", bands=3, profile={"compress": "jpeg", "photometric": "ycbcr"}),
)


@dataclass(frozen=True)
class Verdict:
    """How one source came through one path: different pixels, or why it was refused."""

    source: str
    transport: str
    path: str
    different: int | None
    refusal: str = ""

    @property
    def text(self) -> str:
        """For the table."""
        return f"refused: {self.refusal}" if self.different is None else "exact" if self.different == 0 else f"{self.different}"


def verdicts(folder: Path, s3_lake: Settings) -> Iterator[Verdict]:
    """Every source by every transport and path.

    Args:
        folder: empty.
        s3_lake: a lake whose data are on a running SeaweedFS of its own.
    """
    access, web = Access.of(s3_lake), _web_server(s3_lake)
    for number, source in enumerate(SOURCES):
        path = folder / f"source-{number:02d}.tif"
        source.write(path)
        with rasterio.open(path) as file:
            expected = file.read()
        remote = f"{s3_lake.data_path}exactness/{path.name}"
        bucket, key = access.open(remote)
        obstore.put(bucket, key, path.read_bytes())
        over_http = f"{web}/{remote.removeprefix('s3://')}"
        for transport, href in (("file", str(path)), ("HTTP", over_http), ("S3", remote)):
            yield Verdict(source.name, transport, "chips", _different(_decoded(href, access), expected))
            lake = Settings(home=folder / f"lake-{number}-{transport}", _env_file=None)
            names = tuple(f"b{band}" for band in range(source.bands))
            asset = SceneAsset("made", "made", "asset", href, TAKEN_AT, bands=names)
            report = build_virtual([asset], lake=lake, access=access)
            if report.refusals:
                yield Verdict(source.name, transport, "virtual", None, str(report.refusals[0].reason))
                continue
            cube = open_virtual("made", lake=lake, access=access)
            found = np.concatenate([cube[name].values for name in cube.data_vars if cube[name].dims[-2:] == ("y", "x")])
            yield Verdict(source.name, transport, "virtual", _different(found, expected))


def _web_server(s3_lake: Settings) -> str:
    """URL of the folder of buckets at SeaweedFS's filer, an ordinary web server: byte ranges, strong ETags, no signatures."""
    (server,) = (each for each in services.status(s3_lake) if each.name == Seaweed.name)
    option = "-filer.port="
    port = next(each for each in psutil.Process(server.pid).cmdline() if each.startswith(option)).removeprefix(option)
    return f"http://127.0.0.1:{port}/buckets"


def _decoded(href: str, access: Access) -> np.ndarray:
    with TileReader(access) as reader:
        raster = reader.raster(href)
        reader.finish(reader.begin({href: raster.blocks}))
        out = np.empty((raster.bands, ROWS, COLUMNS), raster.dtype)
        for band in range(raster.bands):
            reader.cut(raster, band + 1, 0, 0, out[band])
    return out


def _different(found: np.ndarray, expected: np.ndarray) -> int:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return expected.size
    return int((found.view(np.uint8) != expected.view(np.uint8)).reshape(*found.shape, -1).any(axis=-1).sum())
