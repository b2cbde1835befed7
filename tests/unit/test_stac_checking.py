"""What is a usable item, and the reason why another is not; whatever is wrong with a record is never an error."""

from __future__ import annotations

import copy
import math
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stac_world import stac_item

from dataflows.raw.stac_checking import CheckedItem, Refusal, checked, schema_problem
from ingest.stac_record import Record

WITHOUT = object()


def found(item: Any) -> CheckedItem | Refusal:
    return checked(Record.of(item, "here"))


def good(item: Any) -> CheckedItem:
    outcome = found(item)
    assert isinstance(outcome, CheckedItem), outcome
    return outcome


def polygon(*ring: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    return polygon((west, south), (east, south), (east, north), (west, north))


def test_a_good_item_is_brought_to_the_current_version() -> None:
    outcome = good(stac_item(3, properties={"updated": "2024-04-30T22:00:00.5+00:00"}))
    assert outcome.stac_version == "1.0.0"
    assert outcome.item["stac_version"] == "1.1.0"
    assert outcome.item["properties"]["proj:code"] == "EPSG:32632"
    assert outcome.at == datetime(2024, 4, 5, 10, tzinfo=UTC)
    assert outcome.updated == datetime(2024, 4, 30, 22, 0, 0, 500_000, tzinfo=UTC)
    assert outcome.geometry.equals(shapely.box(13, 50, 14, 51))


@pytest.mark.parametrize("version", ["0.9.0", "1.0.0-beta.2", "1.0.0-rc.1", "1.0.0", "1.1.0"])
def test_older_versions_are_migrated(version: str) -> None:
    outcome = good(stac_item(stac_version=version, stac_extensions=["eo", "projection"] if version < "1" else []))
    assert (outcome.stac_version, outcome.item["stac_version"]) == (version, "1.1.0")


def test_neither_links_nor_extensions_of_the_internet_are_needed() -> None:
    assert good(stac_item(links=[])).item["id"] == "scene-000"
    assert good(stac_item(stac_extensions=["https://example.org/nowhere.json"])).item["id"] == "scene-000"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"collection": WITHOUT}, "it names no collection"),
        ({"collection": None}, "it names no collection"),
        ({"collection": ""}, "it names no collection"),
        ({"collection": 3}, "it names no collection"),
        ({"type": "Collection"}, "it is no STAC item"),
        ({"properties": None}, "it is no STAC item"),
        ({"assets": None}, "it is no STAC item"),
        ({"stac_version": WITHOUT}, "it has no stac_version"),
        ({"stac_version": "9.9.9"}, "STAC|cannot be brought"),
        ({"geometry": None}, "it has no geometry"),
        ({"geometry": {"type": "MultiPolygon", "coordinates": [[], [[[0, 0], [1, 0], [1, 1], [0, 0]]]]}}, "cannot be read"),
        ({"geometry": {"type": "Polygon", "coordinates": []}}, "its geometry is empty"),
        ({"geometry": {"type": "Polygon", "coordinates": [[["a", 0], [1, 0], [1, 1]]]}}, "cannot be read"),
        ({"geometry": "POINT (0 0)"}, "cannot be read"),
        ({"geometry": polygon((0, 0), (1, 1), (1, 0), (0, 1))}, r"not valid: Self-intersection\[0.5 0.5\]"),
        ({"geometry": box(50, 100, 51, 101)}, "latitudes from 100 to 101: axes swapped"),
        ({"geometry": box(600000, 50, 600001, 51)}, "longitudes from 600000"),
        ({"bbox": WITHOUT}, "'bbox' is a required property"),
        ({"id": WITHOUT}, "'id' is a required property"),
        ({"id": ""}, "schema: id: "),
        ({"assets": {"red": {"title": "no href"}}}, "assets/red: 'href' is a required property"),
        ({"assets": {"red": {"href": ""}}}, "schema: assets/red/href: "),
        ({"assets": {"red": {"href": "x", "roles": "data"}}}, "assets/red/roles: 'data' is not of type 'array'"),
        ({"properties": {"datetime": None}}, "datetime"),
        ({"properties": {"datetime": "yesterday"}}, "datetime"),
        ({"properties": {"datetime": "2024-02-30T00:00:00Z"}}, "its datetime cannot be read"),
        ({"properties": {"datetime": "0024-02-03T00:00:00Z"}}, "its datetime 0024-02-03T00:00:00.00:00 is impossible"),
        ({"properties": {"datetime": "3024-02-03T00:00:00Z"}}, "is impossible"),
        (
            {"properties": {"start_datetime": "2024-02-03T00:00:00Z", "end_datetime": "2024-02-02T00:00:00Z"}},
            "start_datetime .* is after its end_datetime",
        ),
        ({"properties": {"updated": "never"}}, "updated"),
        ({"properties": {"x": math.nan}}, "not finite"),
        ({"properties": {"x": [{"y": math.inf}]}}, "not finite"),
    ],
)
def test_the_reason_is_said(changes: dict[str, Any], reason: str) -> None:
    item = stac_item(**{name: value for name, value in changes.items() if value is not WITHOUT})
    for name in [name for name, value in changes.items() if value is WITHOUT]:
        del item[name]
    outcome = found(item)
    assert isinstance(outcome, Refusal)
    assert re.search(reason, outcome.reason), outcome.reason
    assert "\n" not in outcome.reason
    assert len(outcome.reason) < 400


def test_a_range_takes_the_place_of_the_datetime() -> None:
    times = {"datetime": None, "start_datetime": "2024-01-01T00:00:00Z", "end_datetime": "2024-01-31T00:00:00Z"}
    outcome = good(stac_item(properties=times))
    assert (outcome.at, outcome.start, outcome.end) == (
        None,
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 31, tzinfo=UTC),
    )


def test_what_is_no_json_object_is_refused_with_its_problem() -> None:
    assert found([1]).reason == "it is a JSON list, not an object"
    assert checked(Record.unreadable("it is not JSON", "here", text="{")).reason == "it is not JSON"


@pytest.mark.parametrize(
    ("geometry", "bbox", "expected"),
    [
        (box(179, 0, 181, 1), [179, 0, 181, 1], [(-180, 0, -179, 1), (179, 0, 180, 1)]),
        (box(-182, 0, -179, 1), [-182, 0, -179, 1], [(-180, 0, -179, 1), (178, 0, 180, 1)]),
        (polygon((179, 0), (-179, 0), (-179, 1), (179, 1)), [179, 0, -179, 1], [(-180, 0, -179, 1), (179, 0, 180, 1)]),
        (box(-180, -10, 180, 10), [-180, -10, 180, 10], [(-180, -10, 180, 10)]),
    ],
)
def test_a_footprint_is_split_at_the_antimeridian(geometry: Any, bbox: Any, expected: Any) -> None:
    landed = good(stac_item(geometry=geometry, bbox=bbox)).geometry
    parts = sorted(part.bounds for part in shapely.get_parts(landed))
    assert parts == [tuple(map(float, part)) for part in expected]
    assert landed.is_valid


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("2024-01-01T00:00:00Z"),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("href"), parts, max_size=3),
    max_leaves=6,
)
PLACES = [
    ("type",),
    ("stac_version",),
    ("stac_extensions",),
    ("id",),
    ("collection",),
    ("geometry",),
    ("geometry", "coordinates"),
    ("geometry", "type"),
    ("bbox",),
    ("links",),
    ("assets",),
    ("assets", "red"),
    ("assets", "red", "href"),
    ("assets", "red", "eo:bands"),
    ("properties",),
    ("properties", "datetime"),
    ("properties", "updated"),
    ("properties", "proj:epsg"),
    ("properties", "proj:shape"),
]


@given(st.lists(st.tuples(st.sampled_from(PLACES), JUNK), min_size=1, max_size=3))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_junk_is_refused_or_taken_but_never_an_error(spoilt: list[tuple[tuple[str, ...], Any]]) -> None:
    item = stac_item()
    for path, value in spoilt:
        place = item
        for key in path[:-1]:
            place = place.get(key) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place[path[-1]] = value
    before = copy.deepcopy(item)
    outcome = found(item)
    assert isinstance(outcome, CheckedItem | Refusal)
    assert repr(item) == repr(before)
    if isinstance(outcome, CheckedItem):
        assert outcome.geometry.is_valid
        assert isinstance(outcome.item["id"], str)


def test_assets_that_are_remembered_are_judged_as_without_memory() -> None:
    item = good(stac_item()).item
    assert schema_problem(item) is None
    broken = copy.deepcopy(item)
    broken["assets"]["red"]["type"] = 5
    assert schema_problem(broken) == "STAC 1.1.0 schema: assets/red/type: 5 is not of type 'string'"
    assert schema_problem(item) is None
