"""Assets as rows: bands, grid, scale and no-data of every version of the extensions."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from stac_world import stac_item

from dataflows.raw.stac_assets import asset_rows


def row(asset: dict[str, Any], **properties: Any) -> dict[str, Any]:
    item = stac_item(properties=properties)
    item["assets"] = {"a": {"href": "x", **asset}}
    return asset_rows(item)[0]


def test_an_asset_of_eo_and_raster_1_0() -> None:
    red, thumbnail = asset_rows(stac_item(2, properties={"gsd": 10}))
    extra = json.loads(red.pop("extra"))
    assert red == {
        "asset_key": "red",
        "href": "https://example.org/2/red.tif",
        "media_type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data"],
        "title": None,
        "bands": ["red"],
        "gsd_m": 10.0,
        "epsg": 32632,
        "proj_shape": [100, 200],
        "proj_transform": [10.0, 0.0, 600000.0, 0.0, -10.0, 5600000.0],
        "data_type": "uint16",
        "nodata": 0.0,
        "scale": 0.0001,
        "value_offset": -0.1,
        "checksum": None,
    }
    assert set(extra) == {"eo:bands", "raster:bands"}
    assert (thumbnail["epsg"], thumbnail["proj_shape"], thumbnail["gsd_m"]) == (None, None, 10.0)


def test_an_asset_of_stac_1_1() -> None:
    bands = [{"name": "B04", "eo:common_name": "red", "nodata": 0}, {"name": "B08", "nodata": 0}]
    found = row({"bands": bands, "data_type": "uint16", "raster:scale": 0.5, "proj:code": "EPSG:4326"})
    assert (found["bands"], found["nodata"], found["data_type"], found["scale"]) == (["red", "B08"], 0.0, "uint16", 0.5)
    assert found["epsg"] == 4326


@pytest.mark.parametrize(
    ("asset", "column", "expected"),
    [
        ({"raster:bands": [{"nodata": 0}, {"nodata": 255}]}, "nodata", None),
        ({"raster:bands": [{"nodata": 0}, {}]}, "nodata", None),
        ({"raster:bands": [{"scale": 2}, {"scale": 2}]}, "scale", 2.0),
        ({"raster:bands": [{"nodata": "-inf"}]}, "nodata", -math.inf),
        ({"raster:bands": {"nodata": 3}}, "nodata", None),
        ({"bands": [{"name": "a"}, {}]}, "bands", ["a", None]),
        ({"raster:bands": [{}, {}]}, "bands", None),
        ({"eo:bands": [{"name": "B1"}], "bands": [{"name": "b"}]}, "bands", ["b"]),
        ({"eo:bands": [{"name": "B4", "gsd": 30}, {"name": "B8", "gsd": 15}]}, "gsd_m", 15.0),
        ({"gsd": 20, "eo:bands": [{"name": "B4", "gsd": 30}]}, "gsd_m", 20.0),
        ({"file:checksum": "1220abcd"}, "checksum", "1220abcd"),
        ({"roles": "data"}, "roles", None),
        ({"proj:code": "IAU_2015:30100"}, "epsg", 32632),
        ({"proj:epsg": 3857}, "epsg", 3857),
        ({"proj:epsg": 3857}, "proj_transform", None),
        ({"proj:shape": [5, 6]}, "proj_transform", None),
        ({"proj:shape": [5, 6]}, "proj_shape", [5, 6]),
        ({"proj:shape": [0, 6]}, "proj_shape", [100, 200]),
        ({"proj:transform": [30, 0, 1, 0, -30, 2, 0, 0, 1]}, "proj_transform", [30.0, 0.0, 1.0, 0.0, -30.0, 2.0]),
        ({"proj:transform": [0, 0, 0, 0, 0, 0]}, "proj_transform", [10.0, 0.0, 600000.0, 0.0, -10.0, 5600000.0]),
        ({"roles": ["overview"]}, "epsg", None),
        ({"roles": ["overview"], "proj:epsg": 3857}, "epsg", 3857),
    ],
)
def test_one_value(asset: dict[str, Any], column: str, expected: Any) -> None:
    assert row(asset)[column] == expected


def test_not_a_number_is_no_data_too() -> None:
    assert math.isnan(row({"bands": [{"nodata": "nan"}]})["nodata"])
