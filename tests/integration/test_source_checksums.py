"""Files that are not what their items promise give no pixel: to chips, to virtual cubes, to regions."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from chip_world import COLLECTION, COLUMNS, ROWS, Item, World, by_rasterio, opened, square
from range_server import RangeServer
from rasters import pixels, scene, write_raster
from region_lake import list_items, sample_items

from dataflows.cubes import open_virtual
from dataflows.cubes.chips import build_chips
from dataflows.cubes.rasters.access import Access, Verify
from dataflows.cubes.references.refusals import Reason
from dataflows.cubes.region.request import Region
from dataflows.cubes.regions import build_region
from dataflows.cubes.virtual import build_virtual

pytestmark = pytest.mark.filterwarnings("ignore:Imagecodecs codecs")


def sha256(path: Path | str) -> str:
    return "1220" + hashlib.sha256(Path(path).read_bytes()).hexdigest()


def spoil(path: Path | str) -> None:
    """Other pixels in a raster that is not compressed: nothing but its bytes tells."""
    path = Path(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 1000] = bytes(1000)
    path.write_bytes(content)


def with_checksums(item: Item) -> Item:
    return replace(item, assets=tuple(replace(asset, checksum=sha256(asset.href)) for asset in item.assets))


def test_chips_are_cut_from_the_next_best_scene(home, tmp_path):
    world = World(tmp_path, {"a": square(1000, 1000)})
    best, next_best = (with_checksums(world.scene(3, day=day, rank=rank)) for rank, day in ((1, 5), (2, 20)))
    world.items[:] = [best, next_best]
    red = best.assets[0]
    world.asset(f"{best.item_id}/red.tif", "red", np.full((ROWS, COLUMNS), 77, np.uint16), 10)
    result = build_chips(world.plan(), size=32, lake=home)
    cube = opened(home)
    assert (cube.item_id.values == next_best.item_id).all()
    expected = by_rasterio(next_best.assets[0].href, cube.transform.values[0], 32)
    np.testing.assert_array_equal(cube.pixels.values[0, 0, list(cube.band.values).index("red")], expected)
    (failure,) = result.failures
    assert failure.item_id == best.item_id
    assert f"{COLLECTION}/{best.item_id} red: {Path(red.href).as_uri()} has sha256" in failure.reason
    # A build that was asked not to compare takes it
    build_chips(world.plan(), size=32, lake=home, access=Access(verify=Verify.NEVER))
    assert (opened(home).item_id.values == best.item_id).all()


def test_virtual_cubes_refuse_it_by_name_until_it_is_what_was_promised(home, tmp_path):
    path = write_raster(tmp_path / "0.tif", pixels(seed=1))
    published = path.read_bytes()
    entry = scene(path, checksum=sha256(path))
    spoil(path)
    other = write_raster(tmp_path / "1.tif", pixels(seed=2))
    # Of the same date: it has the place that the refused one leaves
    report = build_virtual([entry, scene(other, item_id="other", checksum=sha256(other))], lake=home)
    (refused,) = report.refusals
    assert (refused.item_id, refused.asset_key, refused.reason) == ("item-000", "red", Reason.CHECKSUM)
    assert path.as_uri() in refused.detail
    assert open_virtual(report.groups[0].path, lake=home).item_id.values.tolist() == ["other"]
    path.write_bytes(published)
    later = replace(entry, datetime=entry.datetime.replace(year=2026))
    assert build_virtual([later], lake=home).refusals == ()


def test_remote_files_are_fetched_whole_only_when_asked_for_and_once(home, tmp_path):
    path = write_raster(tmp_path / "0.tif", pixels(seed=1))
    always = Access(verify=Verify.ALWAYS)
    with RangeServer(tmp_path) as server:

        def fetched_whole() -> int:
            found = [headers for _, headers in server.requests if "Range" not in headers]
            server.requests.clear()
            return len(found)

        entry = scene(f"{server.url}/0.tif", checksum=sha256(path))
        assert build_virtual([entry], lake=home).snapshot_id
        by_default = fetched_whole()
        later = replace(entry, datetime=entry.datetime.replace(year=2026), item_id="later")
        assert build_virtual([later], lake=home, access=always).snapshot_id
        assert fetched_whole() == by_default + 1
        # What is referenced already is not compared again
        assert build_virtual([entry, later], lake=home, access=always).snapshot_id is None
        assert fetched_whole() == by_default
        wrong = replace(entry, datetime=entry.datetime.replace(year=2027), item_id="wrong", checksum="1220" + "0" * 64)
        report = build_virtual([wrong], lake=home, access=always)
        assert [refused.reason for refused in report.refusals] == [Reason.CHECKSUM]


def test_regions_leave_the_scene_out(home, sample_world, tmp_path):
    items = [item.clone() for item in sample_items(sample_world) if item.id.startswith("HELIA_T27_2025")][:2]
    for item in items:
        item.collection_id = COLLECTION
    red = Path(items[0].assets["red"].href.removeprefix("file://"))
    copy = tmp_path / red.name
    copy.write_bytes(red.read_bytes() + b"\0")
    items[0].assets["red"].href = str(copy)
    list_items(home, items)
    zone = shapely.box(-20.56, 44.776, -20.5, 44.83)
    done = build_region(Region("left-out", zone, COLLECTION, bands=("red",)), lake=home)
    assert [(refused.item_id, refused.asset_key) for refused in done.refusals] == [(items[0].id, "red")]
    assert "has sha256" in done.refusals[0].reason
    assert done.scenes == (items[1].id,)
