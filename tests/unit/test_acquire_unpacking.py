"""Archives of an acquisition become their members, once, complete or not at all."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from db.errors import NoFileMatchedError, UnsafeArchiveError
from ingest.acquire import AcquiredFile, Acquisition, unpack
from ingest.archives import Limits
from ingest.manifest import Distribution

FILES = {"in/a.geojson": b"{}", "in/b.csv": b"x"}


def packed(path: Path, members: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members or FILES).items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


def acquired(*paths: Path, **distribution: Any) -> Acquisition:
    source = {"repository": "zenodo", "record": 1}
    form = Distribution.model_validate({"name": "form", "format": "geojson", "source": source, **distribution})
    files = [
        AcquiredFile(path.name, path, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size, "mirror")
        for path in paths
    ]
    return Acquisition.of("demo", form, files)


def contents(acquisition: Acquisition) -> dict[str, bytes]:
    return {file.name: file.path.read_bytes() for file in acquisition.files}


def test_members_replace_the_archive_and_other_files_pass_through(tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_bytes(b"plain")
    archive = packed(tmp_path / "all.zip")
    unpacked = unpack(acquired(archive, plain, members={"include": ["*.geojson"]}), cache_dir=tmp_path / "cache")
    assert contents(unpacked) == {"all.zip/in/a.geojson": b"{}", "plain.txt": b"plain"}
    assert unpacked.files[1].path == plain
    assert {file.origin for file in unpacked.files} == {"mirror"}
    below = tmp_path / "cache" / "unpacked" / hashlib.sha256(archive.read_bytes()).hexdigest()
    assert unpacked.files[0].path.is_relative_to(below)


def test_digests_agree_with_sha256sum(tmp_path: Path) -> None:
    unpacked = unpack(acquired(packed(tmp_path / "all.zip")), cache_dir=tmp_path / "cache")
    for file in unpacked.files:
        assert (
            subprocess.run(["sha256sum", file.path], check=True, capture_output=True, text=True).stdout.split()[0]
            == file.sha256
        )


def test_unpacked_once_and_again_only_when_damaged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    acquisition = acquired(packed(tmp_path / "all.zip"))
    first = unpack(acquisition, cache_dir=tmp_path / "cache")
    before = first.files[0].path.stat().st_mtime_ns
    assert unpack(acquisition, cache_dir=tmp_path / "cache") == first
    assert first.files[0].path.stat().st_mtime_ns == before

    first.files[0].path.write_bytes(b"[]")
    assert (
        contents(unpack(acquisition, cache_dir=tmp_path / "cache"))
        == contents(first)
        == {f"all.zip/{k}": v for k, v in FILES.items()}
    )
    assert "is damaged" in caplog.text

    first.files[1].path.unlink()
    assert contents(unpack(acquisition, cache_dir=tmp_path / "cache")) == contents(first)


def test_two_selections_of_one_archive_do_not_mix(tmp_path: Path) -> None:
    archive = packed(tmp_path / "all.zip")
    for name, content in FILES.items():
        acquisition = acquired(archive, members={"include": [name]})
        assert contents(unpack(acquisition, cache_dir=tmp_path / "cache")) == {f"all.zip/{name}": content}


def test_a_failed_unpacking_leaves_nothing_behind(tmp_path: Path) -> None:
    acquisition = acquired(packed(tmp_path / "all.zip"))
    with pytest.raises(UnsafeArchiveError):
        unpack(acquisition, cache_dir=tmp_path / "cache", limits=Limits(total_bytes=2))
    with pytest.raises(NoFileMatchedError):
        unpack(acquired(tmp_path / "all.zip", members={"include": ["*.gpkg"]}), cache_dir=tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(unpack(acquisition, cache_dir=tmp_path / "cache").files) == 2


@pytest.mark.parametrize(("members", "name"), [(None, "x.kmz"), ({"include": ["*"]}, "x.kmz/doc.kml")])
def test_a_kmz_is_unpacked_only_on_request(members: dict[str, Any] | None, name: str, tmp_path: Path) -> None:
    archive = packed(tmp_path / "x.kmz", {"doc.kml": b"<kml/>"})
    assert [file.name for file in unpack(acquired(archive, members=members), cache_dir=tmp_path / "cache").files] == [name]


def test_digest_is_of_names_and_content_not_of_places(tmp_path: Path) -> None:
    def digest(folder: str, origin: str, **content: str) -> str:
        source = {"repository": "zenodo", "record": 1}
        form = Distribution.model_validate({"name": "form", "format": "geojson", "source": source})
        files = [AcquiredFile(name, tmp_path / folder / name, sha, 1, origin) for name, sha in content.items()]
        return Acquisition.of("demo", form, files).digest

    here = digest("here", "cache", a="1", b="2")
    assert here == digest("there", "mirror", b="2", a="1")
    assert (
        len(
            {here, digest("here", "cache", a="2", b="1"), digest("here", "cache", a="1"), digest("here", "cache", a="1", c="2")}
        )
        == 4
    )
