"""Where files come from: each repository's API on a real server, and mirrors behind a folder or a URL."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from acquisition_support import contents, dataset, direct, origins, write, zenodo
from repository_server import LFS_POINTER, RepositoryServer, md5

from db.errors import (
    AcquisitionError,
    ChecksumMismatchError,
    MissingCompanionError,
    NoFileMatchedError,
    RemoteError,
    RemoteNotFoundError,
)
from ingest.acquire import Acquisition, unpack


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
