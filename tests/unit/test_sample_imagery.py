"""The sample's imagery keeps its promises: files, items, pixels and faults, read with rasterio and pystac."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pystac
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from rasterio.features import rasterize
from rasterio.warp import Resampling, reproject
from rasterio.windows import Window

from dataflows.sample import generate
from dataflows.sample.imagery import publish_imagery
from dataflows.sample.imagery.passes import sun_at
from dataflows.sample.world import true_sites

BANDS = ("blue", "green", "red", "nir", "swir16")
DAYS = ("20250212", "20250418", "20250603", "20250623", "20250817", "20251026")
TRUNCATED = ("HELIA_T27_20251026", "swir16")
SHIFTED = "HELIA_T28_20250817"
CUT = "HELIA_T28_20250212"
CLEAR, CLOUDS = (4, 5), (8, 9, 10)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("seen") / "world", context=False)


@pytest.fixture(scope="module")
def items(world):
    found = {item.id: item for item in pystac.Catalog.from_file(str(world.catalog)).get_items(recursive=True)}
    return {name: item.make_asset_hrefs_absolute() for name, item in sorted(found.items())}


@pytest.fixture(scope="module")
def sites(world):
    return gpd.read_parquet(world.folder / "truth" / "sites.parquet")


def pixels(item: pystac.Item, asset: str) -> np.ndarray:
    with rasterio.open(item.assets[asset].href) as source:
        return source.read(1)


def reflectance(item: pystac.Item, band: str) -> np.ndarray:
    """Reflectance by what the item says; NaN without data."""
    asset, numbers = item.assets[band], pixels(item, band)
    values = numbers * asset.extra_fields["raster:scale"] + asset.extra_fields["raster:offset"]
    return np.where(numbers == asset.extra_fields["nodata"], np.nan, values)


def ndvi(item: pystac.Item) -> np.ndarray:
    red, nir = reflectance(item, "red"), reflectance(item, "nir")
    return (nir - red) / (nir + red)


def is_clear(item: pystac.Item) -> np.ndarray:
    return np.isin(np.kron(pixels(item, "scl"), np.ones((2, 2), "uint8")), CLEAR)


def under_panels(item: pystac.Item, sites: gpd.GeoDataFrame, *, metres_inside: float) -> np.ndarray:
    """Pixels whose centre lies in a site, and by how far."""
    with rasterio.open(item.assets["red"].href) as source:
        outlines = sites.to_crs(source.crs).buffer(-metres_inside)
        outlines = outlines[~outlines.is_empty & outlines.intersects(shapely.box(*source.bounds))]
        return rasterize(outlines, source.shape, transform=source.transform).astype(bool)


def test_there_are_six_dates_in_two_zones_within_six_megabytes(world, items):
    assert list(items) == [f"HELIA_T{zone}_{day}" for zone in (27, 28) for day in DAYS]
    assert {item.properties["proj:code"] for item in items.values()} == {"EPSG:32627", "EPSG:32628"}
    files = [path for path in world.catalog.parent.rglob("*") if path.is_file()]
    assert len(files) == 2 + 12 * (1 + len(BANDS) + 1)
    assert sum(path.stat().st_size for path in files) < 6e6
    baselines = [item.properties["s2:processing_baseline"] for item in items.values()]
    assert (min(baselines), max(baselines)) == ("03.01", "05.11")


def test_the_world_without_imagery_is_the_same_but_for_it(world, tmp_path):
    blind = generate(tmp_path / "blind", imagery=False, context=False)
    seen = {path.relative_to(world.folder): path.read_bytes() for path in world.folder.rglob("*") if path.is_file()}
    unseen = {path.relative_to(blind.folder): path.read_bytes() for path in blind.folder.rglob("*") if path.is_file()}
    assert unseen == {path: content for path, content in seen.items() if path.parts[0] not in ("stac", "stac_manifest.yml")}
    assert (blind.scenes, len(world.scenes)) == ((), 12)


def test_the_catalog_is_valid_and_can_be_moved(world, items):
    validator = JsonSchemaSTACValidator()
    for path in world.catalog.parent.rglob("*.json"):
        document = json.loads(path.read_text())
        kind = pystac.STACObjectType(document["type"])
        validator.validate_core(document, kind, document["stac_version"])
        hrefs = [link["href"] for link in document["links"]] + [asset["href"] for asset in document.get("assets", {}).values()]
        assert all(href.startswith(".") and (path.parent / href).is_file() for href in hrefs)
    for item in items.values():
        assert item.get_collection().id == item.collection_id == "helia-s2-l2a"
        assert item.get_collection().extent.spatial.bboxes[0][0] <= item.bbox[0]


def test_items_say_what_the_files_are(items):
    for name, item in items.items():
        for key, asset in item.assets.items():
            said, content = asset.extra_fields, Path(asset.href).read_bytes()
            with rasterio.open(asset.href) as source:
                assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert source.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "2"
                assert (source.count, source.compression.value, source.block_shapes) == (1, "DEFLATE", [(256, 256)])
                assert source.crs == rasterio.CRS.from_string(item.properties["proj:code"])
                assert list(source.transform)[:6] == said["proj:transform"]
                assert list(source.shape) == said["proj:shape"]
                assert (source.dtypes[0], source.nodata) == (said["data_type"], said["nodata"])
                assert not source.overviews(1)
            whole = hashlib.sha256(content).hexdigest() == said["file:checksum"].removeprefix("1220")
            assert whole == (len(content) == said["file:size"]) == ((name, key) != TRUNCATED)


def test_the_file_that_broke_off_cannot_be_read_to_the_end(items):
    item, asset = items[TRUNCATED[0]], TRUNCATED[1]
    with rasterio.open(item.assets[asset].href) as source, pytest.raises(rasterio.RasterioIOError):
        source.read(1)
    for key in set(item.assets) - {asset}:
        assert pixels(item, key).any()


def test_all_scenes_of_a_zone_share_a_grid_but_one(items):
    transforms = {name: item.assets["red"].extra_fields["proj:transform"] for name, item in items.items()}
    for zone in ("27", "28"):
        usual = transforms[f"HELIA_T{zone}_20250418"]
        assert usual[2] % 20 == usual[5] % 20 == 0
        for name in (name for name in transforms if name.startswith(f"HELIA_T{zone}")):
            shift = np.subtract(transforms[name], usual)
            assert shift.tolist() == ([0, 0, 4, 0, 0, -6] if name == SHIFTED else [0] * 6)


def test_cloud_cover_is_the_share_of_cloud_classes_among_pixels_with_data(items):
    covers = {}
    for name, item in items.items():
        classes = pixels(item, "scl")
        covers[name] = item.properties["eo:cloud_cover"]
        assert covers[name] == pytest.approx(100 * np.isin(classes[classes != 0], CLOUDS).mean(), abs=1e-6)
        assert item.properties["s2:nodata_pixel_percentage"] == pytest.approx(100 * (classes == 0).mean(), abs=1e-6)
        assert set(np.unique(classes)) <= {0, 3, *CLEAR, *CLOUDS}
    assert all(cover > 0 for cover in covers.values())
    assert max(covers, key=covers.get).endswith("20250623")


def test_footprints_are_where_the_data_are(items):
    for name, item in items.items():
        outline = gpd.GeoSeries([shapely.geometry.shape(item.geometry)], crs="EPSG:4326")
        assert outline.iloc[0].is_valid
        assert shapely.is_ccw(outline.iloc[0].exterior)
        with rasterio.open(item.assets["red"].href) as source:
            inside = rasterize(outline.to_crs(source.crs), source.shape, transform=source.transform).astype(bool)
            has_data = source.read(1) != 0
        # the swath's edge is cut by coarse pixels
        assert (inside != has_data).mean() < 0.003
        assert has_data.all() == (name != CUT)
        assert np.kron(pixels(item, "scl") != 0, np.ones((2, 2), bool)).tolist() == has_data.tolist()


def test_panels_are_dark_and_flat_in_every_season_and_baseline(items, sites):
    seen = []
    for item in items.values():
        chosen = under_panels(item, sites, metres_inside=15) & is_clear(item)
        if not chosen.any():
            continue  # under clouds
        spectrum = [np.nanmean(reflectance(item, band)[chosen]) for band in BANDS if (item.id, band) != TRUNCATED]
        assert len(spectrum) >= 4
        assert all(0.04 < value < 0.09 for value in spectrum)
        assert np.nanmean(ndvi(item)[chosen]) < 0.2
        seen.append(int(chosen.sum()))
    assert len(seen) >= 10
    assert sum(seen) > 10_000


def test_fields_outside_the_panels_turn_green_and_wither(items, sites):
    means = {}
    for name in (f"HELIA_T27_{day}" for day in DAYS):
        item = items[name]
        chosen = is_clear(item) & ~under_panels(item, sites, metres_inside=-15)
        means[name[-8:]] = float(np.mean(ndvi(item)[chosen]))
    assert max(means, key=means.get).startswith("202506")
    assert means["20250603"] > means["20250212"] + 0.25
    assert means["20250603"] > means["20251026"] + 0.15


def test_clouds_are_bright_and_their_shadows_dark(items):
    item = items["HELIA_T27_20250623"]
    blue, nir = reflectance(item, "blue"), reflectance(item, "nir")
    classes = np.kron(pixels(item, "scl"), np.ones((2, 2), "uint8"))
    assert blue[classes == 9].min() > 0.4
    assert nir[classes == 3].mean() < 0.6 * nir[np.isin(classes, CLEAR)].mean()


def test_both_zones_see_the_same_ground(items):
    for day in ("20250418", "20250817"):
        one, other = items[f"HELIA_T27_{day}"], items[f"HELIA_T28_{day}"]
        with rasterio.open(one.assets["nir"].href) as here, rasterio.open(other.assets["nir"].href) as there:
            warped = np.zeros(here.shape, "uint16")
            reproject(
                rasterio.band(there, 1), warped, dst_transform=here.transform, dst_crs=here.crs, resampling=Resampling.nearest
            )
            ours = here.read(1)
        common = warped != 0
        assert 0.2 < common.mean() < 0.6
        assert np.corrcoef(ours[common], warped[common])[0, 1] > 0.9
        assert np.median(np.abs(ours[common].astype(int) - warped[common])) <= 12


def test_a_window_of_partial_blocks_is_what_the_whole_says(items):
    with rasterio.open(items[SHIFTED].assets["nir"].href) as source:
        part = source.read(1, window=Window(400, 400, 80, 80))
        assert (part == source.read(1)[400:, 400:]).all()


def test_the_sun_stands_where_an_almanac_has_it():
    # NOAA's solar calculator for 45° N 0° E at equinox and solstice noon: 45.0°, 68.4°
    equinox, solstice = (sun_at(datetime(2025, month, day, 12, tzinfo=UTC), 0.0, 45.0) for month, day in ((3, 20), (6, 21)))
    assert equinox.elevation_deg == pytest.approx(45.0, abs=1)
    assert solstice.elevation_deg == pytest.approx(68.4, abs=1)
    assert equinox.azimuth_deg == pytest.approx(180, abs=3)
    morning = sun_at(datetime(2025, 6, 21, 6, tzinfo=UTC), 0.0, 45.0)
    assert 60 < morning.azimuth_deg < 90


@settings(max_examples=2)
@given(seed=st.integers(0, 2**64))
def test_any_world_can_be_seen(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("any")
    facts = publish_imagery(true_sites(100, seed), seed, folder)
    assert len(facts) == 12
    assert all(0 <= fact.cloud_cover_pct < 90 for fact in facts)
    assert sum(fact.size for fact in facts) < 6.5e6
