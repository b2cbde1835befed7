"""Icechunk repositories: a build is visible when it is complete, or not at all; nobody's commit is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import icechunk
import numpy as np
import obstore
import pytest
import zarr
from lakes_on_s3 import on_s3
from range_server import RangeServer
from rasters import pixels, read_raster, same_bits, scene, write_raster
from virtual_comparison import compared, few

from dataflows.cubes import open_virtual
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from dataflows.cubes.repository.locks import process_lock
from dataflows.cubes.virtual import build_virtual
from db import Settings
from db.errors import CubeConflictError, CubeLockedError, CubeNotFoundError, SnapshotNotFoundError, SourceChangedError
from db.settings import Target

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.xdist_group("services"))])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A lake without cubes, in a folder or on S3."""
    if request.param == "folder":
        return Settings(home=tmp_path / "home", _env_file=None)
    return on_s3(request.getfixturevalue("dev"), tmp_path.name)


def write(lake: Settings, value: int, **options) -> store.Build:
    with store.build("chips", message=f"write {value}", lake=lake, **options) as build:
        numbers(build)[:] = value
    return build


def numbers(build: store.Build) -> zarr.Array:
    return zarr.open_group(build.store, mode="a").require_array("numbers", shape=(4,), chunks=(1,), dtype="int32")


def interrupted(lake: Settings, resume: str | None, checkpoints: int = 0) -> None:
    """A build that ends after some checkpoints, one number each, and one number more."""
    with store.build("chips", message="long", lake=lake, resume=resume) as build:
        for place in range(checkpoints):
            numbers(build)[place] = 5
            build.checkpoint()
        numbers(build)[checkpoints] = 5
        raise KeyboardInterrupt


def overtaken(lake: Settings) -> None:
    """A build during which another one is finished."""
    with store.build("chips", message="slow", lake=lake) as build:
        numbers(build)[:] = 1
        write(lake, 2)


def read(lake: Settings, as_of: store.AsOf | None = None) -> list[int]:
    session = store.open_readonly("chips", as_of, lake=lake)
    return zarr.open_group(session.store, mode="r")["numbers"][:].tolist()


def messages(lake: Settings) -> list[str]:
    return [info.message for info in store.repository("chips", lake=lake).ancestry(branch="main")][:-1]


def test_a_build_is_one_tagged_commit(lake):
    assert not store.exists("chips", lake)
    build = write(lake, 1, metadata=CommitMetadata(ducklake_snapshot_id=7, parameters={"size": 128}))
    repo = store.repository("chips", lake=lake)
    assert repo.lookup_branch("main") == build.snapshot_id == repo.lookup_tag(build.tag)
    assert repo.list_branches() == {"main"}
    newest = next(iter(repo.ancestry(branch="main")))
    metadata = CommitMetadata.of(newest)
    assert (metadata.ducklake_snapshot_id, metadata.parameters, metadata.items) == (7, {"size": 128}, ())
    assert metadata.code_version.startswith("0.")
    assert read(lake) == [1, 1, 1, 1]


def test_every_way_to_name_a_version(lake):
    began = datetime.now(UTC)
    first = write(lake, 1, tag="first")
    between = datetime.now(UTC)
    write(lake, 2)
    for version in ("first", first.snapshot_id, between, between.isoformat(), between.replace(tzinfo=None)):
        assert read(lake, version) == [1, 1, 1, 1]
    for version in (None, "main", datetime.now(UTC) + timedelta(days=1)):
        assert read(lake, version) == [2, 2, 2, 2]
    for version in ("no-such-tag", "1CECHNKREP0F1RSTCMTG", began - timedelta(days=1), "2020-01-01"):
        with pytest.raises(SnapshotNotFoundError, match="no tag, branch, snapshot or time"):
            read(lake, version)


def test_nothing_changed_makes_no_commit(lake):
    write(lake, 1)
    with store.build("chips", message="look", lake=lake) as build:
        assert numbers(build)[:].tolist() == [1, 1, 1, 1]
    assert (build.snapshot_id, build.tag) == (None, None)
    assert messages(lake) == ["write 1"]


def test_what_fails_in_the_block_or_in_a_check_leaves_main_where_it_was(lake):
    before = write(lake, 1).snapshot_id

    def check(session: icechunk.Session) -> None:
        assert zarr.open_group(session.store, mode="r")["numbers"][:].tolist() == [2, 2, 2, 2]
        raise ValueError("not good enough")

    with pytest.raises(ValueError, match="not good enough"):
        write(lake, 2, check=check)
    with pytest.raises(KeyboardInterrupt):
        interrupted(lake, resume=None)
    repo = store.repository("chips", lake=lake)
    assert (repo.lookup_branch("main"), repo.list_branches()) == (before, {"main"})
    assert len(repo.list_tags()) == 1
    assert read(lake) == [1, 1, 1, 1]


def test_an_interrupted_build_goes_on_at_its_checkpoint_and_stays_one_commit(lake):
    write(lake, 0)
    with pytest.raises(KeyboardInterrupt):
        interrupted(lake, resume="a", checkpoints=2)
    assert read(lake) == [0, 0, 0, 0]
    with store.build("chips", message="long", lake=lake, resume="a") as build:
        assert build.resumed
        assert numbers(build)[:].tolist() == [5, 5, 0, 0]
        numbers(build)[2:] = 5
    assert read(lake) == [5, 5, 5, 5]
    assert messages(lake) == ["long", "write 0"]
    assert store.repository("chips", lake=lake).list_branches() == {"main"}


def test_checkpoints_on_an_older_main_are_not_gone_on_with(lake):
    write(lake, 0)
    with pytest.raises(KeyboardInterrupt):
        interrupted(lake, resume="a", checkpoints=1)
    write(lake, 1)
    with store.build("chips", message="long", lake=lake, resume="a") as build:
        assert not build.resumed
        assert numbers(build)[:].tolist() == [1, 1, 1, 1]


def test_there_is_nothing_to_read_before_the_first_build(lake):
    with pytest.raises(CubeNotFoundError, match="no regions cubes"):
        store.open_readonly("regions", lake=lake)
    assert not store.exists("regions", lake)


@pytest.mark.xdist_group("services")
def test_two_builds_at_once_on_s3_one_wins_and_the_other_says_so(dev):
    lake = on_s3(dev, "at-once")
    write(lake, 0)
    with pytest.raises(CubeConflictError, match="was finished while 'slow' ran"):
        overtaken(lake)
    assert read(lake) == [2, 2, 2, 2]
    assert store.repository("chips", lake=lake).list_branches() == {"main"}


WRITER = """
import sys, zarr
from db.errors import CubeConflictError
from dataflows.cubes.repository import store
name, commits = sys.argv[1], int(sys.argv[2])
done = 0
while done < commits:
    try:
        with store.build("chips", message=f"{name}-{done}") as build:
            zarr.open_group(build.store, mode="a").create_array(f"{name}-{done}", shape=(1,), dtype="int8")[:] = 1
        done += 1
    except CubeConflictError:
        continue
"""


def environment(lake: Settings) -> dict[str, str]:
    given = {"EOPV_HOME": str(lake.home), "EOPV_TARGET": lake.target.value}
    if lake.target is not Target.LOCAL:
        given |= {
            "EOPV_CATALOG_DSN": lake.catalog_dsn.get_secret_value(),
            "EOPV_DATA_PATH": lake.data_path,
            "EOPV_S3_ENDPOINT": lake.s3_endpoint,
            "EOPV_S3_ACCESS_KEY_ID": lake.s3_access_key_id.get_secret_value(),
            "EOPV_S3_SECRET_ACCESS_KEY": lake.s3_secret_access_key.get_secret_value(),
        }
    return os.environ | given


def test_processes_that_build_at_once_lose_nothing(lake):
    processes, commits = 3, 6
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, f"writer{number}", str(commits)], cwd=ROOT, env=environment(lake))
        for number in range(processes)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * processes
    wanted = {f"writer{number}-{commit}" for number in range(processes) for commit in range(commits)}
    group = zarr.open_group(store.open_readonly("chips", lake=lake).store, mode="r")
    assert set(group.array_keys()) == wanted
    assert all(array[0] == 1 for _, array in group.arrays())
    assert sorted(messages(lake)) == sorted(wanted)


KILLED = """
import pathlib, sys, time, zarr
from dataflows.cubes.repository import store
with store.build("chips", message="killed", resume=sys.argv[2] or None) as build:
    zarr.open_group(build.store, mode="a")["numbers"][:2] = 9
    if sys.argv[2]:
        build.checkpoint()
    zarr.open_group(build.store, mode="a")["numbers"][2:] = 9
    pathlib.Path(sys.argv[1]).touch()
    time.sleep(60)
"""


@pytest.mark.parametrize("resume", ["", "b"])
def test_kill_9_in_the_middle_leaves_main_untouched(resume, lake, tmp_path):
    before = write(lake, 1).snapshot_id
    sign = tmp_path / "half-way"
    killed = subprocess.Popen([sys.executable, "-c", KILLED, str(sign), resume], cwd=ROOT, env=environment(lake))
    give_up = time.monotonic() + 60
    while not sign.exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert store.repository("chips", lake=lake).lookup_branch("main") == before
    assert read(lake) == [1, 1, 1, 1]
    # The kernel let the lock go: the next build begins at once, and goes on where it may
    with store.build("chips", message="next", lake=lake, resume=resume or None, wait_s=0) as build:
        assert build.resumed == bool(resume)
        assert numbers(build)[:].tolist() == ([9, 9, 1, 1] if resume else [1, 1, 1, 1])
        numbers(build)[:] = 2
    assert read(lake) == [2, 2, 2, 2]
    if lake.target is Target.LOCAL:
        assert store.repository("chips", lake=lake).list_branches() == {"main"}


def test_a_second_builder_in_a_folder_waits_or_says_who_holds_it(home):
    holder = store.build("chips", message="first", lake=home)
    with holder, pytest.raises(CubeLockedError, match=rf"held by process {os.getpid()}"):
        write(home, 1, wait_s=0.1)
    write(home, 1, wait_s=0)
    with process_lock(home.home / "icechunk" / ".chips.lock", wait_s=0):
        assert read(home) == [1, 1, 1, 1]


@pytest.mark.filterwarnings("ignore:Imagecodecs codecs")
@pytest.mark.xdist_group("services")
def test_virtual_cubes_of_objects_equal_rasterio_with_the_repository_on_s3_too(dev, tmp_path):
    lake = on_s3(dev, "exact")
    bucket, _ = Access.of(lake).open("s3://eopv/source/x")
    paths = few(tmp_path)
    for path in paths:
        obstore.put(bucket, f"source/{path.name}", path.read_bytes())
    hrefs = {path.stem: f"s3://eopv/source/{path.name}" for path in paths}
    assert compared(lake, hrefs, {path.stem: path for path in paths}) == []


@pytest.mark.xdist_group("services")
def test_a_changed_object_is_an_error_and_no_key_is_stored(dev, tmp_path):
    lake = on_s3(dev, "changed")
    access = Access.of(lake)
    bucket, _ = access.open("s3://eopv/x")
    path = write_raster(tmp_path / "a.tif", pixels())
    obstore.put(bucket, "changed-source/a.tif", path.read_bytes())
    report = build_virtual([scene("s3://eopv/changed-source/a.tif")], lake=lake)
    assert report.refusals == ()
    assert same_bits(open_virtual("made-l2a", lake=lake).red.values, read_raster(path))
    obstore.put(bucket, "changed-source/a.tif", write_raster(path, pixels(seed=9)).read_bytes())
    with pytest.raises(SourceChangedError, match=r"s3://eopv/changed-source/a\.tif"):
        open_virtual("made-l2a", lake=lake).red.load()
    secrets = [lake.s3_secret_access_key.get_secret_value(), lake.s3_access_key_id.get_secret_value()]
    objects = [entry["path"] for page in obstore.list(bucket, prefix="changed/icechunk") for entry in page]
    assert len(objects) >= 4
    for name in objects:
        content = bytes(obstore.get(bucket, name).bytes())
        assert not [secret for secret in secrets if secret.encode() in content], name
    session = store.open_readonly("virtual", lake=lake)
    assert not [secret for secret in secrets if secret in repr(session.config)]


def test_a_remote_tile_is_one_request_from_a_repository_in_a_folder(home, tmp_path):
    # earth-mover/icechunk#2256: five requests without the storage settings; tiles of 2 MB show it
    values = pixels(shape=(1024, 1024))
    write_raster(tmp_path / "big.tif", values, blockxsize=1024, blockysize=1024)
    with RangeServer(tmp_path) as server:
        build_virtual([scene(f"{server.url}/big.tif")], lake=home)
        cube = open_virtual("made-l2a", lake=home)
        server.requests.clear()
        assert np.array_equal(cube.red[0].values, values[0])
        assert len(server.requests) == 1
