"""Static catalogs, walked over HTTP and in a mirror folder."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import shapely
from acquisition_support import IMPATIENT
from repository_server import Answer, RepositoryServer
from stac_world import catalog, stac_item

from db.errors import CatalogError, NotHeldError, RemoteError
from ingest.http import HttpClient
from ingest.stac_manifest import Catalog
from ingest.stac_policy import Area
from ingest.stac_record import Record
from ingest.stac_source import Access, records

EXTENT = {"spatial": {"bbox": [[10, 50, 15, 51]]}, "temporal": {"interval": [["2024-01-01T00:00:00Z", None]]}}


def node(kind: str, name: str, **links: list[str]) -> dict[str, Any]:
    listed = [{"rel": rel, "href": href} for rel, hrefs in links.items() for href in hrefs]
    document = {"type": kind, "id": name, "stac_version": "1.0.0", "description": "d", "links": listed}
    return document | ({"extent": copy.deepcopy(EXTENT), "license": "other"} if kind == "Collection" else {})


def tree() -> dict[str, Any]:
    """Two collections, three items, and a link from below to the root."""
    relative = {"red": {"href": "./red.tif"}}
    return {
        "catalog.json": node(
            "Catalog", "root", child=["./a/collection.json", "b/collection.json"], self=["https://published.org/c.json"]
        ),
        "a/collection.json": node("Collection", "a", item=["./1/1.json", "./2/2.json"], parent=["../catalog.json"]),
        "b/collection.json": node("Collection", "b", item=["3.json"], child=["../catalog.json"]),
        "a/1/1.json": stac_item(1, assets=relative),
        "a/2/2.json": stac_item(2),
        "b/3.json": stac_item(3, assets={"red": {"href": "../red.tif"}}),
    }


def in_folder(tmp_path: Path, documents: dict[str, Any]) -> Access:
    for name, document in documents.items():
        path = tmp_path / "mirror" / "stac" / "world" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))
    return Access(tmp_path / "cache", mirror=str(tmp_path / "mirror"), offline=True)


def published(
    server: RepositoryServer, tmp_path: Path, documents: dict[str, Any], **answers: list[Answer]
) -> tuple[Catalog, Access]:
    for name, document in documents.items():
        text = document if isinstance(document, str) else json.dumps(document)
        server.publish(name, text.encode(), *answers.get(name, []))
    entry = catalog("static", url=f"{server.url}/files/catalog.json")
    return entry, Access(tmp_path / "cache", client=HttpClient(IMPATIENT))


ENTRY = catalog("static", file="world/catalog.json")


def ids(found: Any) -> list[str]:
    return [record.item["id"] for record in found if record.item is not None]


def problems(found: list[Record]) -> dict[str, str]:
    return {record.source: record.problem for record in found if record.item is None}


def test_a_folder_is_walked_once_and_its_links_lead_into_it(tmp_path: Path) -> None:
    found = list(records(ENTRY, None, in_folder(tmp_path, tree())))
    assert ids(found) == ["scene-001", "scene-002", "scene-003"]
    assert found[0].source == "stac/world/a/1/1.json"
    root = tmp_path / "mirror" / "stac" / "world"
    assert found[0].item["assets"]["red"]["href"] == str(root / "a" / "1" / "red.tif")
    assert found[2].item["assets"]["red"]["href"] == str(root / "red.tif")


def test_a_tree_behind_http_is_walked_through_faults(server: RepositoryServer, tmp_path: Path) -> None:
    faults = [
        Answer(status=429, headers={"Retry-After": "0"}),
        Answer(status=500),
        Answer(status=0),
        Answer(send=0.5),
        Answer(),
    ]
    entry, access = published(
        server, tmp_path, tree(), **{"b/collection.json": [*faults[:3], Answer()], "a/1/1.json": faults[3:]}
    )
    found = list(records(entry, None, access))
    assert ids(found) == ["scene-001", "scene-002", "scene-003"]
    assert found[0].source == f"{server.url}/files/a/1/1.json"
    assert found[0].item["assets"]["red"]["href"] == f"{server.url}/files/a/1/red.tif"


def test_a_mirror_behind_http_is_a_mirror(server: RepositoryServer, tmp_path: Path) -> None:
    folder = tmp_path / "served"
    for name, document in tree().items():
        path = folder / "stac" / "world" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
    access = Access(tmp_path / "cache", mirror=f"{server.url}/mirror", offline=True, client=HttpClient(IMPATIENT))
    assert ids(records(ENTRY, None, access)) == ["scene-001", "scene-002", "scene-003"]


def test_a_branch_that_is_broken_is_told_and_the_others_are_walked(tmp_path: Path) -> None:
    documents = tree() | {"a/1/1.json": "{", "b/3.json": "[]"}
    del documents["a/2/2.json"]
    found = list(records(ENTRY, None, in_folder(tmp_path, documents)))
    assert set(problems(found)) == {f"stac/world/{name}" for name in ("a/1/1.json", "a/2/2.json", "b/3.json")}
    assert problems(found)["stac/world/a/2/2.json"] == "it cannot be read (FileNotFoundError)"
    assert problems(found)["stac/world/b/3.json"] == "it is JSON, but no object"


def test_a_missing_document_is_a_problem_but_a_failing_server_is_an_error(server: RepositoryServer, tmp_path: Path) -> None:
    documents = tree()
    del documents["a/2/2.json"]
    entry, access = published(server, tmp_path, documents)
    found = list(records(entry, None, access))
    assert ids(found) == ["scene-001", "scene-003"]
    assert "does not exist (HTTP 404)" in problems(found)[f"{server.url}/files/a/2/2.json"]
    server.publish("b/3.json", b"{}", Answer(status=500))
    with pytest.raises(RemoteError, match="answered HTTP 500"):
        list(records(entry, None, access))


@pytest.mark.parametrize(
    "link", ["../../../../secret.json", "/etc/hostname", "https://example.org/item.json", "file:///etc/hostname"]
)
def test_links_that_leave_the_mirror_are_not_followed(tmp_path: Path, link: str) -> None:
    (tmp_path / "secret.json").write_text(json.dumps(stac_item(9)))
    documents = tree() | {"b/collection.json": node("Collection", "b", item=[link])}
    found = list(records(ENTRY, None, in_folder(tmp_path, documents)))
    assert ids(found) == ["scene-001", "scene-002"]
    assert len(problems(found)) == 1
    assert "outside" in next(iter(problems(found).values()))


def test_a_remote_catalog_leads_to_no_file_of_this_machine(server: RepositoryServer, tmp_path: Path) -> None:
    documents = tree() | {"b/collection.json": node("Collection", "b", item=["file:///etc/hostname"])}
    entry, access = published(server, tmp_path, documents)
    found = list(records(entry, None, access))
    assert ids(found) == ["scene-001", "scene-002"]
    assert "not behind HTTP" in next(iter(problems(found).values()))


def test_a_collection_in_which_nothing_can_be_wanted_is_not_read(server: RepositoryServer, tmp_path: Path) -> None:
    documents = tree()
    documents["b/collection.json"]["extent"]["spatial"]["bbox"] = [[100, 0, 101, 1]]
    entry, access = published(server, tmp_path, documents)
    assert ids(records(entry, [Area("here", shapely.box(10, 50, 15, 51))], access)) == ["scene-001", "scene-002"]
    assert server.hits("/files/b/3.json") == []
    before = catalog("static", url=entry.source.url, search={"datetime": "../2023-12-31"})
    assert ids(records(before, None, access)) == []
    assert len(server.hits("/files/a/1/1.json")) == 1


def test_a_root_that_is_no_catalog(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="it has no links"):
        list(records(ENTRY, None, in_folder(tmp_path, {"catalog.json": {"hello": "world"}})))
    with pytest.raises(CatalogError, match="it is not JSON"):
        list(records(ENTRY, None, in_folder(tmp_path, {"catalog.json": "<html>"})))
    with pytest.raises(NotHeldError):
        list(records(ENTRY, None, Access(tmp_path, mirror=str(tmp_path / "elsewhere"), offline=True)))
