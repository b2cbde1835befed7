"""Acquisition from a real HTTP server that speaks each repository's API and misbehaves.

``pytest tests/integration/test_acquisition.py -k fault_table -s`` prints the table fault → outcome.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from acquisition_support import IMPATIENT, contents, dataset, direct, origins, write, zenodo
from repository_server import LFS_POINTER, Answer, RepositoryServer, md5
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from db.errors import (
    AcquisitionError,
    EopvError,
)
from ingest.acquire import Acquisition, fetch, unpack
from ingest.http import RetryPolicy

CONTENT = random.Random(1).randbytes(400_000)
OTHER = random.Random(2).randbytes(400_000)


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
    Fault("compresses although not asked to, and is cut once", (Answer(gzip=True, send=0.5), Answer(gzip=True)), "ok", 2),
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
    assert first.headers["Accept-Encoding"] == "identity"
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


@pytest.mark.parametrize(("age_s", "resumed"), [(7200, True), (0, False)], ids=["of a killed process", "of a live process"])
def test_parts_of_other_processes(
    age_s: int, resumed: bool, server: RepositoryServer, get: Callable[..., Acquisition], tmp_path: Path
) -> None:
    url = server.publish("data.bin", CONTENT)
    version = {"url": url, "etag": f'"{md5(CONTENT)}"'}
    part = write(tmp_path / "cache/files/demo/form-1/data.bin.0123456789ab.part", data=CONTENT[:1000])
    (part / "version.json").write_text(json.dumps(version))
    for path in (*part.iterdir(), part):
        os.utime(path, (time.time() - age_s,) * 2)
    assert contents(get(dataset(direct(url)))) == {"data.bin": CONTENT}
    assert [request.headers.get("Range") for request in server.hits("/files/data.bin")] == ["bytes=1000-" if resumed else None]
    assert part.exists() is not resumed


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
