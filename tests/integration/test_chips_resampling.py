"""Bilinear chips against GDAL's warper; classes, and which pixels have a value, are those of the nearest pixel all the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from chip_world import BANDS, COLUMNS, EPSG, ROWS, Asset, Item, World, opened, square
from command_line import ran
from rasterio.warp import Resampling, reproject

from dataflows.cubes.chips import build_chips
from dataflows.cubes.pixels.quality import Quality
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from db.errors import CubeError
from db.settings import Settings

SIZE = 48
SHIFTS = [(4.0, -6.0), (-3.3, 1.7), (5.0, 5.0)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path / "scenes")
    found.sites = {f"site-{n}": square(300 + 410.3 * n, 400 + 377.7 * (n % 5)) for n in range(6)}
    found.sites["at-the-edge"] = square(30, 40)
    return found


def by_gdal(asset: Asset, transform: np.ndarray, nodata: float = 0) -> np.ndarray:
    with rasterio.open(asset.href) as file:
        out = np.full((SIZE, SIZE), nodata, file.dtypes[0])
        reproject(
            rasterio.band(file, 1),
            out,
            dst_transform=Affine(*transform),
            dst_crs=f"EPSG:{EPSG}",
            dst_nodata=nodata,
            resampling=Resampling.bilinear,
        )
    return out


def compared(home: Settings, nearest: Settings, time: int, item: Item, *, within: float = 0) -> int:
    """Pixels that differ from GDAL's by no more than so much; what has a value and classes must be as with nearest."""
    smooth, plain = opened(home), opened(nearest)
    np.testing.assert_array_equal(smooth.quality.values, plain.quality.values)
    np.testing.assert_array_equal(smooth.pixels.values == 0, plain.pixels.values == 0)
    pixels = 0
    for chip, transform in enumerate(smooth.transform.values):
        for band, asset in enumerate(item.assets[: len(BANDS)]):
            ours, theirs = smooth.pixels.values[chip, time, band], by_gdal(asset, transform)
            there = ours != 0
            assert (theirs[there] != 0).all()
            np.testing.assert_allclose(ours[there].astype(float), theirs[there], atol=within, rtol=0, err_msg=asset.key)
            pixels += int(there.sum())
    assert (smooth.pixels.values[:, time] != plain.pixels.values[:, time]).mean() > 0.2
    return pixels


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_shifted_scene_and_coarser_bands_equal_gdal(world: World, home: Settings, tmp_path: Path, shift):
    nearest = home.model_copy(update={"home": tmp_path / "nearest"})
    items = [world.scene(3), world.scene(4), world.scene(5, shift=shift)]
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home, resampling="bilinear")
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=nearest)
    # Halves are rounded alike only where weights are exact in binary
    within = 0 if shift == (5.0, 5.0) else 1
    assert compared(home, nearest, 2, items[2], within=within) > 30_000
    # On the chips' own grid numbers are copied; the band of 20 m alone is interpolated
    plain, smooth = opened(nearest).pixels.values, opened(home).pixels.values
    np.testing.assert_array_equal(smooth[:, :2, :2], plain[:, :2, :2])
    for time in (0, 1):
        for chip, transform in enumerate(opened(home).transform.values):
            ours = smooth[chip, time, 2]
            np.testing.assert_array_equal(ours[ours != 0], by_gdal(items[time].assets[2], transform)[ours != 0])


def test_a_scene_of_finer_pixels_is_averaged_as_gdal_does(world: World, home: Settings, tmp_path: Path):
    nearest = home.model_copy(update={"home": tmp_path / "nearest"})
    world.scene(3, scl=False)
    rng = np.random.default_rng(5)
    made = []
    for name in BANDS:
        values = rng.integers(1, 10_000, (ROWS * 2, COLUMNS * 2), dtype=np.uint16)
        values[100:131, 40:77] = 0
        made.append(world.asset(f"fine/{name}.tif", name, values, 5, (2.5, 0.0)))
    fine = replace(world.items[0], item_id="fine", taken_at=world.items[0].taken_at.replace(month=4), assets=tuple(made))
    world.items.append(fine)
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home, resampling="bilinear")
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=nearest)
    assert compared(home, nearest, 1, fine, within=1) > 30_000


def test_hazard_a_mean_that_happens_to_be_nodata_is_a_value(world: World, home: Settings):
    world.scene(3, scl=False)
    values = np.where(np.add.outer(np.arange(ROWS), np.arange(COLUMNS)) % 2, np.uint16(90), np.uint16(110))
    made = [world.asset(f"striped/{name}.tif", name, values, 10, (5.0, 0.0), nodata=100) for name in ("red", "nir")]
    striped = replace(world.items[0], item_id="striped", taken_at=world.items[0].taken_at.replace(month=4), assets=tuple(made))
    world.items.append(striped)
    build_chips(world.plan(), bands=("red", "nir"), size=SIZE, lake=home, resampling="bilinear")
    cube = opened(home)
    inside = cube.installation_id.values.tolist().index("site-2")
    assert (cube.quality.values[inside, 1] == Quality.UNCLASSIFIED).all()
    assert (cube.pixels.values[inside, 1] == 101).all()


def test_the_group_and_the_commit_say_which_and_another_one_is_refused(world: World, home: Settings):
    world.scene(3)
    first = build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home, resampling="bilinear")
    assert opened(home).attrs["eopv:resampling"] == "bilinear"
    said = CommitMetadata.of(store.repository("chips", lake=home).lookup_snapshot(first.snapshot_id))
    assert said.parameters["resampling"] == "bilinear"
    world.scene(4)
    with pytest.raises(CubeError, match="numbers that are bilinear, not nearest"):
        build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home, resampling="nearest")
    with pytest.raises(CubeError, match="no resampling 'cubic'"):
        build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home, resampling="cubic")
    # Unasked, what is added is as what is there
    build_chips(world.plan(), bands=BANDS, size=SIZE, lake=home)
    cube = opened(home)
    ours, theirs = cube.pixels.values[0, 1, 2], by_gdal(world.items[1].assets[2], cube.transform.values[0])
    np.testing.assert_array_equal(ours[ours != 0], theirs[ours != 0])
    assert (cube.attrs["eopv:resampling"], cube.sizes["time"]) == ("bilinear", 2)


def test_the_command_takes_known_ones_only():
    assert ran("cube", "build", "--resampling", "cubic").code == 2
