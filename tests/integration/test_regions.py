"""Regions of the sample world, which lies in two UTM zones: against the same mosaics by pyproj, rasterio and NumPy."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import h3.api.basic_int as h3
import numpy as np
import obstore
import pyproj
import pytest
import rasterio
import shapely
import yaml
from chip_world import ASSETS
from distributed import Client, LocalCluster
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from region_lake import ITEMS, by_day, clear_reflectance, list_items, sample_items

from dataflows.cubes import open_region
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.region.mosaic import Method
from dataflows.cubes.region.request import Period, Region
from dataflows.cubes.regions import RegionBuild, build_region
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from db import connect, services
from db.errors import CubeError, CubeNotFoundError, LakeError
from db.settings import REPOSITORY_ROOT, Settings

COLLECTION = "helia-s2-l2a"
BANDS = ("red", "nir")
ZONE = shapely.box(-20.53, 44.792, -20.50, 44.806)
BROKEN = "HELIA_T27_20251026"


@pytest.fixture(scope="module")
def items(sample_world):
    return sample_items(sample_world)


@pytest.fixture(scope="module")
def lake(items, tmp_path_factory) -> Settings:
    """Lists the sample's scenes; holds the regions of this module."""
    lake = Settings(home=tmp_path_factory.mktemp("regions") / "home", _env_file=None)
    list_items(lake, items)
    return lake


def built(lake: Settings, method: Method, **more) -> RegionBuild:
    return build_region(Region(f"sample-{method}", ZONE, COLLECTION, bands=BANDS, method=method, **more), lake=lake)


@pytest.fixture(scope="module")
def median(lake) -> RegionBuild:
    return built(lake, Method.MEDIAN)


@pytest.fixture(scope="module")
def expected(items, median):
    """Reflectance of a band of every scene on the region's grid, and where that is sure."""
    grid = median.grid.epsg, median.grid.transform, median.grid.shape
    return cache(lambda item, band: clear_reflectance(items[item], band, BANDS, *grid))


def months(items) -> dict[str, list[int]]:
    """Places of the items of each month; the broken one has red and nir, so that it is not missed here."""
    found: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        found.setdefault(f"{item.datetime:%Y-%m}-01", []).append(place)
    return found


def test_the_grid_is_the_zones(median):
    utm = pyproj.Transformer.from_crs(4326, 32627, always_xy=True)
    assert median.grid.epsg == 32627
    assert median.grid.resolution == (10, 10)
    assert median.grid.transform.c % 10 == median.grid.transform.f % 10 == 0
    edge = shapely.segmentize(ZONE, 1e-4).exterior.coords
    x, y = utm.transform(*np.array(edge).T)
    west, south, east, north = median.grid.bounds.bbox
    for inner, outer in ((x.min(), west), (y.min(), south), (-x.max(), -east), (-y.max(), -north)):
        assert 0 <= inner - outer < 10.01


@pytest.mark.filterwarnings("ignore:All-NaN slice")
def test_median_of_a_month(lake, items, median, expected):
    cube = open_region("sample-median", lake=lake).load()
    assert [str(time)[:10] for time in cube.time.values] == sorted(months(items))
    compared = mixed = 0
    for time, (month, places) in enumerate(sorted(months(items).items())):
        sure = np.all([expected(place, "red")[1] for place in places], axis=0)
        for band in BANDS:
            days = by_day(items, places, {place: expected(place, band)[0] for place in places})
            truth = np.nanmedian(days, axis=0)
            np.testing.assert_allclose(cube[band].values[time][sure], truth[sure], atol=2e-7, err_msg=f"{month} {band}")
            compared += int((sure & ~np.isnan(truth)).sum())
        observed = np.sum([~np.isnan(day) for day in days], axis=0)
        np.testing.assert_array_equal(cube.observations.values[time][sure], observed[sure])
        mixed += int((observed > 1).sum())
    assert compared > 100_000
    # June has two dates
    assert mixed > 1000
    assert (cube.scene.values == -1).all()


def test_pixels_of_the_regions_own_zone_are_copied(lake, items):
    """Where one UTM zone is enough, every pixel is that of the file."""
    february = datetime(2025, 2, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC)
    west = shapely.box(-20.555, 44.79, -20.54, 44.80)
    region = Region("west", west, COLLECTION, *february, bands=BANDS, method=Method.LEAST_CLOUDY)
    grid = build_region(region, lake=lake).grid
    cube = open_region("west", lake=lake).load()
    (place,) = [place for place, item in enumerate(items) if item.id == "HELIA_T27_20250212"]
    with rasterio.open(items[place].assets["red"].href) as red:
        window = rasterio.windows.from_bounds(*grid.bounds.bbox, transform=red.transform)
        numbers = red.read(1, window=window)
    clear = cube.scene.values[0] == list(cube.item_id.values).index("HELIA_T27_20250212")
    assert clear.mean() > 0.3
    np.testing.assert_array_equal(cube.red.values[0][clear], (numbers[clear] * 1e-4).astype(np.float32))


@pytest.mark.filterwarnings("ignore:All-NaN slice")
def test_least_cloudy(lake, items, expected):
    done = built(lake, Method.LEAST_CLOUDY)
    cube = open_region("sample-least_cloudy", lake=lake).load()
    names = [item.id for item in items]
    order = {}
    zone = cube.zone.values
    for place, item in enumerate(items):
        share = float((zone * ~np.isnan(expected(place, "red")[0])).sum() / zone.sum())
        order[item.id] = share
        stated = cube.item_clear_share.values[list(cube.item_id.values).index(item.id)]
        assert stated == pytest.approx(share, abs=0.02), item.id
    assert max(order.values()) > 0.9
    assert min(order.values()) < 0.5
    compared = 0
    for time, (_, places) in enumerate(sorted(months(items).items())):
        ranked = sorted(places, key=lambda place: -cube.item_clear_share.values[done.scenes.index(names[place])])
        sure = np.all([expected(place, "red")[1] for place in places], axis=0)
        planes = np.stack([expected(place, "red")[0] for place in ranked])
        first = np.isfinite(planes).argmax(axis=0)
        some = np.isfinite(planes).any(axis=0)
        truth = np.take_along_axis(planes, first[None], axis=0)[0]
        np.testing.assert_allclose(cube.red.values[time][sure], truth[sure], atol=2e-7)
        origin = cube.scene.values[time]
        assert (origin[sure & ~some] == -1).all()
        of = np.array([done.scenes.index(names[place]) for place in ranked])[first]
        np.testing.assert_array_equal(origin[sure & some], of[sure & some])
        compared += int((sure & some).sum())
    assert compared > 50_000


def test_the_share_of_pixels_within_an_h3_cell(lake):
    cell = h3.latlng_to_cell(44.8, -20.515, 8)
    grid = build_region(Region("cell", cell, COLLECTION, bands=("red",), period=Period.ALL), lake=lake).grid
    cube = open_region("cell", lake=lake).load()
    assert cube.sizes["time"] == 1
    boundary = shapely.Polygon([(lng, lat) for lat, lng in h3.cell_to_boundary(cell)])
    utm = pyproj.Transformer.from_crs(4326, grid.epsg, always_xy=True)
    outline = shapely.transform(
        shapely.segmentize(boundary, 1e-5), lambda xy: np.stack(utm.transform(xy[:, 0], xy[:, 1]), axis=1)
    )
    raster = NumPyRasterSource(np.ones(grid.shape), *(grid.bounds.bbox[index] for index in (0, 1, 2, 3)))
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(outline)}
    (found,) = exact_extract(raster, [feature], ["coverage", "cell_id"])
    truth = np.zeros(grid.shape)
    truth.ravel()[np.asarray(found["properties"]["cell_id"], int)] = found["properties"]["coverage"]
    np.testing.assert_allclose(cube.zone.values, truth, atol=2e-3)
    assert cube.zone.values.sum() * 100 == pytest.approx(outline.area, rel=1e-6)


def test_another_crs_resolution_and_resampling(lake, median):
    region = Region("degrees", ZONE, COLLECTION, bands=("red",), period=Period.YEAR, epsg=4326, resolution=2e-4)
    build_region(region, lake=lake)
    cube = open_region("degrees", lake=lake).load()
    assert pyproj.CRS.from_cf(cube.spatial_ref.attrs).to_epsg() == 4326
    assert {cube[name].encoding["grid_mapping"] for name in cube.data_vars} == {"spatial_ref"}
    metres = open_region("sample-median", lake=lake).load()
    assert float(cube.red.mean()) == pytest.approx(float(metres.red.mean()), rel=0.1)
    build_region(Region("coarse", ZONE, COLLECTION, bands=("red",), resolution=100, resampling="average"), lake=lake)
    coarse = open_region("coarse", lake=lake).load()
    assert coarse.attrs["spatial:transform"][0] == 100
    assert np.nanstd(coarse.red.values) < np.nanstd(metres.red.values)


def test_a_broken_file_is_named_and_what_the_commit_says(lake, items):
    done = build_region(Region("all-bands", ZONE, COLLECTION, since=datetime(2025, 10, 1, tzinfo=UTC)), lake=lake)
    assert done.bands == ("blue", "green", "red", "nir", "swir16")
    assert [(refused.item_id, refused.asset_key) for refused in done.refusals] == [(BROKEN, "swir16")]
    assert "truncated" in done.refusals[0].reason
    assert done.scenes == ("HELIA_T28_20251026",)
    said = CommitMetadata.of(store.repository("regions", lake=lake).lookup_snapshot(done.snapshot_id))
    assert said.parameters["region"] == "all-bands"
    assert said.ducklake_snapshot_id is not None
    (item,) = [item for item in items if item.id == "HELIA_T28_20251026"]
    assert {(each.asset_key, each.checksum) for each in said.items} == {
        (key, asset.extra_fields.get("file:checksum")) for key, asset in item.assets.items() if asset.href.endswith(".tif")
    }


def test_nothing_new_no_commit_and_older_versions(lake):
    since_may = {"name": "again", "since": datetime(2025, 5, 1, tzinfo=UTC)}
    first = build_region(Region("again", ZONE, COLLECTION, bands=("red",)), lake=lake)
    assert build_region(Region("again", ZONE, COLLECTION, bands=("red",)), lake=lake).snapshot_id is None
    before = open_region("again", lake=lake).load()
    second = build_region(Region(zone=ZONE, collection=COLLECTION, bands=("red",), **since_may), lake=lake)
    assert second.snapshot_id not in (None, first.snapshot_id)
    assert open_region("again", lake=lake).sizes["time"] == 3
    for version in (first.snapshot_id, first.tag):
        again = open_region("again", as_of=version, lake=lake)
        assert again.sizes["time"] == 5
        np.testing.assert_array_equal(again.red.values, before.red.values)


def test_a_file_that_breaks_while_it_is_read_leaves_no_trace(items, tmp_path):
    lake = Settings(home=tmp_path / "home", _env_file=None)
    (item,) = [item.clone() for item in items if item.id == "HELIA_T27_20250418"]
    item.collection_id = COLLECTION
    for asset in item.assets.values():
        if asset.href.endswith(".tif"):
            asset.href = str(shutil.copy(asset.href.removeprefix("file://"), tmp_path / Path(asset.href).name))
            # With one the file would be refused before it is read
            del asset.extra_fields["file:checksum"]
    list_items(lake, [item])
    spoilt = Path(item.assets["red"].href)
    content = bytearray(spoilt.read_bytes())
    # The directory says where tiles are: what they hold is noise now
    content[len(content) // 2 : len(content) // 2 + 4000] = bytes(4000)
    spoilt.write_bytes(content)
    with pytest.raises(CubeError, match=r"B04\.tif cannot be read"):
        build_region(Region("spoilt", shapely.box(-20.56, 44.776, -20.5, 44.83), COLLECTION, bands=("red",)), lake=lake)
    with pytest.raises(CubeNotFoundError):
        open_region("spoilt", lake=lake)


def test_processes_of_a_cluster_make_the_same(lake, median):
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        done = build_region(Region("scaled", ZONE, COLLECTION, bands=BANDS), lake=lake)
    assert done.snapshot_id is not None
    alone, together = (open_region(name, lake=lake).load().drop_attrs() for name in (median.path, "scaled"))
    assert alone.identical(together)


@pytest.mark.xdist_group("services")
def test_sources_and_repository_on_s3(items, lake, median, dev, tmp_path):
    up = services.endpoints(dev)
    on_s3 = Settings(
        home=tmp_path / "home",
        data_path=f"s3://{up.bucket}/{tmp_path.name}/",
        s3_endpoint=up.s3_endpoint,
        s3_access_key_id=up.s3_access_key_id,
        s3_secret_access_key=up.s3_secret_access_key,
        _env_file=None,
    )
    bucket, _ = Access.of(on_s3).open(f"s3://{up.bucket}/x")
    moved = [item.clone() for item in items if item.datetime.month == 6]
    for item in moved:
        item.collection_id = COLLECTION
        for name in (*BANDS, "scl"):
            asset = item.assets[name]
            key = f"regions/{item.id}/{name}.tif"
            obstore.put(bucket, key, Path(asset.href.removeprefix("file://")).read_bytes())
            asset.href = f"s3://{up.bucket}/{key}"
    list_items(on_s3, moved)
    assert built(on_s3, Method.MEDIAN).refusals == ()
    there, here = open_region("sample-median", lake=on_s3).load(), open_region("sample-median", lake=lake)
    assert here.sizes["time"] > there.sizes["time"] == 1
    for band in BANDS:
        np.testing.assert_array_equal(there[band].values, here[band].sel(time=there.time).values)


def test_what_is_not_possible(lake, tmp_path):
    def asked(**more) -> Region:
        return Region(**{"name": "x", "zone": ZONE, "collection": COLLECTION, **more})

    for more, message in (
        ({"name": "a/b"}, "no name of a region"),
        ({"zone": shapely.Point(0, 0)}, "valid polygon"),
        ({"zone": shapely.box(4e5, 4e6, 5e5, 5e6)}, "no degrees"),
        ({"zone": "nonsense"}, "no H3 cell"),
        ({"collection": "other"}, "no scene"),
        ({"resampling": "magic"}, "no resampling"),
        ({"bands": ("ultraviolet",)}, "can be used: it has no ultraviolet"),
        ({"epsg": 4326}, "Name a resolution"),
        ({"resolution": -1.0}, "not possible"),
        ({"since": datetime(2025, 1, 1)}, "no time zone"),  # noqa: DTZ001 - that is the point
        ({"zone": shapely.box(-20.6, 44.9, -20.5, 45.0)}, "no scene"),
    ):
        with pytest.raises(CubeError, match=message):
            build_region(asked(**more), lake=lake)
    with pytest.raises(LakeError, match="eopv stac"):
        build_region(asked(), lake=_empty(tmp_path))


def _empty(folder: Path) -> Settings:
    lake = Settings(home=folder / "empty", _env_file=None)
    with connect(lake=lake):
        return lake


def test_the_tables_here_have_columns_of_staging():
    models = yaml.safe_load((REPOSITORY_ROOT / "eo-pv-elt/models/staging/scenes/scenes.yml").read_text())["models"]
    columns = {model["name"]: {column["name"] for column in model["columns"]} for model in models}
    assert set(ITEMS.names) <= columns["stg_stac_items"]
    assert set(ASSETS.names) <= columns["stg_stac_assets"]
