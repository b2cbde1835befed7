"""The picture of an installation's chips: joined as the scenes are, its curve that of exactextract, written whole or not."""

from __future__ import annotations

from pathlib import Path

import exactextract
import numpy as np
import pytest
import rasterio
import shapely
from chip_world import COLLECTION, COLUMNS, EPSG, ROWS, World, square
from matplotlib.colors import to_rgb
from PIL import Image
from pyproj import Transformer
from rasterio.io import MemoryFile
from shapely.geometry import mapping

from dataflows.cubes.chip.site import SiteChips, groups_with, site_chips
from dataflows.cubes.chips import build_chips
from dataflows.cubes.preview import OUTLINE, write_preview
from dataflows.cubes.repository import store
from db.errors import CubeError, CubeNotFoundError
from db.settings import Settings

SIZE = 32
PATH = f"{COLLECTION}/epsg-{EPSG}"
VISIBLE = ("red", "green", "blue", "nir")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One site within a chip, one of several chips; red and near infrared as the world has them."""
    found = World(tmp_path / "scenes")
    found.sites = {"pv-small": square(700, 800, 90), "pv-large": square(1800, 1500, 700)}
    found.scene(3)
    found.scene(5)
    build(found, tmp_path)
    return found


def build(world: World, folder: Path) -> None:
    settings = Settings(home=folder / "home", _env_file=None)
    build_chips(world.plan(), bands=("red", "nir"), size=SIZE, lake=settings)


def chips(home: Settings, name: str) -> SiteChips:
    return site_chips(store.open_readonly("chips", lake=home), PATH, name)


def href(world: World, month: int, key: str) -> str:
    item = next(item for item in world.items if item.taken_at.month == month)
    return next(asset.href for asset in item.assets if asset.key == key)


def test_chips_of_a_large_site_are_joined_as_the_scene_is(world: World, home: Settings):
    site = chips(home, "pv-large")
    assert min(site.own.shape) > SIZE
    assert site.items.tolist() == ["S0305", "S0505"]
    with rasterio.open(href(world, 3, "red")) as file:
        scene = file.read(1).astype(float)
        column, row = ~file.transform @ (site.transform[2], site.transform[5])
    window = scene[round(row) : round(row) + site.own.shape[0], round(column) : round(column) + site.own.shape[1]]
    found = site.values[0, site.bands.index("red")]
    there = np.isfinite(found)
    np.testing.assert_allclose(found[there], window[there] * 1e-4, rtol=1e-6)
    assert there.sum() > SIZE * SIZE


@pytest.mark.parametrize("name", ["pv-small", "pv-large"])
def test_the_curve_is_that_of_exactextract(world: World, home: Settings, name: str):
    site = chips(home, name)
    found = site.index("ndvi")
    with rasterio.open(href(world, 3, "scl")) as file:
        scl = np.repeat(np.repeat(file.read(1), 2, axis=0), 2, axis=1)
    with rasterio.open(href(world, 3, "red")) as red, rasterio.open(href(world, 3, "nir")) as nir:
        one, other = red.read(1).astype(float), nir.read(1).astype(float)
        with np.errstate(invalid="ignore"):
            ndvi = (other - one) / (other + one)
        ndvi[(one == 0) | (other == 0) | np.isin(scl, (0, 1, 3, 8, 9, 10, 11))] = np.nan
        profile = {**red.profile, "dtype": "float64", "nodata": np.nan}
    feature = {"type": "Feature", "properties": {}, "geometry": in_metres(world, name)}
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(ndvi, 1)
        with memory.open() as file:
            (row,) = exactextract.exact_extract(file, [feature], ["mean", "stdev", "count"])
    assert found.mean[0] == pytest.approx(row["properties"]["mean"], abs=1e-6)
    assert found.stdev[0] == pytest.approx(row["properties"]["stdev"], abs=1e-6)
    assert site.clear_share[0] == pytest.approx(row["properties"]["count"] / site.own.sum(), abs=1e-5)


def in_metres(world: World, name: str) -> dict:
    to = Transformer.from_crs(4326, EPSG, always_xy=True)
    return mapping(shapely.transform(world.sites[name], lambda xy: np.stack(to.transform(xy[:, 0], xy[:, 1]), axis=1)))


def test_a_picture_needs_the_visible_bands_and_leaves_nothing_half_written(world: World, home: Settings, tmp_path: Path):
    with pytest.raises(CubeError, match="green"):
        write_preview(home, "pv-small", tmp_path / "strip.png")
    with pytest.raises(CubeError, match="folder"):
        write_preview(home, "pv-small", tmp_path / "nowhere" / "strip.png")
    assert list(tmp_path.glob("*.png*")) == list(tmp_path.glob(".*part")) == []


def test_installations_are_found_by_their_first_characters(world: World, home: Settings):
    session = store.open_readonly("chips", lake=home)
    assert groups_with(session, "pv-s") == [(PATH, "pv-small", 2)]
    for start, message in (("pv-", "2 installations"), ("x", "no chip")):
        with pytest.raises(CubeNotFoundError, match=message):
            groups_with(session, start)
    with pytest.raises(CubeNotFoundError):
        groups_with(session, "pv-small", "other")


def test_the_picture_has_a_panel_a_date_with_the_outline(home: Settings, tmp_path: Path):
    world = World(tmp_path / "scenes")
    world.sites = {"pv-one": square(700, 800, 90)}
    rng = np.random.default_rng(7)
    for month in (3, 4, 5):
        item = world.scene(month)
        made = [
            world.asset(f"{item.item_id}/{band}.tif", band, rng.integers(1, 9000, (ROWS, COLUMNS), np.uint16), 10)
            for band in ("green", "blue")
        ]
        world.items[-1] = type(item)(**{**vars(item), "assets": (*item.assets, *made)})
    build_chips(world.plan(), bands=VISIBLE, size=SIZE, lake=home)
    drawn = write_preview(home, "pv-one", tmp_path / "strip.png")
    assert (drawn.installation_id, drawn.group, drawn.dates) == ("pv-one", PATH, 3)
    image = np.asarray(Image.open(drawn.file).convert("RGB")).astype(float) / 255
    yellow = np.abs(image - to_rgb(OUTLINE)).max(axis=2) < 0.02
    # Columns that hold the outline's colour form one run a panel, as many panels as dates
    runs = np.flatnonzero(np.diff(np.concatenate([[0], yellow.any(axis=0).astype(int)])) == 1)
    assert np.count_nonzero(np.diff(runs) > 60) + 1 == 3
    assert not list(tmp_path.glob(".*part"))
