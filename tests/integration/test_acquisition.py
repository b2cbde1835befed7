"""Acquisition from a real HTTP server that speaks each repository's API and misbehaves.

``pytest tests/integration/test_acquisition.py -k fault_table -s`` prints the table fault → outcome.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from repository_server import LFS_POINTER, Answer, RepositoryServer, md5
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from db.errors import (
    AcquisitionError,
    ChecksumMismatchError,
    EopvError,
    MissingCompanionError,
    NoFileMatchedError,
    RemoteError,
    RemoteNotFoundError,
)
from ingest.acquire import Acquisition, fetch, unpack
from ingest.http import RetryPolicy
from ingest.manifest import Dataset

IMPATIENT = RetryPolicy(attempts=4, initial_s=0.02, max_s=0.1, retry_after_cap_s=2.0, connect_timeout_s=2.0, read_timeout_s=0.6)
CONTENT = random.Random(1).randbytes(400_000)
OTHER = random.Random(2).randbytes(400_000)


def dataset(*distributions: dict[str, Any]) -> Dataset:
    """A manifest entry with the given distributions; names and formats are filled in."""
    return Dataset.model_validate(
        {
            "key": "demo",
            "title": "Demo",
            "url": "https://example.org/demo",
            "citation": "Nobody (2024)",
            "licence": {"id": "CC-BY-4.0", "commercial": "yes"},
            "vintage": "2024",
            "level": "plant",
            "geometry_kind": "polygon",
            "distributions": [
                {"name": f"form-{number}", "format": "geojson", **entry} for number, entry in enumerate(distributions, start=1)
            ],
        }
    )


def zenodo(record: int = 1, **more: Any) -> dict[str, Any]:
    return {"source": {"repository": "zenodo", "record": record}, **more}


def direct(*urls: str, **more: Any) -> dict[str, Any]:
    return {"source": {"repository": "direct", "urls": urls}, **more}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RepositoryServer]:
    with RepositoryServer(mirror=tmp_path / "served") as running:
        yield running


@pytest.fixture
def get(server: RepositoryServer, tmp_path: Path) -> Callable[..., Acquisition]:
    def get(entry: Dataset, **more: Any) -> Acquisition:
        return fetch(entry, **{"cache_dir": tmp_path / "cache", "endpoints": server.endpoints, "retry": IMPATIENT, **more})

    return get


def contents(acquisition: Acquisition) -> dict[str, bytes]:
    return {file.name: file.path.read_bytes() for file in acquisition.files}


def origins(acquisition: Acquisition) -> set[str]:
    return {file.origin for file in acquisition.files}


def write(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


@dataclass(frozen=True)
class Fault:
    """Answers of the server to successive requests for one file, and what has to come of them."""

    name: str
    answers: tuple[Answer, ...]
    outcome: str  # "ok", or the error's kind
    requests: int
    at_least_s: float = 0.0
    checksum: str = md5(CONTENT)


GOOD = Answer()
HALF = Answer(send=0.5)
FAULTS = [
    Fault("none", (GOOD,), "ok", 1),
    Fault("404", (Answer(404),), "remote_not_found", 1),
    Fault("410", (Answer(410),), "remote_not_found", 1),
    Fault("403", (Answer(403),), "remote", 1),
    Fault("429 with Retry-After: 1, once", (Answer(429, {"Retry-After": "1"}), GOOD), "ok", 2, at_least_s=1.0),
    Fault("429 with Retry-After: 3600 (capped)", (Answer(429, {"Retry-After": "3600"}), GOOD), "ok", 2, at_least_s=2.0),
    Fault("500 twice, then success", (Answer(500), Answer(500), GOOD), "ok", 3),
    Fault("503 always", (Answer(503),), "remote", 4),
    Fault("hangs up without an answer, once", (Answer(0), GOOD), "ok", 2),
    Fault("hangs up without an answer, always", (Answer(0),), "remote", 4),
    Fault("truncated body, always, no Range", (Answer(send=0.5, ranges=False),), "incomplete_download", 4),
    Fault("truncated body, honest Content-Length", (Answer(body=CONTENT[:1000]),), "incomplete_download", 2),
    Fault("longer than announced", (Answer(body=CONTENT + b"more"),), "incomplete_download", 2),
    Fault("cut half-way, Range honoured", (HALF, GOOD), "ok", 2),
    Fault("cut half-way, Range ignored", (HALF, Answer(ranges=False)), "ok", 2),
    Fault("cut half-way, file replaced meanwhile", (Answer(send=0.5, body=OTHER, etag='"old"'), GOOD), "ok", 2),
    Fault("stalls half-way, then resumes", (Answer(send=0.5, stall_s=1.0), GOOD), "ok", 2, at_least_s=0.6),
    Fault("slow drip, never silent for long", (Answer(pause_s=0.2),), "ok", 1, at_least_s=1.2),
    Fault("wrong bytes once", (Answer(body=OTHER), GOOD), "ok", 2),
    Fault("wrong checksum always", (GOOD,), "checksum_mismatch", 2, checksum=md5(OTHER)),
    Fault("202 with an empty body, once", (Answer(202), GOOD), "ok", 2),
    Fault("202 with an empty body, always", (Answer(202),), "remote", 4),
    Fault("redirect", (Answer(302, {"Location": "/files/elsewhere?signature=secret"}),), "ok", 1),
    Fault("redirect to itself", (Answer(302, {"Location": "/files/data.bin"}),), "remote", 11),
    Fault("redirect to another scheme", (Answer(302, {"Location": "ftp://127.0.0.1/data.bin"}),), "remote", 1),
    Fault("Git LFS pointer", (Answer(body=LFS_POINTER),), "lfs_pointer", 1),
]


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Table]:
    table = Table("fault", "outcome", "requests", "seconds", "message", title="Misbehaving server")
    yield table
    Console(width=180).print(table)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_table(
    fault: Fault, server: RepositoryServer, get: Callable[..., Acquisition], tmp_path: Path, outcomes: Table
) -> None:
    server.publish("data.bin", CONTENT, *fault.answers)
    server.publish("elsewhere", CONTENT)
    server.zenodo(1, ["data.bin"], checksums={"data.bin": fault.checksum})
    started, outcome, message = time.monotonic(), "ok", ""
    try:
        acquired = contents(get(dataset(zenodo())))
    except EopvError as error:
        outcome, message = error.kind, error.message.replace(server.url, "")
    seconds = time.monotonic() - started
    requests = server.hits("/files/data.bin")
    outcomes.add_row(fault.name, outcome, str(len(requests)), f"{seconds:.2f}", message)

    assert (outcome, len(requests)) == (fault.outcome, fault.requests)
    assert seconds >= fault.at_least_s
    assert "secret" not in message
    destination = tmp_path / "cache/files/demo/form-1/data.bin"
    if outcome == "ok":
        assert acquired == {"data.bin": CONTENT}
        assert sorted(path.name for path in destination.parent.iterdir()) == [
            ".complete.json",
            "data.bin",
            "data.bin.sidecar.json",
        ]
    else:
        assert not destination.exists()


def test_resume_asks_only_for_the_rest_of_the_same_version(server: RepositoryServer, get: Callable[..., Acquisition]) -> None:
    server.publish("data.bin", CONTENT, HALF, GOOD)
    server.zenodo(1, ["data.bin"])
    get(dataset(zenodo()))
    first, second = server.hits("/files/data.bin")
    assert "Range" not in first.headers
    assert second.headers["Range"] == f"bytes={len(CONTENT) // 2}-"
    assert second.headers["If-Range"] == f'"{md5(CONTENT)}"'


def test_a_later_run_resumes_what_an_earlier_one_left(server: RepositoryServer, get: Callable[..., Acquisition]) -> None:
    never = RetryPolicy(attempts=1, read_timeout_s=0.6)
    server.publish("data.bin", CONTENT, HALF, GOOD)
    server.zenodo(1, ["data.bin"])
    with pytest.raises(AcquisitionError, match=r"ended after 200,000 of 400,000 bytes"):
        get(dataset(zenodo()), retry=never)
    assert contents(get(dataset(zenodo()), retry=never)) == {"data.bin": CONTENT}
    assert server.hits("/files/data.bin")[1].headers["Range"] == "bytes=200000-"


@pytest.mark.parametrize("shape", ["legacy", "entries", "listing"])
def test_zenodo(shape: str, server: RepositoryServer, get: Callable[..., Acquisition]) -> None:
    server.publish("a.geojson", b"{}")
    server.publish("readme.txt", b"read me")
    server.zenodo(7, ["a.geojson", "readme.txt"], shape=shape)
    acquisition = get(dataset(zenodo(7, files={"include": ["*.geojson"]})))
    assert contents(acquisition) == {"a.geojson": b"{}"}
    assert origins(acquisition) == {"repository"}


@pytest.mark.parametrize("version", [None, 3])
def test_figshare_lists_beyond_the_first_files(
    version: int | None, server: RepositoryServer, get: Callable[..., Acquisition]
) -> None:
    names = [f"{number:03}.csv" for number in range(105)]
    for name in names:
        server.publish(name, name.encode())
    server.figshare(5, names, version=version)
    source = {"repository": "figshare", "article": 5, "version": version}
    acquisition = get(dataset({"source": source, "files": {"include": ["10?.csv"]}}))
    assert contents(acquisition) == {f"{number}.csv": f"{number}.csv".encode() for number in range(100, 105)}


def test_sciencebase(server: RepositoryServer, get: Callable[..., Acquisition], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="httpx")
    caplog.set_level(logging.DEBUG, logger="ingest")
    item = "57a3a5f4e4b006cb4553da32"
    for name in ("a.csv", "b.csv"):
        server.publish(name, name.encode())
    server.sciencebase(item, ["a.csv", "b.csv"])
    acquisition = get(dataset({"source": {"repository": "sciencebase", "item": item}}))
    assert contents(acquisition) == {"a.csv": b"a.csv", "b.csv": b"b.csv"}
    sidecar = acquisition.files[0].path.with_name("a.csv.sidecar.json").read_text()
    assert "/files/a.csv" in sidecar
    assert "__disk__secret" not in sidecar + caplog.text
    assert "/files/a.csv" in caplog.text


def test_github_recurses_and_takes_companions(server: RepositoryServer, get: Callable[..., Acquisition]) -> None:
    names = ["data/sub/PV.shp", "data/sub/PV.shx", "data/sub/PV.dbf", "data/sub/PV.CPG", "data/NPV.shp", "other/x.shp"]
    for name in names:
        server.publish(name, name.encode())
    server.github("some/repo", names, ref="v1")
    source = {"repository": "github", "repo": "some/repo", "ref": "v1", "path": "data"}
    acquisition = get(dataset({"source": source, "files": {"include": ["PV.shp"]}}))
    assert [file.name for file in acquisition.files] == ["sub/PV.CPG", "sub/PV.dbf", "sub/PV.shp", "sub/PV.shx"]


def test_github_lfs_pointer(server: RepositoryServer, get: Callable[..., Acquisition]) -> None:
    server.publish("a.geojson", LFS_POINTER)
    server.github("some/repo", ["a.geojson"], ref="v1")
    with pytest.raises(AcquisitionError, match="LFS"):
        get(dataset({"source": {"repository": "github", "repo": "some/repo", "ref": "v1"}}))


def test_direct_urls_and_secrets(server: RepositoryServer, get: Callable[..., Acquisition]) -> None:
    url = server.publish("a b.csv", b"x")
    del server.files["/files/a b.csv"]
    with pytest.raises(RemoteNotFoundError) as caught:
        get(dataset(direct(url.replace("http://", "http://user:hunter2@").replace(" ", "%20") + "?token=hunter2")))
    assert "a%20b.csv" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "user" not in str(caught.value)


def test_an_api_that_answers_nonsense(server: RepositoryServer, get: Callable[..., Acquisition]) -> None:
    server.document("/zenodo/records/1", {"files": [{"name": "renamed field"}]})
    with pytest.raises(RemoteError, match="did not answer as its API says"):
        get(dataset(zenodo()))


def test_a_published_name_cannot_leave_the_cache(server: RepositoryServer, get: Callable[..., Acquisition]) -> None:
    server.publish("../../evil", b"x")
    server.zenodo(1, ["../../evil"])
    with pytest.raises(RemoteError, match="climbs out"):
        get(dataset(zenodo()))


def test_a_filter_that_matches_nothing_lists_what_was_there(server: RepositoryServer, get: Callable[..., Acquisition]) -> None:
    server.publish("a.csv", b"x")
    server.publish("b.txt", b"x")
    server.zenodo(1, ["a.csv", "b.txt"])
    with pytest.raises(NoFileMatchedError, match=r"\*\.gpkg.*There: a\.csv, b\.txt\."):
        get(dataset(zenodo(files={"include": ["*.gpkg"]})))


def test_cache_is_used_then_verified_then_mended(
    server: RepositoryServer, get: Callable[..., Acquisition], caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.csv", "b.csv"):
        server.publish(name, name.encode() * 10)
    server.zenodo(1, ["a.csv", "b.csv"])
    entry = dataset(zenodo())
    first = get(entry)
    count = len(server.requests)
    again = get(entry, offline=True)
    assert (origins(again), again.digest, len(server.requests)) == ({"cache"}, first.digest, count)

    damaged = first.files[0].path
    damaged.write_bytes(b"X" + damaged.read_bytes()[1:])  # same size
    with pytest.raises(AcquisitionError):
        get(entry, offline=True)
    caplog.clear()
    mended = get(entry)
    assert "is damaged" in caplog.text
    assert mended.digest == first.digest
    assert {file.name: file.origin for file in mended.files} == {"a.csv": "repository", "b.csv": "cache"}
    assert len(server.hits("/files/b.csv")) == 1

    assert origins(get(entry, refresh=True)) == {"repository"}
    assert len(server.hits("/files/b.csv")) == 2


def test_another_filter_or_version_is_not_served_from_the_cache(
    server: RepositoryServer, get: Callable[..., Acquisition]
) -> None:
    for record in (1, 2):
        server.publish(f"{record}.csv", str(record).encode())
        server.zenodo(record, [f"{record}.csv"])
    assert contents(get(dataset(zenodo(1)))) == {"1.csv": b"1"}
    assert contents(get(dataset(zenodo(2)))) == {"2.csv": b"2"}


def test_mirror_folder_is_used_in_place(server: RepositoryServer, get: Callable[..., Acquisition], tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    write(mirror / "demo", PV__shp=b"1", PV__shx=b"2", PV__dbf=b"3", PV__CPG=b"4", NPV__shp=b"5", _PV__txt=b"6")
    acquisition = get(dataset(zenodo(files={"include": ["PV*.shp"]})), mirror=str(mirror))
    assert [file.name for file in acquisition.files] == ["PV.CPG", "PV.dbf", "PV.shp", "PV.shx"]
    assert {file.path.parent for file in acquisition.files} == {mirror / "demo"}
    assert origins(acquisition) == {"mirror"}
    assert not server.requests


def test_mirror_url_and_folder_give_the_same_content(
    server: RepositoryServer, get: Callable[..., Acquisition], tmp_path: Path
) -> None:
    served = tmp_path / "served"
    write(served / "demo/sub dir", a__geojson=b"{}", b__txt=b"no")
    write(served / "demo", **{"ü & 1__geojson": b"[]"})
    entry = dataset(zenodo(files={"include": ["*.geojson"]}))
    by_folder = get(entry, mirror=str(served))
    by_url = get(entry, mirror=f"{server.url}/mirror", offline=True)
    assert contents(by_url) == contents(by_folder) == {"sub dir/a.geojson": b"{}", "ü & 1.geojson": b"[]"}
    assert by_url.digest == by_folder.digest
    assert origins(by_url) == {"mirror"}
    assert origins(get(entry, offline=True)) == {"cache"}


@pytest.mark.parametrize("by_url", [False, True])
def test_mirror_without_the_dataset_falls_through(
    by_url: bool, server: RepositoryServer, get: Callable[..., Acquisition], tmp_path: Path
) -> None:
    write(tmp_path / "served/other", a__csv=b"x")
    server.publish("a.csv", b"x")
    server.zenodo(1, ["a.csv"])
    mirror = f"{server.url}/mirror/" if by_url else str(tmp_path / "served")
    assert origins(get(dataset(zenodo()), mirror=mirror)) == {"repository"}


def test_mirror_may_hold_only_a_less_preferred_distribution(get: Callable[..., Acquisition], tmp_path: Path) -> None:
    write(tmp_path / "mirror/demo", table__parquet=b"x")
    entry = dataset(zenodo(files={"include": ["*.gpkg"]}), zenodo(files={"include": ["*.parquet"]}))
    assert get(entry, mirror=str(tmp_path / "mirror")).distribution.name == "form-2"


def test_mirror_may_hold_members_in_place_of_the_archive(get: Callable[..., Acquisition], tmp_path: Path) -> None:
    write(tmp_path / "mirror/demo", arrays__gpkg=b"x")
    entry = dataset(zenodo(files={"include": ["all.zip"]}, members={"include": ["arrays.gpkg"]}))
    acquisition = unpack(get(entry, mirror=str(tmp_path / "mirror")), cache_dir=tmp_path / "cache")
    assert contents(acquisition) == {"arrays.gpkg": b"x"}


def test_mirror_that_contradicts_the_manifest_is_an_error(
    server: RepositoryServer, get: Callable[..., Acquisition], tmp_path: Path
) -> None:
    write(tmp_path / "mirror/demo", a__csv=b"not it")
    entry = dataset(zenodo(checksums={"a.csv": f"md5:{md5(b'it')}"}))
    with pytest.raises(ChecksumMismatchError):
        get(entry, mirror=str(tmp_path / "mirror"))
    assert not server.requests


def test_mirror_with_half_a_shapefile_names_what_is_missing(get: Callable[..., Acquisition], tmp_path: Path) -> None:
    write(tmp_path / "mirror/demo", PV__shp=b"1", PV__shx=b"2")
    with pytest.raises(MissingCompanionError, match=r"PV\.dbf"):
        get(dataset(zenodo(files={"include": ["*.shp"]})), mirror=str(tmp_path / "mirror"))


@pytest.mark.parametrize("last_possibility", [{"offline": True}, {}], ids=["offline", "no repository"])
def test_nothing_in_the_last_mirror_lists_what_was_there(
    last_possibility: dict[str, bool], get: Callable[..., Acquisition], tmp_path: Path
) -> None:
    write(tmp_path / "mirror/demo", a__csv=b"1")
    source = {"repository": "zenodo", "record": 1} if last_possibility else {"repository": "mirror"}
    entry = dataset({"source": source, "files": {"include": ["*.gpkg"]}})
    with pytest.raises(NoFileMatchedError, match=r"There: a\.csv"):
        get(entry, mirror=str(tmp_path / "mirror"), **last_possibility)


def test_at_most_two_connections_a_host(server: RepositoryServer, tmp_path: Path) -> None:
    urls = [server.publish(f"{number}.bin", CONTENT, Answer(pause_s=0.02)) for number in range(6)]

    def one(number: int) -> Acquisition:
        return fetch(dataset(direct(urls[number])), cache_dir=tmp_path / str(number), retry=IMPATIENT)

    with ThreadPoolExecutor(6) as pool:
        assert all(contents(acquisition) for acquisition in pool.map(one, range(6)))
    assert server.most_connections == 2


def _in_another_process(url: str, cache: Path) -> tuple[int, str]:
    acquisition = fetch(dataset(direct(url)), cache_dir=cache, retry=IMPATIENT)
    return os.getpid(), unpack(acquisition, cache_dir=cache).digest


def test_processes_that_fetch_the_same_do_not_disturb_each_other(server: RepositoryServer, tmp_path: Path) -> None:
    url = server.publish("data.bin", CONTENT, HALF, Answer(pause_s=0.05))
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = list(pool.map(_in_another_process, [url] * 6, [tmp_path / "cache"] * 6))
    assert len({digest for _, digest in results}) == 1
    assert contents(fetch(dataset(direct(url)), cache_dir=tmp_path / "cache", offline=True)) == {"data.bin": CONTENT}


def test_progress_of_rich_reaches_the_end(server: RepositoryServer, get: Callable[..., Acquisition]) -> None:
    url = server.publish("data.bin", CONTENT)
    progress = Progress(disable=True)
    get(dataset(direct(url)), progress=progress)
    (task,) = progress.tasks
    assert (task.description, task.completed, task.total) == ("data.bin", len(CONTENT), len(CONTENT))
