"""The hash of an item sees what is said, and not how it is written down, signed or linked."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stac_world import stac_item

from dataflows.raw.stac_checking import CheckedItem, checked
from dataflows.raw.stac_identity import canonical_json, item_sha256
from ingest.stac_record import Record

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=6), parts, max_size=4),
    max_leaves=12,
)


def shuffled(value: Any, random: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key], random) for key in keys}
    return [shuffled(part, random) for part in value] if isinstance(value, list) else value


def as_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_floats(part) for key, part in value.items()}
    if isinstance(value, list):
        return [as_floats(part) for part in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def sha256(item: dict[str, Any]) -> str:
    found = checked(Record.of(item, "here"))
    assert isinstance(found, CheckedItem), found
    return found.sha256


@given(JSON, st.randoms(use_true_random=False))
def test_the_order_of_keys_and_the_spelling_of_numbers_do_not_count(value: Any, random: random.Random) -> None:
    assert canonical_json(shuffled(value, random)) == canonical_json(value)
    assert canonical_json(as_floats(value)) == canonical_json(value)
    assert json.loads(canonical_json(value)) == json.loads(canonical_json(json.loads(json.dumps(value))))


def test_the_hash_is_that_of_the_text_written_by_hand() -> None:
    item = {
        "id": "ä",
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": ["x"],
        "properties": {"b": 1.0, "a": None, "c": 0.5},
        "links": [{"rel": "self", "href": "y"}, {"rel": "via", "href": "z"}],
    }
    text = '{"id":"ä","links":["{\\"href\\":\\"z\\",\\"rel\\":\\"via\\"}"],"properties":{"b":1,"c":0.5},"type":"Feature"}'
    assert item_sha256(item) == hashlib.sha256(text.encode()).hexdigest()


@given(st.randoms(use_true_random=False), st.text("abcdef0123456789", min_size=1))
@settings(max_examples=50)
def test_signatures_links_and_order_do_not_change_the_hash(random: random.Random, signature: str) -> None:
    item = stac_item(1)
    other = shuffled(json.loads(json.dumps(item)), random)
    for asset in other["assets"].values():
        asset["href"] += f"?se=2026-01-01&sig={signature}"
    other["links"] = [{"rel": "self", "href": f"https://example.org/items/1?token={signature}"}, {"rel": "root", "href": "/"}]
    assert sha256(other) == sha256(item)


@pytest.mark.parametrize(
    "changes",
    [
        {"properties": {"eo:cloud_cover": 8}},
        {"properties": {"updated": "2025-01-01T00:00:00Z"}},
        {"properties": {"new": [1]}},
        {"assets": {"red": {"href": "https://example.org/other.tif"}}},
        {"bbox": [10.0, 50.0, 11.0, 51.5]},
        {"links": [{"rel": "derived_from", "href": "https://example.org/l1c.json"}]},
    ],
)
def test_what_is_said_counts(changes: dict[str, Any]) -> None:
    assert sha256(stac_item(1, **changes)) != sha256(stac_item(1))


def test_the_version_of_stac_does_not_count() -> None:
    assert sha256(stac_item(1, stac_version="1.0.0-rc.1")) == sha256(stac_item(1))


def test_the_hash_of_a_migrated_item_does_not_change_with_the_libraries() -> None:
    footprint = [[[11, 50], [12, 50], [12, 51], [11, 51], [11, 50]]]
    bands = {
        "eo:bands": [{"name": "B04", "common_name": "red"}],
        "raster:bands": [{"data_type": "uint16", "nodata": 0, "scale": 0.0001, "offset": -0.1}],
    }
    cog = "image/tiff; application=geotiff; profile=cloud-optimized"
    landed = {
        "type": "Feature",
        "id": "scene-001",
        "collection": "scenes",
        "geometry": {"type": "Polygon", "coordinates": footprint},
        "bbox": [11, 50, 12, 51],
        "properties": {
            "datetime": "2024-02-05T10:00:00Z",
            "eo:cloud_cover": 7,
            "proj:code": "EPSG:32632",
            "proj:shape": [100, 200],
            "proj:transform": [10, 0, 600000, 0, -10, 5600000],
        },
        "assets": {
            "red": {"href": "https://example.org/1/red.tif", "type": cog, "roles": ["data"], **bands},
            "thumbnail": {"href": "https://example.org/1/small.png", "roles": ["thumbnail"]},
        },
    }
    text = json.dumps(landed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert sha256(stac_item(1)) == hashlib.sha256(text.encode()).hexdigest()
