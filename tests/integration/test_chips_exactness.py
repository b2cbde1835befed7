"""Chips equal rasterio bit for bit, whatever the grid, the edge, the transport and the size of the cache."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import obstore
import pytest
import rasterio
import shapely
from affine import Affine
from chip_world import BANDS, COLUMNS, EPSG, NORTH, ROWS, WEST, World, by_rasterio, metres, opened, square, warped
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from range_server import RangeServer

from dataflows.cubes.chip.means import Progress
from dataflows.cubes.chips import build_chips
from dataflows.cubes.pixels.outlines import projected
from dataflows.cubes.pixels.quality import Quality
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.repository import store
from db.errors import CubeConflictError
from db.settings import Settings

SIZE = 48
SCL = np.array([1, 6, 2, 4, 2, 2, 2, 2, 3, 3, 3, 5], np.uint8)


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path / "scenes")
    found.sites = {f"site-{n}": square(300 + 410.3 * n, 400 + 377.7 * (n % 5)) for n in range(6)}
    return found


def place(cube, name: str) -> int:
    return cube.installation_id.values.tolist().index(name)


def test_pixels_and_quality_equal_a_rasterio_window_a_chip(world: World, home: Settings):
    items = [world.scene(month) for month in (3, 4, 6)]
    result = build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    cube = opened(home)
    assert result.failures == ()
    assert cube.sizes == {"chip": 6, "time": 4, "band": 3, "y": SIZE, "x": SIZE, "affine": 6}
    assert cube.pixels.dtype == np.uint16
    for chip in range(6):
        transform = cube.transform.values[chip]
        for time, item in zip((0, 1, 3), items, strict=True):
            red, nir, swir, scl = item.assets
            pixels = cube.pixels.values[chip, time]
            np.testing.assert_array_equal(pixels[0], by_rasterio(red.href, transform, SIZE))
            np.testing.assert_array_equal(pixels[1], by_rasterio(nir.href, transform, SIZE))
            np.testing.assert_array_equal(pixels[2], warped(swir.href, transform, SIZE))
            nodata = (pixels == 0).any(axis=0)
            classes = np.where(nodata, Quality.NODATA, SCL[warped(scl.href, transform, SIZE)])
            np.testing.assert_array_equal(cube.quality.values[chip, time], classes)
            assert cube.item_id.values[chip, time] == item.item_id
            assert cube.datetime.values[chip, time] == np.datetime64(item.taken_at.replace(tzinfo=None))
    assert (cube.item_id.values[:, 2] == "").all()
    assert cube.reflectance_scale.values.tolist() == [1e-4] * 3


def test_each_tile_is_decoded_once(world: World, home: Settings):
    world.scene(3, scl=False)
    (group,) = build_chips(world.plan(), bands=("red", "nir"), size=SIZE, lake=home).groups
    cube = opened(home)
    # Blocks of 64 pixels are taken in squares of 256, of which an image of 260 × 300 pixels has four
    expected = set()
    for transform in cube.transform.values:
        row, column = round((NORTH - transform[5]) / 10), round((transform[2] - WEST) / 10)
        for r in range(max(row, 0) // 256, (min(row + SIZE, ROWS) - 1) // 256 + 1):
            for c in range(max(column, 0) // 256, (min(column + SIZE, COLUMNS) - 1) // 256 + 1):
                expected |= {("red", r, c), ("nir", r, c)}
    assert group.tiles_wanted == group.tiles_decoded == len(expected)


def test_a_cache_that_holds_nothing_gives_the_same_chips(world: World, home: Settings, tmp_path: Path):
    world.scene(3)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    frugal = Settings(home=tmp_path / "frugal", _env_file=None)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=frugal, cache_bytes=0, workers=1)
    assert opened(home).identical(opened(frugal))


def test_a_window_beyond_the_edge_is_filled_and_says_so(world: World, home: Settings):
    world.sites = {"corner": square(55, 55, 40), "east": square(COLUMNS * 10 - 30, 900, 20)}
    (red, nir, *_) = world.scene(3, scl=False).assets
    build_chips(world.plan(), bands=("red", "nir"), size=SIZE, lake=home)
    cube = opened(home)
    for chip in range(2):
        transform = cube.transform.values[chip]
        beyond = by_rasterio(red.href, transform, SIZE) == 0
        assert 0.05 < beyond.mean() < 0.95
        np.testing.assert_array_equal(cube.pixels.values[chip, 0, 1], by_rasterio(nir.href, transform, SIZE))
        np.testing.assert_array_equal(cube.quality.values[chip, 0] == Quality.NODATA, beyond)


def test_hazard_zero_is_a_value_where_the_source_has_no_nodata(world: World, home: Settings):
    world.sites = {"corner": square(55, 55, 40)}
    item = world.scene(3, scl=False)
    values = np.random.default_rng(0).integers(0, 3, (ROWS, COLUMNS), dtype=np.uint8)
    red = replace(world.asset("orthophoto.tif", "red", values, 10, nodata=None), nodata=None)
    world.items = [replace(item, assets=(red,))]
    build_chips(world.plan(), bands=("red",), size=SIZE, lake=home)
    cube = opened(home)
    pixels, quality = cube.pixels.values[0, 0, 0], cube.quality.values[0, 0]
    row, column = round((cube.transform.values[0, 5] - NORTH) / 10), round((WEST - cube.transform.values[0, 2]) / 10)
    assert (quality[row:, column:] == Quality.UNCLASSIFIED).all()
    assert (quality[:row] == Quality.NODATA).all()
    np.testing.assert_array_equal(pixels[row:, column:], values[: SIZE - row, : SIZE - column])
    assert (pixels[row:, column:] == 0).any()


@pytest.mark.parametrize("shift", [(4.0, -6.0), (-3.3, 1.7)])
def test_a_scene_on_a_shifted_grid_is_aligned_as_gdal_does_nearest(world: World, home: Settings, shift):
    world.scene(3)
    world.scene(4)
    shifted = world.scene(5, shift=shift)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    cube = opened(home)
    for chip in range(6):
        transform = cube.transform.values[chip]
        assert (transform[2] - WEST) % 10 == 0
        for band, asset in enumerate(shifted.assets[:3]):
            expected = warped(asset.href, transform, SIZE)
            np.testing.assert_array_equal(cube.pixels.values[chip, 2, band], expected)


def test_a_plant_larger_than_a_chip_is_tiled_and_its_chips_make_up_the_scene(world: World, home: Settings):
    plant = metres(shapely.box(405, 405, 1995, 1405))
    world.sites = {"plant": plant}
    red = world.scene(3, scl=False).assets[0]
    build_chips(world.plan(), bands=("red",), size=SIZE, lake=home)
    cube = opened(home)
    assert sorted(cube.chip_number.values.tolist()) == list(range(12))
    for chip in range(12):
        np.testing.assert_array_equal(cube.pixels.values[chip, 0, 0], by_rasterio(red.href, cube.transform.values[chip], SIZE))
    (outline,) = projected(np.array([plant], object), EPSG)
    assert cube.own_mask.values.sum(dtype=float) * 100 == pytest.approx(outline.area, rel=1e-6)


def test_masks_equal_exactextract_chip_by_chip_with_the_neighbour(world: World, home: Settings):
    world.sites = {"own": square(1000, 1000, 150)}
    world.around = {"neighbour": square(1100, 1040, 120), "far": square(2500, 2000)}
    world.scene(3, scl=False)
    build_chips(world.plan(), bands=("red",), size=SIZE, lake=home)
    cube = opened(home)
    transform = Affine(*cube.transform.values[0])
    west, north = transform.c, transform.f

    def coverage(*shapes: shapely.Geometry) -> np.ndarray:
        raster = NumPyRasterSource(np.ones((SIZE, SIZE)), west, north - 10 * SIZE, west + 10 * SIZE, north)
        shape = shapely.union_all(projected(np.array(shapes, object), EPSG))
        feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)}
        ((row),) = exact_extract(raster, feature, ["cell_id", "coverage"])
        found = np.zeros(SIZE * SIZE)
        found[row["properties"]["cell_id"]] = row["properties"]["coverage"]
        return found.reshape(SIZE, SIZE)

    own, both = world.sites["own"], (world.sites["own"], world.around["neighbour"])
    np.testing.assert_allclose(cube.own_mask.values[0], coverage(own), atol=1e-6)
    np.testing.assert_allclose(cube.mask.values[0], coverage(*both), atol=1e-6)
    assert cube.mask.values.max() == 1
    assert cube.mask.values.sum() > cube.own_mask.values.sum()


def test_over_http_chips_are_the_same(world: World, home: Settings, tmp_path: Path):
    item = world.scene(3)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    remote = Settings(home=tmp_path / "remote", _env_file=None)
    with RangeServer(world.folder) as server:
        assets = [replace(each, href=f"{server.url}/{Path(each.href).relative_to(world.folder)}") for each in item.assets]
        moved = World(world.folder, world.sites, [replace(item, assets=tuple(assets))])
        build_chips(moved.plan(), bands=BANDS, size=SIZE, lake=remote, access=Access())
        asked = [path for path, _ in server.requests]
    assert opened(home).drop_vars("scene_key").identical(opened(remote).drop_vars("scene_key"))
    # A few a file, however many chips there are: the file is not opened for each
    assert len(asked) <= 8 * len(item.assets)


@pytest.mark.parametrize(
    "profile",
    [
        {"compress": "lzw", "predictor": 2},
        {"compress": "zstd", "tiled": False, "blockysize": 7},
        {"compress": "jpeg", "photometric": "ycbcr", "interleave": "pixel"},
        {"compress": "deflate", "interleave": "pixel"},
        {"driver": "JP2OpenJPEG", "compress": None, "QUALITY": "100", "REVERSIBLE": "YES"},
    ],
    ids=["lzw", "strips", "jpeg", "pixel-interleaved", "jpeg2000"],
)
def test_what_cannot_be_virtual_is_read_too(world: World, home: Settings, profile: dict):
    values = np.random.default_rng(0).integers(1, 255, (3, ROWS, COLUMNS), dtype=np.uint8)
    settings = {key: value for key, value in profile.items() if value is not None}
    suffix = "jp2" if profile.get("driver") else "tif"
    image = world.asset(f"image.{suffix}", "image", values, 10, nodata=None, **settings)
    item = world.scene(3, scl=False)
    world.items = [replace(item, assets=(replace(image, bands=("red", "green", "blue"), nodata=None),))]
    build_chips(world.plan(), bands=("blue", "red"), size=SIZE, lake=home)
    cube = opened(home)
    with rasterio.open(image.href) as file:
        for chip in range(6):
            transform = cube.transform.values[chip]
            row, column = round((NORTH - transform[5]) / 10), round((transform[2] - WEST) / 10)
            read = file.read((3, 1), window=((row, row + SIZE), (column, column + SIZE)))
            np.testing.assert_array_equal(cube.pixels.values[chip, 0], read)


@pytest.mark.xdist_group("services")
def test_over_s3_with_the_repository_in_s3_too(world: World, home: Settings, dev: Settings):
    item = world.scene(3)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    access = Access.of(dev)
    bucket, _ = access.open("s3://eopv/scenes/x")
    assets = []
    for asset in item.assets:
        name = str(Path(asset.href).relative_to(world.folder))
        obstore.put(bucket, f"scenes/{name}", Path(asset.href).read_bytes())
        assets.append(replace(asset, href=f"s3://eopv/scenes/{name}"))
    world.items = [replace(item, assets=tuple(assets))]
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=dev)
    assert opened(home).identical(opened(dev))
    assert build_chips(world.plan(), bands=BANDS, size=SIZE, lake=dev).snapshot_id is None


@pytest.mark.xdist_group("services")
def test_on_s3_the_second_of_two_builders_is_told_and_nothing_is_lost(world: World, dev: Settings):
    world.items = [replace(world.scene(3), collection="raced-l2a")]
    meanwhile = []

    def other_build(_: Progress) -> None:
        if not meanwhile:
            other = World(world.folder, world.sites, [replace(world.items[0], collection="other-l2a")])
            meanwhile.append(build_chips(other.plan(), bands=BANDS, size=SIZE, lake=dev))

    with pytest.raises(CubeConflictError):
        build_chips(world.plan(), bands=BANDS, size=SIZE, lake=dev, progress=other_build)
    main = store.repository("chips", lake=dev).lookup_branch("main")
    assert main == meanwhile[0].snapshot_id
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=dev)
    for collection in ("raced-l2a", "other-l2a"):
        assert (opened(dev, f"{collection}/epsg-{EPSG}").item_id.values != "").all()
