"""The API source against a server that fails: every page arrives, once, or there is an error that says why."""

from __future__ import annotations

import gzip
import logging
import time
from collections import deque
from pathlib import Path
from typing import Any

import pytest
import shapely
from acquisition_support import IMPATIENT
from stac_server import CORE, CQL2, QUERY, Fault, StacServer
from stac_world import catalog, stac_item

from db.errors import CatalogError, RemoteError, RemoteNotFoundError
from ingest.http import HttpClient
from ingest.stac_api import ApiCatalog, search_items
from ingest.stac_policy import Area
from ingest.stac_source import Access, forget, records

ITEMS = [stac_item(number) for number in range(11)]
WEST = Area("west", shapely.box(10.1, 50.1, 11.9, 50.9))
EAST = Area("east", shapely.box(11.1, 50.1, 14.9, 50.9))


def ids(found: Any) -> list[str]:
    return [record.item["id"] for record in found]


def search(server: StacServer, areas: list[Area] | None = None, token: str | None = None, **more: Any) -> list[str]:
    return ids(search_items(catalog("api", url=server.url, **more), areas, client=HttpClient(IMPATIENT), token=token))


FAULTS = {
    "too many requests": Fault(429, retry_after="1"),
    "server error": Fault(500),
    "unavailable": Fault(503),
    "connection closed": Fault(0),
    "cut in the middle": Fault(200, sent=0.5),
}


@pytest.mark.parametrize("methods", [("GET", "POST"), ("GET",), ("POST",)])
def test_every_page_is_read(methods: tuple[str, ...]) -> None:
    with StacServer(ITEMS, methods=methods) as server:
        assert search(server, search={"page_items": 2}) == [item["id"] for item in ITEMS]
        assert len(server.searches) == 6


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("methods", [("GET",), ("POST",)])
def test_a_fault_between_pages_loses_and_repeats_nothing(name: str, methods: tuple[str, ...]) -> None:
    fault = FAULTS[name]
    with StacServer(ITEMS, methods=methods, faults=deque([fault, None, fault, fault, None])) as server:
        started = time.monotonic()
        assert search(server) == [item["id"] for item in ITEMS]
        assert len(server.searches) == 4 + 3
        if fault.retry_after:
            assert time.monotonic() - started >= 3 * float(fault.retry_after)


@pytest.mark.parametrize(
    ("faults", "error", "complaint"),
    [
        ([Fault(500)] * 4, RemoteError, r"/v1/search answered HTTP 500 \(told to fail\)"),
        ([None, *[Fault(0)] * 4], RemoteError, "the connection failed"),
        ([Fault(400)], RemoteError, r"answered HTTP 400 \(told to fail\)"),
        ([Fault(403)], RemoteError, "EOPV_STAC_TOKEN"),
        ([Fault(404)], RemoteNotFoundError, "does not exist"),
        ([Fault(200, body=b"<html>")], RemoteError, "not JSON"),
        ([Fault(200, body=b"[]")], RemoteError, "no object"),
    ],
)
def test_a_server_that_keeps_failing_is_an_error_and_not_the_end_of_the_items(
    faults: list[Fault | None], error: type[Exception], complaint: str
) -> None:
    with StacServer(ITEMS, faults=deque(faults)) as server, pytest.raises(error, match=complaint):
        search(server)


def test_an_empty_page_is_not_the_last_one() -> None:
    with StacServer(ITEMS, empty_pages=2) as server:
        assert search(server) == [item["id"] for item in ITEMS]


def test_pages_without_end_are_an_error() -> None:
    with StacServer(ITEMS, circle=True) as server, pytest.raises(CatalogError, match="pages in a circle"):
        search(server)
    with StacServer(ITEMS, empty_pages=30) as server, pytest.raises(CatalogError, match="without an item, again and again"):
        search(server)


def test_what_is_not_a_stac_api() -> None:
    with StacServer(ITEMS, conformance=CORE[:1]) as server, pytest.raises(CatalogError, match="no item search"):
        search(server)
    with StacServer(ITEMS, conformance=CORE) as server, pytest.raises(CatalogError, match="does not offer CQL2"):
        search(server, search={"filter": {"op": "=", "args": [{"property": "a"}, 1]}})
    with StacServer(ITEMS) as server, pytest.raises(RemoteNotFoundError):
        ApiCatalog(catalog("api", url=f"{server.url}/nothing"), HttpClient(IMPATIENT))


CLEAR = [item["id"] for item in ITEMS if item["properties"]["eo:cloud_cover"] <= 30]


@pytest.mark.parametrize(
    ("conformance", "asked"),
    [([*CORE, *CQL2, QUERY], {"filter", "filter-lang"}), ([*CORE, QUERY], {"query"}), (CORE, set())],
)
@pytest.mark.parametrize("obeys", [True, False])
def test_clouds_are_limited_by_what_the_server_offers_and_checked_here(
    conformance: list[str], asked: set[str], obeys: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with StacServer(ITEMS, conformance=conformance, obeys=obeys) as server:
        assert search(server, collections={"scenes": {}}, search={"max_cloud_cover_pct": 30}) == CLEAR
        assert set(server.searches[0]) & {"filter", "filter-lang", "query"} == asked
    ignored = [record.message for record in caplog.records if "not wanted" in record.message]
    assert bool(ignored) == (not obeys or not asked)
    assert all(("although it was asked not to" in line) == bool(asked) for line in ignored)


def test_radar_is_asked_for_without_a_cloud_limit() -> None:
    radar = stac_item(50, collection="radar")
    del radar["properties"]["eo:cloud_cover"]
    with StacServer([*ITEMS, radar]) as server:
        collections = {"scenes": {}, "radar": {"clouds": False}}
        assert search(server, collections=collections, search={"max_cloud_cover_pct": 30}) == [*CLEAR, "scene-050"]
        assert [(question["collections"], "filter" in question) for question in server.searches if "token" not in question] == [
            (["scenes"], True),
            (["radar"], False),
        ]


def test_without_named_collections_items_without_a_cloud_cover_are_found_too() -> None:
    radar = stac_item(50, collection="radar")
    del radar["properties"]["eo:cloud_cover"]
    with StacServer([*ITEMS, radar]) as server:
        assert search(server, search={"max_cloud_cover_pct": 30}) == [*CLEAR, "scene-050"]
    with StacServer([*ITEMS, radar], conformance=[*CORE, QUERY]) as server:
        assert search(server, search={"max_cloud_cover_pct": 30}) == [*CLEAR, "scene-050"]


def test_a_filter_of_the_manifest_is_joined_to_the_cloud_limit() -> None:
    wanted = {"op": "=", "args": [{"property": "proj:epsg"}, 32632]}
    with StacServer(ITEMS) as server:
        assert search(server, collections={"scenes": {}}, search={"max_cloud_cover_pct": 30, "filter": wanted}) == CLEAR
        assert server.searches[0]["filter"]["op"] == "and"
        assert wanted in server.searches[0]["filter"]["args"]


def test_a_search_is_asked_where_and_when(caplog: pytest.LogCaptureFixture) -> None:
    with StacServer(ITEMS) as server:
        found = search(server, [WEST], search={"datetime": "2024-01-01/2024-06-30", "max_items": 2})
        assert found == ["scene-000", "scene-001"]
        assert shapely.geometry.shape(server.searches[0]["intersects"]).equals(WEST.geometry)
        assert server.searches[0]["datetime"].startswith("2024-01-01T00:00:00Z/2024-06-30T23:59:59")
    assert "cut at its limit of 2 items" in caplog.text


def test_fewer_items_than_announced_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with StacServer(ITEMS, matched=12) as server:
        search(server)
    assert "announced 12 items and gave 11" in caplog.text


def test_a_token_goes_to_the_catalog_itself_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with StacServer(ITEMS) as other, StacServer(ITEMS, next_host=other.url) as server:
        assert len(search(server, token="hunter2", auth={"setting": "stac_token"})) == 11
        assert {headers.get("Authorization") for headers in server.headers} == {"Bearer hunter2"}
        assert {headers.get("Authorization") for headers in other.headers} == {None}
    assert "hunter2" not in caplog.text
    with StacServer(ITEMS) as server, pytest.raises(CatalogError, match="Set EOPV_STAC_TOKEN"):
        search(server, auth={"setting": "stac_token"})


def test_an_interrupted_run_asks_only_for_what_is_not_done(tmp_path: Path) -> None:
    with StacServer(ITEMS, page=2) as server:
        entry, access = catalog("api", url=server.url), Access(tmp_path, client=HttpClient(IMPATIENT))
        west = ids(search_items(entry, [WEST], client=access.client))
        asked = len(server.searches)
        # The second page of the second area fails for good
        server.faults = deque([*[None] * (asked + 1), *[Fault(500)] * 4])
        with pytest.raises(RemoteError):
            list(records(entry, [WEST, EAST], access))
        server.searches.clear()
        found = ids(records(entry, [WEST, EAST], access))
        assert {str(question["intersects"]) for question in server.searches} == {str(server.searches[0]["intersects"])}
        assert shapely.geometry.shape(server.searches[0]["intersects"]).equals(EAST.geometry)
        assert found == west + ids(search_items(entry, [EAST], client=access.client))

        server.searches.clear()
        assert ids(records(entry, [WEST, EAST], access)) == found
        assert server.searches == []
        changed = catalog("api", url=server.url, search={"max_cloud_cover_pct": 100})
        list(records(changed, [WEST], access))
        assert server.searches
        server.searches.clear()
        forget(entry, access)
        list(records(entry, [WEST], access))
        assert server.searches


def test_what_is_kept_of_a_search_has_no_signature(tmp_path: Path) -> None:
    signed = stac_item(1, assets={"red": {"href": "https://example.org/red.tif?sig=hunter2"}})
    with StacServer([signed]) as server:
        access = Access(tmp_path, client=HttpClient(IMPATIENT))
        (record,) = records(catalog("api", url=server.url), None, access)
    assert record.item["assets"]["red"]["href"] == "https://example.org/red.tif"
    kept = [gzip.decompress(path.read_bytes()) for path in tmp_path.rglob("*.gz")]
    assert len(kept) == 1
    assert b"hunter2" not in kept[0]
