"""Cubes analysed chunk by chunk: equal to NumPy, exactextract and h3 on the whole cube, in memory that does not grow."""

from __future__ import annotations

import tracemalloc

import h3.api.basic_int as h3
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
import zarr
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from rasters import COLLECTION, pixels, scene, write_raster

from dataflows.cubes import open_virtual
from dataflows.cubes.analysis.chunkwise import (
    Series,
    h3_statistics,
    polygon_statistics,
    temporal_mean,
    temporal_median,
)
from dataflows.cubes.opening import open_group
from dataflows.cubes.rasters.grid import Grid
from dataflows.cubes.repository import store
from dataflows.cubes.repository.conventions import group_attributes
from dataflows.cubes.virtual import build_virtual
from db.errors import CubeError

ROWS, COLUMNS, DATES = 150, 130, 5
LEFT, TOP = 400_000, 4_400_000
CLEAR = np.array([2, 4, 5, 6, 7])  # of the scene classification; see the table of dataflows.cubes.pixels.quality
# Blocks of two dates of a chunk of 64 × 64, and of nine of its rows on all dates
TINY = 2 * 64 * 64 * 8
NINE_ROWS = DATES * 9 * 64 * 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("series")


@pytest.fixture
def cube(folder, home):
    """Five dates of a band of 10 m and its classification of 20 m, as virtual groups; and the truth, as rasterio reads it."""
    scenes, truth = [], []
    for day in range(DATES):
        scale, offset = 1e-4, (-0.1 if day > 2 else 0.0)
        values = pixels(seed=day) % 9000
        values[:, 20:40, 30 + day : 60] = 0
        classes = np.random.default_rng(day).choice(np.arange(12, dtype=np.uint8), (1, ROWS // 2, COLUMNS // 2))
        red, scl = folder / f"red{day}.tif", folder / f"scl{day}.tif"
        if not red.exists():
            write_raster(red, values, nodata=0)
            write_raster(scl, classes, nodata=0, transform=rasterio.transform.from_origin(LEFT, TOP, 20, 20))
        scenes += [scene(red, day, "red", scale=scale, offset=offset), scene(scl, day, "scl")]
        with rasterio.open(red) as file, rasterio.open(scl) as mask:
            numbers = file.read(1, masked=True).astype(float)
            clear = np.isin(mask.read(1), CLEAR).repeat(2, axis=0).repeat(2, axis=1)
        truth.append(np.where(clear, (numbers * scale + offset).filled(np.nan), np.nan))
    build_virtual(scenes, lake=home)
    series = Series.of(open_virtual(f"{COLLECTION}/epsg-32613/10", lake=home), "red", classes=scl_of(home))
    return series, np.stack(truth)


def scl_of(lake):
    return open_virtual(f"{COLLECTION}/epsg-32613/20", lake=lake)


@pytest.mark.filterwarnings("ignore:All-NaN slice", "ignore:Mean of empty slice")
@pytest.mark.parametrize("block_bytes", [NINE_ROWS, 64 * 2**20])
def test_mean_and_median_over_time(cube, block_bytes):
    series, truth = cube
    mean, median = (compose(series, block_bytes=block_bytes) for compose in (temporal_mean, temporal_median))
    np.testing.assert_allclose(mean["mean"], np.nanmean(truth, axis=0), rtol=1e-12)
    np.testing.assert_allclose(median["median"], np.nanmedian(truth, axis=0), rtol=1e-12)
    assert np.isnan(truth).all(axis=0).any()
    for found in (mean, median):
        np.testing.assert_array_equal(found["count"], (~np.isnan(truth)).sum(axis=0))
        assert found["x"].values[0] == LEFT + 5
        assert found["y"].values[-1] == TOP - ROWS * 10 + 5


def polygons() -> np.ndarray:
    """Overlapping ones, across edges of chunks, smaller than a pixel, with a hole, partly and wholly outside."""
    rng = np.random.default_rng(1)
    discs = [
        shapely.Point(LEFT + x, TOP - y).buffer(radius)
        for x, y, radius in zip(rng.uniform(0, 1300, 30), rng.uniform(0, 1500, 30), rng.uniform(3, 250, 30), strict=True)
    ]
    ring = shapely.Point(LEFT + 640, TOP - 640).buffer(300).difference(shapely.Point(LEFT + 640, TOP - 640).buffer(200))
    return np.array([*discs, ring, shapely.box(LEFT - 5000, TOP, LEFT - 4000, TOP + 900)], object)


@pytest.mark.parametrize("block_bytes", [1, 64 * 2**20])
def test_statistics_of_polygons_are_those_of_exactextract(cube, block_bytes):
    series, truth = cube
    found = polygon_statistics(series, polygons(), block_bytes=block_bytes)
    wkt = pyproj.CRS.from_epsg(32613).to_wkt()
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(each)} for each in polygons()]
    seen = 0
    for date, plane in enumerate(truth):
        raster = NumPyRasterSource(plane, LEFT, TOP - ROWS * 10, LEFT + COLUMNS * 10, TOP, nodata=np.nan, srs_wkt=wkt)
        names = ["count", "mean", "stdev", "min", "max"]
        for zone, row in enumerate(exact_extract(raster, features, names)):
            expected = row["properties"]
            ours = found.isel(zone=zone, time=date)
            assert float(ours["count"]) == pytest.approx(expected["count"] or 0, rel=1e-6, abs=1e-9)
            if not expected["count"]:
                assert all(np.isnan(float(ours[name])) for name in names[1:])
                continue
            for name in names[1:]:
                assert float(ours[name]) == pytest.approx(expected[name], rel=1e-6, abs=1e-7), (zone, date, name)
            seen += 1
    assert seen > 100


def test_statistics_of_h3_cells(cube):
    series, truth = cube
    found = h3_statistics(series, 10, block_bytes=TINY)
    to = pyproj.Transformer.from_crs(32613, 4326, always_xy=True)
    x, y = np.meshgrid(LEFT + 10 * np.arange(COLUMNS) + 5, TOP - 10 * np.arange(ROWS) - 5)
    cells = np.array([h3.latlng_to_cell(lat, lng, 10) for lng, lat in zip(*to.transform(x.ravel(), y.ravel()), strict=True)])
    np.testing.assert_array_equal(found["zone"], np.unique(cells))
    assert found["zone"].dtype == np.uint64
    assert len(found["zone"]) > 100
    for zone, cell in enumerate(found["zone"].values[::7]):
        members = truth.reshape(DATES, -1)[:, cells == cell]
        ours = found.isel(zone=zone * 7)
        np.testing.assert_array_equal(ours["count"], (~np.isnan(members)).sum(axis=1))
        if (~np.isnan(members)).any(axis=1).all():
            np.testing.assert_allclose(ours["mean"], np.nanmean(members, axis=1), rtol=1e-12)
            np.testing.assert_allclose(ours["stdev"], np.nanstd(members, axis=1), rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(ours["min"], np.nanmin(members, axis=1))
            np.testing.assert_array_equal(ours["max"], np.nanmax(members, axis=1))


def peak_bytes(run) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def cubes_of_two_lengths(home):
    """16 and 64 dates of 256 × 256: 8 MiB and 32 MiB as values."""
    grid = Grid.of(32613, (10, 0, LEFT, 0, -10, TOP), (256, 256))
    for name, dates in (("short", 16), ("long", 64)):
        with store.build("regions", message=name, lake=home) as build:
            group = zarr.create_group(build.store, path=name, attributes=group_attributes(grid))
            shape, dims = (dates, 256, 256), ("time", "y", "x")
            array = group.create_array("red", shape=shape, chunks=(1, 128, 128), dtype="float32", dimension_names=dims)
            array[:] = np.random.default_rng(0).random(shape, np.float32)
            for dim, values in (("time", np.arange(dates)), ("y", grid.y), ("x", grid.x)):
                group.create_array(dim, data=np.asarray(values, float), dimension_names=(dim,))
    return lambda name: Series.of(open_group("regions", name, lake=home, chunks=None), "red")


ZONES = np.array([shapely.box(LEFT, TOP - 900, LEFT + 2500, TOP)], object)
BLOCK = 2**19


@pytest.mark.parametrize(
    "ask",
    [
        lambda series: temporal_mean(series, block_bytes=BLOCK),
        lambda series: temporal_median(series, block_bytes=BLOCK),
        lambda series: polygon_statistics(series, ZONES, block_bytes=BLOCK),
        lambda series: h3_statistics(series, 8, block_bytes=BLOCK),
    ],
    ids=["mean", "median", "polygons", "cells"],
)
def test_memory_is_bounded_by_blocks_not_by_the_cube(cubes_of_two_lengths, ask):
    ask(cubes_of_two_lengths("short"))
    short, long = (peak_bytes(lambda name=name: ask(cubes_of_two_lengths(name))) for name in ("short", "long"))
    assert long < short + 2**20, (short, long)
    assert long < 64 * 256 * 256 * 8 / 4, long


def test_wrong_questions(cube, home):
    opened = open_virtual(f"{COLLECTION}/epsg-32613/10", lake=home)
    with pytest.raises(CubeError, match=r"no band 'nir'.*red"):
        Series.of(opened, "nir")
    with pytest.raises(CubeError, match="no classification"):
        Series.of(opened, "red", classes=opened)
    with pytest.raises(CubeError, match="not all dates"):
        Series.of(opened, "red", classes=scl_of(home).isel(time=slice(2)))
    with pytest.raises(CubeError, match="no resolution 16"):
        h3_statistics(cube[0], 16)
