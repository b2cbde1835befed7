"""Items in files: every reader gives the same items, and says where something else stood."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import rustac
from stac_world import catalog, stac_item, write_ndjson

from db.errors import ChecksumMismatchError, DatasetPlannedError, NotHeldError, ReadError
from ingest.stac_files import BATCH_ITEMS, ItemFile, read
from ingest.stac_record import Record
from ingest.stac_source import Access, Tally, records


def access(tmp_path: Path, **more: Any) -> Access:
    return Access(cache_dir=tmp_path / "cache", mirror=str(tmp_path / "mirror"), offline=True, **more)


def read_all(tmp_path: Path, name: str, content: str | bytes) -> list[Record]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read(ItemFile(name, path)))


def test_lines_that_are_no_items_are_records_with_a_problem(tmp_path: Path) -> None:
    good = json.dumps(stac_item(1))
    lines = [good, "", "{", "[1]", '{"n": NaN}', "\xff", good]
    found = read_all(tmp_path, "items.ndjson", "\n".join(lines).encode("latin-1"))
    assert [record.where for record in found] == [f"stac/items.ndjson:{number}" for number in (1, 3, 4, 5, 6, 7)]
    assert [record.item is not None for record in found] == [True, False, False, False, False, True]
    assert found[1].problem.startswith("it is not JSON: ")
    assert (found[2].problem, found[2].text) == ("it is a JSON list, not an object", "[1]")
    assert "NaN is not a number in JSON" in found[3].problem


@pytest.mark.parametrize("suffix", [".json", ".geojson"])
def test_collections_lists_and_single_items(tmp_path: Path, suffix: str) -> None:
    items = [stac_item(1), stac_item(2)]
    for document, expected in [
        ({"type": "FeatureCollection", "features": items}, items),
        (items, items),
        (items[0], items[:1]),
    ]:
        assert [record.item for record in read_all(tmp_path, f"a{suffix}", json.dumps(document))] == expected


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.json", "{", "a.json is not JSON"),
        ("a.json", '{"type": "Catalog"}', "neither an ItemCollection nor an item"),
        ("a.parquet", "no Parquet", "cannot be read as stac-geoparquet"),
        ("a.csv", "x", "is of no known kind"),
    ],
)
def test_a_file_that_is_something_else(tmp_path: Path, name: str, content: str, complaint: str) -> None:
    with pytest.raises(ReadError, match=complaint):
        read_all(tmp_path, name, content)


def test_geoparquet_gives_the_items_that_were_written(tmp_path: Path) -> None:
    items = [stac_item(number, stac_extensions=[]) for number in range(BATCH_ITEMS + 3)]
    rustac.write_sync(str(tmp_path / "items.parquet"), items)
    found = [record.item for record in read(ItemFile("items.parquet", tmp_path / "items.parquet"))]
    assert [item["id"] for item in found] == [item["id"] for item in items]
    assert [item["geometry"] for item in found] == [item["geometry"] for item in items]
    assert [item["properties"]["eo:cloud_cover"] for item in found] == [item["properties"]["eo:cloud_cover"] for item in items]
    assert all(isinstance(item["bbox"], list) and set(item["assets"]) == {"red", "thumbnail"} for item in found)


def test_relative_links_are_relative_to_the_file(tmp_path: Path) -> None:
    item = stac_item(assets={"red": {"href": "../pixels/red.tif"}})
    (record,) = read_all(tmp_path, "items.ndjson", json.dumps(item))
    assert record.item["assets"]["red"]["href"] == str(tmp_path.parent / "pixels" / "red.tif")


def test_a_large_collection_is_refused_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.stac_files.MAX_COLLECTION_BYTES", 10)
    with pytest.raises(ReadError, match=r"Convert it to NDJSON"):
        read_all(tmp_path, "a.json", json.dumps([stac_item()]))


def test_the_files_of_a_catalog_are_those_of_the_mirror_that_it_names(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "mirror" / "stac" / "b.ndjson", [stac_item(2)])
    write_ndjson(tmp_path / "mirror" / "stac" / "sub" / "a.ndjson", [stac_item(1), stac_item(3)])
    write_ndjson(tmp_path / "mirror" / "stac" / "other.ndjson", [stac_item(9)])
    tally = Tally()
    wanted = catalog(files={"include": ["a.ndjson", "b.ndjson"]}, search={"max_cloud_cover_pct": 15})
    found = list(records(wanted, None, access(tmp_path), tally))
    assert [(record.source, record.item["id"]) for record in found] == [
        ("stac/b.ndjson", "scene-002"),
        ("stac/sub/a.ndjson", "scene-001"),
    ]
    assert tally.counts == {"found": 3, "unwanted": 1}


def test_what_cannot_be_had(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "mirror" / "stac" / "a.ndjson", [stac_item()])
    with pytest.raises(NotHeldError, match="has none of its files"):
        list(records(catalog(files={"include": ["b.ndjson"]}), None, access(tmp_path)))
    with pytest.raises(NotHeldError, match="or go online"):
        list(records(catalog(urls=["https://example.org/b.ndjson"]), None, access(tmp_path)))
    with pytest.raises(DatasetPlannedError, match="it is no imagery"):
        list(
            records(catalog(urls=["https://x.org/a.json"], status="planned", reason="it is no imagery"), None, access(tmp_path))
        )
    with pytest.raises(NotHeldError, match="is online"):
        list(records(catalog("api", url="https://example.org"), None, access(tmp_path)))
    pinned = catalog(files={"include": ["a.ndjson"]}, checksums={"a.ndjson": f"sha256:{'0' * 64}"})
    with pytest.raises(ChecksumMismatchError):
        list(records(pinned, None, access(tmp_path)))


def test_compressed_bytes_are_no_lines(tmp_path: Path) -> None:
    found = read_all(tmp_path, "a.ndjson", gzip.compress(b"{}\n"))
    assert all(record.item is None for record in found)
