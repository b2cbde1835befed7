"""What is wanted, decided item by item; what cannot be decided is left to the checks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import shapely
from stac_world import catalog, stac_item

from ingest.stac_policy import Area, Policy

BOX = [Area("a", shapely.box(10.2, 50.2, 10.8, 50.8))]


def accepts(item: dict[str, Any], areas: list[Area] | None = None, **more: Any) -> bool:
    return Policy(catalog(urls=["https://example.org/a.json"], **more), areas).accepts(item)


@pytest.mark.parametrize(
    ("limit", "item", "wanted"),
    [
        (7, {"eo:cloud_cover": 7}, True),
        (7, {"eo:cloud_cover": 7.1}, False),
        (7, {"eo:cloud_cover": None}, True),
        (None, {"eo:cloud_cover": 100}, True),
    ],
)
def test_clouds(limit: float | None, item: dict[str, Any], wanted: bool) -> None:
    assert accepts(stac_item(properties=item), search={"max_cloud_cover_pct": limit}) is wanted


def test_the_cloud_limit_is_of_the_property_that_the_catalog_names() -> None:
    item = stac_item(properties={"eo:cloud_cover": 0, "tile:clouds_percent": 50})
    assert not accepts(item, search={"max_cloud_cover_pct": 10, "cloud_cover": "tile:clouds_percent"})


def test_collections() -> None:
    assert accepts(stac_item())
    assert accepts(stac_item(), collections={"scenes": {}})
    assert not accepts(stac_item(), collections={"others": {}})
    cloudy = stac_item(properties={"eo:cloud_cover": 90})
    assert accepts(cloudy, collections={"scenes": {"clouds": False}}, search={"max_cloud_cover_pct": 1})


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ({"datetime": "2024-03-31T23:59:59Z"}, True),
        ({"datetime": "2024-04-01T00:00:00Z"}, False),
        ({"datetime": "2023-12-31T23:59:59Z"}, False),
        ({"datetime": None, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2024-01-01T00:00:00Z"}, True),
        ({"datetime": None, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2023-01-01T00:00:00Z"}, False),
        ({"datetime": "nonsense"}, True),
    ],
)
def test_time(times: dict[str, Any], wanted: bool) -> None:
    assert accepts(stac_item(properties=times), search={"datetime": "2024-01-01/2024-03-31"}) is wanted


def test_place() -> None:
    assert accepts(stac_item(0), BOX)
    assert not accepts(stac_item(2), BOX)
    assert accepts(stac_item(2, geometry={"type": "Polygon", "coordinates": "nonsense"}), BOX)
    beyond = {"type": "Polygon", "coordinates": [[[179, 0], [182, 0], [182, 1], [179, 1], [179, 0]]]}
    fiji = [Area("fiji", shapely.box(-179.5, 0.2, -179, 0.8))]
    assert accepts(stac_item(geometry=beyond, bbox=[179, 0, 182, 1]), fiji)


@pytest.mark.parametrize("item", [{}, {"properties": 3}, {"properties": {}, "geometry": None, "collection": 5}])
def test_what_cannot_be_decided_is_let_through(item: dict[str, Any]) -> None:
    assert accepts(item, BOX, search={"datetime": "2024-01-01/..", "max_cloud_cover_pct": 1})


def test_extents() -> None:
    policy = Policy(catalog(urls=["https://example.org/a.json"], search={"datetime": "2024-01-01/.."}), BOX)
    assert policy.reaches(None)
    assert policy.reaches([10.0, 50.0, 11.0, 51.0])
    assert policy.reaches([170.0, 50.0, 11.0, 51.0])
    assert not policy.reaches([20.0, 50.0, 21.0, 51.0])
    assert not policy.reaches(None, end=datetime(2023, 1, 1, tzinfo=UTC))
