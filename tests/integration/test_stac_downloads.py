"""Files of catalogs behind HTTP: a mirror's folder pages, and the catalog's own URLs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from acquisition_support import IMPATIENT
from repository_server import Answer, RepositoryServer
from stac_world import catalog, stac_item, write_ndjson

from db.errors import ChecksumMismatchError
from ingest.http import HttpClient
from ingest.stac_source import Access, records

CONTENT = "".join(json.dumps(stac_item(number)) + "\n" for number in range(3)).encode()
IDS = ["scene-000", "scene-001", "scene-002"]


def access(tmp_path: Path, mirror: str | None = None) -> Access:
    return Access(tmp_path / "cache", mirror=mirror, client=HttpClient(IMPATIENT))


def ids(found) -> list[str]:
    return [record.item["id"] for record in found]


def test_a_published_file_is_read_through_faults_and_each_time_anew(server: RepositoryServer, tmp_path: Path) -> None:
    url = server.publish("items.ndjson", CONTENT, Answer(status=500), Answer(send=0.5), Answer())
    entry = catalog(urls=[url])
    found = list(records(entry, None, access(tmp_path)))
    assert ids(found) == IDS
    assert {record.source for record in found} == {"stac/items.ndjson"}
    server.publish("items.ndjson", CONTENT + json.dumps(stac_item(3)).encode())
    assert ids(records(entry, None, access(tmp_path))) == [*IDS, "scene-003"]


def test_a_pinned_file_is_downloaded_once_and_must_be_the_one(server: RepositoryServer, tmp_path: Path) -> None:
    url = server.publish("items.ndjson", CONTENT)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    entry = catalog(urls=[url], checksums={"items.ndjson": f"sha256:{sha256}"})
    for _ in range(2):
        assert ids(records(entry, None, access(tmp_path))) == IDS
    assert len(server.hits("/files/items.ndjson")) == 1
    (tmp_path / "cache" / "stac" / "files" / "demo" / "items.ndjson").write_bytes(b"damaged")
    assert ids(records(entry, None, access(tmp_path))) == IDS
    other = catalog(urls=[url], checksums={"items.ndjson": f"sha256:{'0' * 64}"})
    with pytest.raises(ChecksumMismatchError):
        list(records(other, None, access(tmp_path)))


def test_a_mirror_behind_http_comes_before_the_urls(server: RepositoryServer, tmp_path: Path) -> None:
    write_ndjson(tmp_path / "served" / "stac" / "sub" / "items.ndjson", [stac_item(7)])
    entry = catalog(files={"include": ["items.ndjson"]}, urls=[server.publish("items.ndjson", CONTENT)])
    found = list(records(entry, None, access(tmp_path, mirror=f"{server.url}/mirror")))
    assert ids(found) == ["scene-007"]
    assert found[0].source == "stac/sub/items.ndjson"
    assert ids(records(entry, None, access(tmp_path, mirror=f"{server.url}/mirror/nothing"))) == IDS
