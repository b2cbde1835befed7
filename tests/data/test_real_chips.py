"""Chips of real imagery: Sentinel-2 over Slovenia (eo-learn) and ten dates of NAIP, against what was published and rasterio."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from chip_world import Asset, Item, World, opened, warped
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource

from dataflows.cubes.chips import build_chips
from dataflows.cubes.pixels.indices import spectral_index
from dataflows.cubes.pixels.quality import Quality
from dataflows.cubes.repository import store
from dataflows.cubes.timeseries import timeseries
from db.settings import Settings

pytestmark = pytest.mark.realdata

# Sentinel-2's bands in the order of the stack
STACK = {"blue": 1, "green": 2, "red": 3, "nir": 7, "swir16": 11}
# Dates in the order of REFERENCE_SCENES.npy (the mirror's README)
REFERENCE_DATES = ("2015-08-20", "2015-07-31", "2015-09-09", "2015-08-30", "2015-07-11")
WEST, SOUTH, EAST, NORTH = 465_181, 5_079_245, 466_181, 5_080_255
GRID = Affine(10, 0, WEST, 0, -10, NORTH)


def site(epsg: int, shape: shapely.Geometry) -> shapely.Geometry:
    to = pyproj.Transformer.from_crs(epsg, 4326, always_xy=True)
    return shapely.transform(shape, lambda xy: np.stack(to.transform(xy[:, 0], xy[:, 1]), axis=1))


@pytest.fixture
def slovenia(mirror: Path, tmp_path: Path) -> World:
    """The stack as GeoTIFFs, one a band and date."""
    folder = mirror / "rasters" / "eolearn_s2"
    stack = np.load(folder / "REFERENCE_SCENES.npy")
    world = World(tmp_path / "slovenia")
    for date, scene in zip(REFERENCE_DATES, stack, strict=True):
        assets = []
        for name, number in STACK.items():
            path = world.folder / date / f"{name}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            described = {"driver": "GTiff", "height": 101, "width": 100, "count": 1, "dtype": "float32", "nodata": np.nan}
            tiles = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate", "predictor": 3}
            with rasterio.open(path, "w", **described, **tiles, crs="EPSG:32633", transform=GRID) as file:
                file.write(scene[:, :, number], 1)
            assets.append(Asset(name, str(path), (name,), GRID, nodata=None, scale=1.0, offset=0.0))
        taken_at = datetime.fromisoformat(f"{date}T10:00:00").replace(tzinfo=UTC)
        # Three dates lie in August and July: each is a collection's item of its own
        world.items.append(Item(date, taken_at, tuple(assets), collection=f"eolearn-{date}"))
    return world


def test_ndvi_of_the_stack_equals_the_published_one(slovenia: World, mirror: Path, home: Settings):
    slovenia.sites = {"all": site(32633, shapely.box(WEST, SOUTH, EAST, NORTH))}
    build_chips(slovenia.plan(), bands=tuple(STACK), size=128, lake=home)
    published = np.load(mirror / "rasters" / "eolearn_s2" / "NDVI.npy")[..., 0]
    times = json.loads((mirror / "rasters" / "eolearn_s2" / "timestamps.json").read_text())
    worst = 0.0
    for date in REFERENCE_DATES:
        cube = opened(home, f"eolearn-{date}/epsg-32633")
        transform = cube.transform.values[0]
        row, column = round((transform[5] - NORTH) / 10), round((WEST - transform[2]) / 10)
        part = cube.pixels.isel(chip=0, time=0, y=slice(row, row + 101), x=slice(column, column + 100))
        reflectance = part * cube.reflectance_scale + cube.reflectance_offset.isel(chip=0, time=0)
        found = spectral_index("ndvi", {band: reflectance.sel(band=band).values for band in ("red", "nir")})
        expected = published[next(index for index, time in enumerate(times) if str(time).startswith(date))]
        worst = max(worst, float(np.abs(found - expected).max()))
        quality = cube.quality.values[0, 0]
        assert (quality[row : row + 101, column : column + 100] == Quality.UNCLASSIFIED).all()
        assert (quality == Quality.UNCLASSIFIED).sum() == 101 * 100
        assert cube.own_mask.values.sum() == pytest.approx(101 * 100, rel=1e-6)
    # The published array is float32: 1.1e-7 is one step of it
    assert worst < 1.2e-7


def test_ndvi_of_a_site_equals_exactextract_on_the_published_array(slovenia: World, mirror: Path, home: Settings):
    outline = shapely.Point(465_633, 5_079_777).buffer(187.3, quad_segs=5)
    slovenia.sites = {"disc": site(32633, outline)}
    build_chips(slovenia.plan(), bands=tuple(STACK), size=64, lake=home)
    published = np.load(mirror / "rasters" / "eolearn_s2" / "NDVI.npy")[..., 0]
    times = json.loads((mirror / "rasters" / "eolearn_s2" / "timestamps.json").read_text())
    session = store.open_readonly("chips", lake=home)
    for date in REFERENCE_DATES:
        rows = timeseries(session, f"eolearn-{date}/epsg-32633", indices=["ndvi"]).to_pylist()
        (found,) = [row for row in rows if row["variable"] == "ndvi"]
        values = published[next(index for index, time in enumerate(times) if str(time).startswith(date))]
        raster = NumPyRasterSource(values.astype(float), WEST, SOUTH, EAST, NORTH)
        feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(outline)}
        ((row,),) = [exact_extract(raster, feature, ["mean", "stdev", "min", "max"])]
        for name, expected in row["properties"].items():
            assert found[name] == pytest.approx(expected, abs=1e-6)
        assert found["clear_share"] == pytest.approx(1, abs=1e-6)


def test_chips_of_ten_dates_of_naip_whose_grids_differ(mirror: Path, tmp_path: Path, home: Settings):
    files = sorted((mirror / "rasters" / "naip_timeseries_opengeos").glob("*.tif"))
    assert len(files) == 10
    world = World(tmp_path)
    grids = []
    for path in files:
        with rasterio.open(path) as file:
            grids.append(file.transform)
        year = int(re.search(r"(20\d\d)", path.stem.split("_", 3)[-1])[1])
        asset = Asset("image", str(path), ("red", "green", "blue", "nir"), grids[-1], nodata=None, scale=None, offset=None)
        world.items.append(Item(path.stem, datetime(year, 7, 1, tzinfo=UTC), (asset,), epsg=26914, collection="naip"))
    bounds = rasterio.open(files[0]).bounds
    x, y = (bounds.left + bounds.right) / 2, (bounds.bottom + bounds.top) / 2
    world.sites = {
        "middle": site(26914, shapely.box(x - 200, y - 100, x + 150, y + 90)),
        "large": site(26914, shapely.box(x - 1200, y + 500, x + 400, y + 1300)),
        "edge": site(26914, shapely.box(bounds.left + 20, y, bounds.left + 90, y + 50)),
    }
    result = build_chips(world.plan(), bands=("red", "green", "blue", "nir"), size=128, lake=home)
    assert result.failures == ()
    (group,) = result.groups
    assert group.tiles_decoded == group.tiles_wanted
    cube = opened(home, "naip/epsg-26914")
    assert len({tuple(np.round(grid[:6], 3)) for grid in grids}) > 1
    compared = 0
    for item in world.items:
        time = list(cube.time.values.astype("datetime64[M]").astype(str)).index(f"{item.taken_at:%Y-%m}")
        for chip, transform in enumerate(cube.transform.values):
            if cube.item_id.values[chip, time] != item.item_id:
                continue
            for band in range(4):
                expected = warped(item.assets[0].href, transform, 128, band=band + 1)
                np.testing.assert_array_equal(cube.pixels.values[chip, time, band], expected)
            # No pixel of these files is 0: where the warper left it, the scene has ended
            np.testing.assert_array_equal(cube.quality.values[chip, time] == Quality.NODATA, expected == 0)
            compared += 1
    assert compared == group.written
