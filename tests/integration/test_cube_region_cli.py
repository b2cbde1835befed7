"""``eopv cube region``: what it makes is the region that was asked for, in whichever way its zone was given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import h3
import numpy as np
import pystac
import pytest
import shapely
from affine import Affine
from command_line import Ran, ran
from region_lake import by_day, clear_reflectance, list_items, sample_items

from dataflows.cubes import open_region
from db.settings import Settings, using

COLLECTION = "helia-s2-l2a"
HALVES = (shapely.box(-20.53, 44.792, -20.515, 44.806), shapely.box(-20.515, 44.792, -20.50, 44.806))
ZONE = shapely.union_all(HALVES)
BROKEN = "HELIA_T27_20251026"


@pytest.fixture(scope="module")
def items(sample_world) -> list[pystac.Item]:
    return sample_items(sample_world)


@pytest.fixture(scope="module", autouse=True)
def lake(items, tmp_path_factory) -> Iterator[Settings]:
    lake = Settings(home=tmp_path_factory.mktemp("region-cli") / "home", _env_file=None)
    list_items(lake, items)
    with using(lake):
        yield lake


@pytest.fixture(scope="module")
def district(tmp_path_factory) -> Path:
    """An area of two polygons, in a file in UTM."""
    file = tmp_path_factory.mktemp("districts") / "district.gpkg"
    gpd.GeoDataFrame({"name": ["west", "east"]}, geometry=list(HALVES), crs=4326).to_crs(32627).to_file(file)
    return file


def region(name: str, *options: object) -> Ran:
    return ran("cube", "region", name, COLLECTION, *options)


@pytest.mark.filterwarnings("ignore:All-NaN slice")
def test_the_polygons_of_a_file_in_another_crs(items, lake, district):
    done = region("district", "--polygons", district, "--bands", "red,nir", "--from", "2025-04", "--to", "2025-06", "--json")
    assert done.code == 0, done.err
    made = done.json
    meant = [item for item in items if "2025-04" <= f"{item.datetime:%Y-%m}" <= "2025-06"]
    assert made["scenes"] == [item.id for item in sorted(meant, key=lambda item: (item.datetime, item.id))]
    assert made["periods"] == sorted({f"{item.datetime:%Y-%m}-01" for item in meant})
    cube = open_region("district", lake=lake).load()
    grid = made["epsg"], Affine(*made["transform"]), tuple(made["shape"])
    compared = 0
    for time, month in enumerate(made["periods"]):
        places = [place for place, item in enumerate(items) if f"{item.datetime:%Y-%m}-01" == month]
        truth = {place: clear_reflectance(items[place], "red", ("red", "nir"), *grid) for place in places}
        sure = np.all([known for _, known in truth.values()], axis=0)
        median = np.nanmedian(by_day(items, places, {place: values for place, (values, _) in truth.items()}), axis=0)
        np.testing.assert_allclose(cube.red.values[time][sure], median[sure], atol=2e-7)
        compared += int((sure & ~np.isnan(median)).sum())
    assert compared > 10_000
    # The halves are one region: no seam between them, and its area on the ground is that of both
    area = gpd.GeoSeries([ZONE], crs=4326).to_crs(made["epsg"]).area.iloc[0]
    assert float(cube.zone.sum()) * 100 == pytest.approx(area, rel=1e-3)
    again = region("district", "--polygons", district, "--bands", "red,nir", "--from", "2025-04-01", "--to", "2025-06-30")
    assert (again.code, "nothing new" in again.out) == (0, True)


def test_a_cell_a_year_and_the_clearest_day(lake):
    cell = h3.latlng_to_cell(44.799, -20.515, 8)
    done = region("cell", "--cell", cell, "--bands", "red", "--period", "year", "--composite", "least_cloudy")
    assert done.code == 0, done.err
    assert "32627" in done.out
    cube = open_region("cell", lake=lake)
    assert [str(time)[:10] for time in cube.time.values] == ["2025-01-01"]
    clearest = cube.item_clear_share.values.argmax()
    assert (cube.scene.values[cube.observations.values > 0] >= 0).all()
    assert np.bincount(cube.scene.values[cube.scene.values >= 0]).argmax() == clearest


def test_a_scene_that_cannot_be_used_is_said(lake):
    west, south, east, north = ZONE.bounds
    box = ("--bbox", west, south, east, north)
    done = region("box", *box, "--bands", "red,swir16", "--from", "2025-10-26", "--to", "2025-10-26")
    assert done.code == 3
    assert f"not used: {BROKEN}" in done.err
    assert "truncated" in done.err
    assert list(open_region("box", lake=lake).item_id.values) == ["HELIA_T28_20251026"]
    # A day less, and there is none
    assert region("box", *box, "--from", "2025-10-26", "--to", "2025-10-25").err.startswith("cube: ")


def test_what_is_no_zone_is_refused(tmp_path):
    points, nowhere, words = (tmp_path / name for name in ("points.geojson", "nowhere.shp", "words.geojson"))
    gpd.GeoSeries([shapely.Point(-20.5, 44.8)], crs=4326).to_file(points)
    gpd.GeoSeries([ZONE]).to_file(nowhere)
    words.write_text("no polygon")
    twisted = tmp_path / "twisted.geojson"
    ring = [[-20.53, 44.79], [-20.50, 44.80], [-20.50, 44.79], [-20.53, 44.80], [-20.53, 44.79]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    twisted.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    for options, said in (
        ((), "settings: A region is one cell"),
        (("--cell", "88392", "--bbox", 1, 2, 3, 4), "settings: A region is one cell"),
        (("--bbox", 1, 4, 3, 2), "settings: (1.0, 4.0, 3.0, 2.0) is no bounding box"),
        (("--cell", "nonsense"), "cube: 'nonsense' is no H3 cell"),
        (("--polygons", points), f"cube: {points} does not hold polygons"),
        (("--polygons", nowhere), f"cube: {nowhere} names no CRS"),
        (("--polygons", words), f"cube: {words} cannot be read"),
        (("--polygons", twisted), f"cube: {twisted} has an invalid polygon: Self-intersection"),
    ):
        failed = region("x", *options)
        assert failed.code == 1
        assert failed.err.startswith(said), failed.err
    for usage in (("--to", "June"), ("--composite", "mean"), ("--polygons", tmp_path / "none.gpkg")):
        assert region("x", *usage).code == 2
