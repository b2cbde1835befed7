"""NAIP as published: ten dates of one quad on grids 0.6 to 3 m apart, and crops in five UTM zones, as virtual cubes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

from dataflows.cubes import open_virtual
from dataflows.cubes.references.scenes import SceneAsset
from dataflows.cubes.virtual import VirtualReport, build_virtual
from db.settings import Settings

pytestmark = pytest.mark.realdata

BANDS = ("red", "green", "blue", "nir")


def naip(folder: Path, collection: str) -> list[SceneAsset]:
    """A scene a file; the first eight digits of its name are the date."""
    dated = [(re.search(r"_(\d{8})(?=[_.-])", file.name), file) for file in sorted(folder.glob("*.tif"))]
    return [
        SceneAsset(
            collection, file.stem, "image", str(file), datetime.strptime(date[1], "%Y%m%d").replace(tzinfo=UTC), bands=BANDS
        )
        for date, file in dated
        if date
    ]


def grids(scenes: list[SceneAsset]) -> dict[tuple, list[str]]:
    """Items by what rasterio says of grid and storage."""
    found: dict[tuple, list[str]] = {}
    for scene in scenes:
        with rasterio.open(scene.href) as file:
            facts = (
                file.crs.to_epsg(),
                file.transform,
                file.shape,
                file.block_shapes,
                file.dtypes,
                file.compression,
                file.nodata,
            )
            found.setdefault((*map(str, facts), str(file.tags(ns="IMAGE_STRUCTURE"))), []).append(scene.item_id)
    return found


def wrong_pixels(report: VirtualReport, scenes: list[SceneAsset], lake: Settings) -> int:
    """Pixels of virtual cubes that are not what rasterio reads."""
    hrefs = {scene.item_id: scene.href for scene in scenes}
    wrong = 0
    for group in report.groups:
        cube = open_virtual(group.path, lake=lake, split_bands=False)
        for place, item in enumerate(cube.item_id.values):
            with rasterio.open(hrefs[str(item)]) as file:
                wrong += int((cube.image[place].values != file.read()).sum())
                assert cube.x.values[0] == file.xy(0, 0)[0]
                assert cube.y.values[-1] == file.xy(file.height - 1, 0)[1]
    return wrong


def test_the_time_series_of_a_quad(mirror, home):
    scenes = naip(mirror / "rasters" / "naip_timeseries_opengeos", "naip")
    assert len(scenes) == 10
    report = build_virtual(scenes, lake=home)
    assert report.refusals == ()
    assert sum(group.dates for group in report.groups) == 10
    assert sorted(group.dates for group in report.groups) == sorted(len(items) for items in grids(scenes).values())
    held = [sorted(str(item) for item in open_virtual(group.path, lake=home).item_id.values) for group in report.groups]
    assert sorted(held) == sorted(grids(scenes).values())
    assert wrong_pixels(report, scenes, home) == 0
    assert build_virtual(scenes, lake=home).snapshot_id is None


def test_bands_of_a_quad_have_their_names(mirror, home):
    scenes = naip(mirror / "rasters" / "naip_timeseries_opengeos", "naip")[-1:]
    (group,) = build_virtual(scenes, lake=home).groups
    cube = open_virtual(group.path, lake=home)
    assert set(cube.data_vars) == set(BANDS)
    with rasterio.open(scenes[0].href) as file:
        for place, band in enumerate(BANDS, start=1):
            assert np.array_equal(cube[band][0].values, file.read(place))


def test_crops_in_five_zones_are_in_groups_of_their_own(mirror, home):
    scenes = naip(mirror / "rasters" / "naip_stactools", "naip-crops")
    assert len(scenes) == 6
    report = build_virtual(scenes, lake=home)
    in_cubes = {str(item) for group in report.groups for item in open_virtual(group.path, lake=home).item_id.values}
    refused = {refusal.item_id for refusal in report.refusals}
    assert in_cubes | refused == {scene.item_id for scene in scenes}
    assert not in_cubes & refused
    assert wrong_pixels(report, scenes, home) == 0
    with_codes = {group.path.split("/")[1] for group in report.groups}
    wanted = set()
    for scene in scenes:
        if scene.item_id in in_cubes:
            with rasterio.open(scene.href) as file:
                wanted.add(f"epsg-{file.crs.to_epsg()}")
    assert with_codes == wanted
