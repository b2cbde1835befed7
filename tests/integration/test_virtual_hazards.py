"""The ways in which virtual cubes corrupt data silently: each has a test here that it cannot happen."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - gives arrays .rio
import xarray as xr
import zarr
from range_server import RangeServer
from rasterio.transform import from_origin
from rasters import COLLECTION, FIRST_DATE, pixels, read_raster, same_bits, scene, write_raster

from dataflows.cubes import open_virtual
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.rasters.virtual_tiff_workarounds import referenced
from dataflows.cubes.references.refusals import Reason
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from dataflows.cubes.repository.storage import DATES_PER_MANIFEST
from dataflows.cubes.virtual import VirtualReport, build_virtual
from db.errors import CubeNotFoundError, SceneRefusedError, SourceChangedError, SourceError
from db.settings import Settings

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.filterwarnings("ignore:Imagecodecs codecs")


def dates(folder: Path, days: list[int], **profile) -> list:
    """One raster a day, each with pixels of its own."""
    return [scene(write_raster(folder / f"{day}.tif", pixels(seed=day), **profile), day) for day in days]


def reasons(report: VirtualReport) -> list[tuple[str, Reason]]:
    return [(refused.item_id, refused.reason) for refused in report.refusals]


def only_group(report: VirtualReport) -> str:
    (group,) = report.groups
    return group.path


# Hazard: concatenation takes another CRS, a shifted grid, another shape, nodata, type, codec or block size silently


@pytest.mark.parametrize(
    "other",
    [
        {"crs": "EPSG:32614"},
        {"transform": from_origin(400_003, 4_400_000, 10, 10)},
        {"transform": from_origin(400_000.01, 4_400_000, 10, 10)},
        {"transform": from_origin(400_000, 4_400_000, 10.001, 10.001)},
        {"nodata": 7},
        {"blockxsize": 128, "blockysize": 128},
        {"compress": "deflate"},
        {"compress": "deflate", "predictor": 2},
        {"endianness": "big"},
    ],
    ids=lambda profile: "-".join(f"{name}={value}" for name, value in profile.items())[:40],
)
def test_what_disagrees_goes_to_a_group_of_its_own(other, home, tmp_path):
    scenes = dates(tmp_path / "same", [0, 1, 3])
    odd = scene(write_raster(tmp_path / "odd.tif", pixels(seed=2), **other), 2)
    report = build_virtual([*scenes, odd], lake=home)
    assert report.refusals == ()
    assert sorted(group.dates for group in report.groups) == [1, 3]
    for group in report.groups:
        cube = open_virtual(group.path, lake=home)
        for place, item in enumerate(cube.item_id.values):
            (source,) = [entry.href for entry in [*scenes, odd] if entry.item_id == item]
            assert same_bits(cube.red[place].values, read_raster(source)[0])


@pytest.mark.parametrize("change", [{"dtype": "int16"}, {"shape": (150, 140)}, {"bands": 3}])
def test_other_types_shapes_and_bands_too(change, home, tmp_path):
    odd = scene(write_raster(tmp_path / "odd.tif", pixels(seed=2, **change)), 2)
    report = build_virtual([*dates(tmp_path, [0, 1]), odd], lake=home)
    assert sorted(group.dates for group in report.groups) == [1, 2]


def test_noise_below_a_millionth_of_a_pixel_is_the_same_grid(home, tmp_path):
    noisy = write_raster(tmp_path / "noisy.tif", pixels(), transform=from_origin(400_000 + 1e-8, 4_400_000, 10, 10))
    report = build_virtual([*dates(tmp_path, [0, 1]), scene(noisy, 2)], lake=home)
    assert [group.dates for group in report.groups] == [3]


def test_bands_of_other_names_are_not_mixed(home, tmp_path):
    one, other = (write_raster(tmp_path / f"{day}.tif", pixels("uint8", 3, seed=day)) for day in (0, 1))
    scenes = [scene(one, 0, bands=("red", "green", "blue")), scene(other, 1, bands=("blue", "green", "red"))]
    report = build_virtual(scenes, lake=home)
    assert [group.dates for group in report.groups] == [1, 1]
    for group, path in zip(sorted(report.groups, key=lambda group: len(group.path)), (one, other), strict=True):
        cube = open_virtual(group.path, lake=home)
        order = ("red", "green", "blue") if path == one else ("blue", "green", "red")
        assert all(same_bits(cube[band][0].values, read_raster(path)[place]) for place, band in enumerate(order))


# Hazard: time is not unique or not sorted, and Icechunk does not notice


def test_a_duplicate_time_is_refused_and_names_both_items(home, tmp_path):
    scenes = dates(tmp_path, [0, 1])
    twin = scene(write_raster(tmp_path / "twin.tif", pixels(seed=9)), 1, item_id="reprocessed")
    report = build_virtual([*scenes, twin], lake=home)
    assert reasons(report) == [("reprocessed", Reason.DUPLICATE_TIME)]
    assert "item-001" in report.refusals[0].detail
    with pytest.raises(SceneRefusedError, match=r"reprocessed red: item-001 is at 2025-01-11"):
        build_virtual([twin], lake=home, strict=True)
    assert same_bits(open_virtual(only_group(report), lake=home).red[1].values, read_raster(scenes[1].href)[0])


def test_dates_are_in_order_whatever_the_order_of_building(home, tmp_path):
    scenes = dates(tmp_path, [0, 1, 2, 3, 4, 5, 6], nodata=0)
    snapshots = []
    for part in ([3, 5], [0, 4], [6], [2, 1]):
        snapshots.append(build_virtual([scenes[day] for day in part], lake=home).snapshot_id)
    cube = open_virtual(COLLECTION, lake=home)
    assert list(cube.item_id.values) == [f"item-{day:03d}" for day in range(7)]
    assert (np.diff(cube.time.values) > np.timedelta64(0, "us")).all()
    assert all(same_bits(cube.red[day].values, read_raster(scenes[day].href)[0]) for day in range(7))
    assert [open_virtual(COLLECTION, as_of=snapshot, lake=home).sizes["time"] for snapshot in snapshots] == [2, 4, 5, 7]


def test_times_keep_their_microseconds(home, tmp_path):
    apart = [
        scene(entry.href, 0, item_id=entry.item_id, datetime=FIRST_DATE + timedelta(microseconds=place))
        for place, entry in enumerate(dates(tmp_path, [0, 1]))
    ]
    build_virtual(apart, lake=home)
    times = open_virtual(COLLECTION, lake=home).time.values
    assert times[1] - times[0] == np.timedelta64(1, "us")
    assert times[0] == np.datetime64(FIRST_DATE.replace(tzinfo=None))


# Hazard: a variable without grid_mapping is taken for EPSG:4326


def test_crs_transform_and_centres_are_what_rasterio_says(home, tmp_path):
    (entry,) = dates(tmp_path, [0])
    group = only_group(build_virtual([entry], lake=home))
    cube = open_virtual(group, lake=home)
    with rasterio.open(entry.href) as file:
        assert cube.red.rio.crs == file.crs
        assert cube.red.rio.transform() == file.transform
        assert tuple(cube.red.rio.bounds()) == tuple(file.bounds)
        x, y = file.xy(7, 11)
        assert (cube.x.values[11], cube.y.values[7]) == (x, y)
        assert list(cube.attrs["spatial:transform"]) == list(file.transform[:6])
    assert cube.attrs["proj:code"] == "EPSG:32613"
    assert cube.x.attrs["standard_name"] == "projection_x_coordinate"
    stored = zarr.open_group(store.open_readonly("virtual", lake=home).store, path=group, mode="r")
    assert stored["red"].attrs["grid_mapping"] == "spatial_ref"


# Hazard: scale_factor and add_offset leak into results


def test_digital_numbers_stay_digital_numbers(home, tmp_path):
    path = write_raster(tmp_path / "0.tif", pixels(), nodata=0)
    build_virtual([scene(path, 0, scale=0.0001, offset=-0.1)], lake=home)
    cube = open_virtual(COLLECTION, lake=home)
    assert same_bits(cube.red[0].values, read_raster(path)[0])
    assert not {"scale_factor", "add_offset"} & {*cube.red.attrs, *cube.red.encoding}
    assert (cube.reflectance_scale.item(), cube.reflectance_offset.item()) == (0.0001, -0.1)
    masked = open_virtual(COLLECTION, masked=True, lake=home).red[0].values
    wanted = read_raster(path)[0].astype("float32")
    assert np.array_equal(masked, np.where(wanted == 0, np.nan, wanted), equal_nan=True)


# Hazard: what is not there reads as a picture of zeros


def test_an_absent_asset_reads_as_nodata_and_says_so(home, tmp_path):
    red = dates(tmp_path / "red", [0, 1], nodata=7)
    nir = scene(write_raster(tmp_path / "nir.tif", pixels(seed=5), nodata=7), 0, asset="nir")
    build_virtual([*red, nir], lake=home)
    cube = open_virtual(COLLECTION, lake=home)
    assert (cube.nir[1].values == 7).all()
    assert cube.source_href.sel(asset="nir").values.tolist() == [Path(nir.href).as_uri(), ""]
    later = scene(write_raster(tmp_path / "later.tif", pixels(seed=6), nodata=7), 1, asset="nir")
    build_virtual([later], lake=home)
    assert same_bits(open_virtual(COLLECTION, lake=home).nir[1].values, read_raster(later.href)[0])


def test_without_nodata_a_scene_that_lacks_an_asset_is_refused(home, tmp_path):
    red = dates(tmp_path / "red", [0, 1])
    nir = scene(write_raster(tmp_path / "nir.tif", pixels(seed=5)), 0, asset="nir")
    report = build_virtual([*red, nir], lake=home)
    assert reasons(report) == [("item-001", Reason.ABSENT_ASSET)]
    assert open_virtual(COLLECTION, lake=home).sizes["time"] == 1
    green = scene(write_raster(tmp_path / "green.tif", pixels(seed=6)), 4, asset="green")
    assert reasons(build_virtual([green], lake=home)) == [("item-004", Reason.ABSENT_ASSET)]


def test_missing_broken_and_foreign_files_are_refused_by_name(home, tmp_path):
    good = dates(tmp_path, [0], compress="deflate")
    content = Path(good[0].href).read_bytes()
    broken = {"truncated": content[: len(content) // 2], "cut-header": content[:60], "empty": b"", "text": b"<html>404</html>"}
    for name, part in broken.items():
        (tmp_path / f"{name}.tif").write_bytes(part)
    names = [*broken, "missing"]
    scenes = [scene(tmp_path / f"{name}.tif", day, item_id=name) for day, name in enumerate(names, start=1)]
    report = build_virtual([*good, *scenes, scene(good[0].href, 9, item_id="no-date", datetime=None)], lake=home)
    assert dict(reasons(report)) == {
        **dict.fromkeys(names, Reason.UNREADABLE),
        "truncated": Reason.TRUNCATED,
        "no-date": Reason.NO_DATETIME,
    }
    assert open_virtual(COLLECTION, lake=home).sizes["time"] == 1


# Hazard: a source changes after it was referenced, and its new bytes are read at the places of the old ones


def test_a_changed_file_is_an_error_not_a_wrong_pixel(home, tmp_path):
    (entry,) = dates(tmp_path, [0])
    before = Path(entry.href).stat()
    build_virtual([entry], lake=home)
    write_raster(Path(entry.href), pixels(seed=99))
    assert Path(entry.href).stat().st_size == before.st_size
    with pytest.raises(SourceChangedError, match=r"0\.tif has changed since it was referenced"):
        open_virtual(COLLECTION, lake=home).red.values  # noqa: B018
    assert reasons(build_virtual([entry], lake=home)) == [("item-000", Reason.CHANGED)]
    assert build_virtual([entry], lake=home, replace_changed=True).snapshot_id
    assert same_bits(open_virtual(COLLECTION, lake=home).red[0].values, read_raster(entry.href)[0])


def test_a_changed_file_is_an_error_over_http(home, tmp_path):
    (entry,) = dates(tmp_path, [0])
    with RangeServer(tmp_path) as server:
        build_virtual([scene(f"{server.url}/0.tif")], lake=home)
        open_virtual(COLLECTION, lake=home).red.load()
        write_raster(Path(entry.href), pixels(seed=99))
        with pytest.raises(SourceChangedError, match=r"http://.*/0\.tif"):
            open_virtual(COLLECTION, lake=home).red.load()


@pytest.mark.parametrize("fault", [{"conditions": False}, {"etags": False}], ids=["ignores If-Match", "gives no ETag"])
def test_a_server_that_would_not_notice_a_change_is_refused(fault, home, tmp_path):
    dates(tmp_path, [0])
    with RangeServer(tmp_path, **fault) as server:
        assert reasons(build_virtual([scene(f"{server.url}/0.tif")], lake=home)) == [("item-000", Reason.UNVERIFIABLE)]


def test_a_replaced_raster_leaves_no_reference_of_the_old_one(home, tmp_path):
    values = pixels(seed=1)
    path = write_raster(tmp_path / "0.tif", values, nodata=0, sparse_ok="TRUE")
    build_virtual([scene(path)], lake=home)
    values[:, :64, :64] = 0
    write_raster(path, values, nodata=0, sparse_ok="TRUE")
    build_virtual([scene(path)], lake=home, replace_changed=True)
    assert same_bits(open_virtual(COLLECTION, lake=home).red.values, values)


def test_a_source_that_has_gone_is_an_error(home, tmp_path):
    (entry,) = dates(tmp_path, [0])
    build_virtual([entry], lake=home)
    Path(entry.href).unlink()
    with pytest.raises(SourceError, match=r"0\.tif cannot be read"):
        open_virtual(COLLECTION, lake=home).red.load()


# Hazard: readers that do not know virtual-tiff's codecs; keys in the repository


def test_another_process_reads_what_was_built_by_name_and_as_a_pickle(home, tmp_path):
    path = write_raster(tmp_path / "0.tif", pixels(), compress="lzw", predictor=2)
    build_virtual([scene(path)], lake=home)
    (tmp_path / "cube.pickle").write_bytes(pickle.dumps(open_virtual(COLLECTION, lake=home, chunks={}).red))
    # The pickle comes first: a worker knows nothing of our modules yet
    code = """if True:
        import pickle, sys
        print(int(pickle.load(open(sys.argv[1], "rb")).values.sum(dtype="int64")))
        from dataflows.cubes import open_virtual
        print(int(open_virtual("made-l2a").red.values.sum(dtype="int64")))
    """
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "cube.pickle")]
    environment = os.environ | {"EOPV_HOME": str(home.home)}
    printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert [int(line) for line in printed.stdout.split()] == [int(read_raster(path).sum(dtype="int64"))] * 2


def test_dask_reads_tiles_of_their_own(home, tmp_path):
    (entry,) = dates(tmp_path, [0], compress="deflate", predictor=2)
    build_virtual([entry], lake=home)
    cube = open_virtual(COLLECTION, lake=home, chunks={})
    assert cube.red.data.chunksize == (1, 64, 64)
    assert same_bits(cube.red.data.compute(scheduler="threads"), read_raster(entry.href))


def test_references_are_split_on_time(home, tmp_path):
    days = range(DATES_PER_MANIFEST + 6)
    for day in days:
        write_raster(tmp_path / f"{day}.tif", pixels(seed=day, shape=(16, 16)), tiled=False, blockysize=16)
    build_virtual([scene(tmp_path / f"{day}.tif", day) for day in days[:-1]], lake=home)
    report = build_virtual([scene(tmp_path / f"{days[-1]}.tif", days[-1])], lake=home)
    repo = store.repository("virtual", lake=home)
    newest, before, _ = repo.ancestry(branch="main")
    manifests = [{file.id: file.num_chunk_refs for file in repo.list_manifest_files(info.id)} for info in (before, newest)]
    full = [{name for name, count in found.items() if count == DATES_PER_MANIFEST} for found in manifests]
    # The full one is not written again for the new date
    assert full[0] == full[1]
    assert len(full[0]) == 1
    cube = open_virtual(report.groups[0].path, lake=home)
    assert same_bits(cube.red[-1].values, read_raster(tmp_path / f"{days[-1]}.tif")[0])


def test_by_pixel_files_without_predictor_need_no_codec_of_ours(home, tmp_path):
    path = write_raster(tmp_path / "0.tif", pixels("uint8", 4), interleave="pixel", compress="deflate")
    group = only_group(build_virtual([scene(path, asset="image")], lake=home))
    array = zarr.open_group(store.open_readonly("virtual", lake=home).store, path=group, mode="r")["image"]
    assert {codec.to_dict()["name"] for codec in array.metadata.codecs} == {"transpose", "bytes", "numcodecs.zlib"}


# One build is one commit, or nothing


def test_a_build_without_anything_new_makes_no_commit(home, tmp_path):
    scenes = dates(tmp_path, [0, 1])
    first = build_virtual(scenes, lake=home)
    again = build_virtual(list(reversed(scenes)), lake=home)
    assert (again.groups, again.refusals, again.snapshot_id, again.tag) == ((), (), None, None)
    repo = store.repository("virtual", lake=home)
    assert next(info.id for info in repo.ancestry(branch="main")) == first.snapshot_id
    assert repo.list_tags() == {first.tag}


def test_a_commit_says_where_it_came_from(home, tmp_path):
    entries = dates(tmp_path, [0, 1])
    checksums = ["1220" + hashlib.sha256(Path(entry.href).read_bytes()).hexdigest() for entry in entries]
    scenes = [scene(entry.href, day, version=3, checksum=checksums[day]) for day, entry in enumerate(entries)]
    origin = CommitMetadata(ducklake_snapshot_id=42, dbt_invocation_id="abc")
    report = build_virtual(scenes, lake=home, metadata=origin)
    build_virtual([*scenes, *dates(tmp_path, [2])], lake=home)
    newest, built, _ = store.repository("virtual", lake=home).ancestry(branch="main")
    found = CommitMetadata.of(built)
    assert built.id == report.snapshot_id
    assert (found.ducklake_snapshot_id, found.dbt_invocation_id) == (42, "abc")
    assert [(item.item_id, item.version, item.checksum) for item in found.items] == [
        ("item-000", 3, checksums[0]),
        ("item-001", 3, checksums[1]),
    ]
    assert all(item.etag for item in found.items)
    assert [item.item_id for item in CommitMetadata.of(newest).items] == ["item-002"]


def test_a_build_that_fails_while_it_writes_leaves_main_untouched(home, tmp_path, monkeypatch):
    scenes = dates(tmp_path, [0])
    before = build_virtual(scenes, lake=home)
    more = dates(tmp_path / "more", [1, 2])
    with pytest.raises(SourceError, match=r"damaged\.tif cannot be decoded"):
        build_virtual([*more, scene(damaged_raster(tmp_path), 4)], lake=home)
    repo = store.repository("virtual", lake=home)
    assert repo.lookup_branch("main") == before.snapshot_id
    assert repo.list_branches() == {"main"}
    assert open_virtual(COLLECTION, lake=home).sizes["time"] == 1


def damaged_raster(folder: Path) -> Path:
    """A raster whose first tile cannot be decompressed."""
    path = write_raster(folder / "damaged.tif", pixels("uint8"), compress="deflate")
    manifest = referenced(path.as_uri(), Access()).manifest
    start = int(manifest._offsets.flatten()[0])
    content = bytearray(path.read_bytes())
    content[start : start + 16] = b"\xff" * 16
    path.write_bytes(content)
    return path


def test_a_group_that_is_not_there_lists_those_that_are(home, tmp_path):
    with pytest.raises(CubeNotFoundError, match="no virtual cubes"):
        open_virtual(COLLECTION, lake=home)
    first, second = dates(tmp_path, [0]), dates(tmp_path / "b", [1], transform=from_origin(0, 0, 10, 10))
    build_virtual([*first, *second], lake=home)
    with pytest.raises(CubeNotFoundError, match=r"Several virtual groups .*made-l2a/epsg-32613/10-"):
        open_virtual(COLLECTION, lake=home)
    with pytest.raises(CubeNotFoundError, match=r"No virtual group is named 'other'.*made-l2a"):
        open_virtual("other", lake=home)


def test_nothing_but_metadata_is_read_at_opening(home, tmp_path):
    with RangeServer(tmp_path) as server:
        dates(tmp_path, [0, 1])
        build_virtual([scene(f"{server.url}/{day}.tif", day) for day in (0, 1)], lake=home)
        server.requests.clear()
        cube = open_virtual(COLLECTION, lake=home)
        assert server.requests == []
        cube.red[1, :64, :64].load()
        assert [path for path, _ in server.requests] == ["/1.tif"]


def test_a_lake_that_moved_still_reads_its_cubes(home, tmp_path):
    (entry,) = dates(tmp_path / "rasters", [0])
    build_virtual([entry], lake=home)
    moved = Settings(home=shutil.move(home.home, tmp_path / "moved"), _env_file=None)
    cube = open_virtual(COLLECTION, lake=moved)
    assert isinstance(cube, xr.Dataset)
    assert same_bits(cube.red.values, read_raster(entry.href))
