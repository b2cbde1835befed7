"""Archives from strangers: hostile, damaged and honest ones, made here."""

from __future__ import annotations

import hashlib
import io
import random
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from db.errors import (
    CorruptArchiveError,
    EncryptedArchiveError,
    EopvError,
    MissingCompanionError,
    NoFileMatchedError,
    UnsafeArchiveError,
)
from ingest.archives import BoundedWriters, Limits, archive_type, extract
from ingest.manifest import FileFilter

EVERYTHING = FileFilter()
MEMBERS = {"a.geojson": b"{}", "deep/er/b.csv": b"x,y\n1,2\n", "empty.txt": b"", "inner.zip": b"PK\x03\x04 not looked into"}

type Maker = Callable[[Path, dict[str, bytes]], None]


def make_zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            # a ZipInfo of its own: writestr() with a bare name would tidy it up
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def make_7z(path: Path, members: dict[str, bytes]) -> None:
    with py7zr.SevenZipFile(path, "w") as archive:
        for number, (name, content) in enumerate(members.items()):
            archive.writestr(content, f"m{number}")
            archive.header.files_info.files[-1]["filename"] = name  # writestr() refuses hostile names


def make_tar(mode: str) -> Maker:
    def make(path: Path, members: dict[str, bytes]) -> None:
        with tarfile.open(path, mode) as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))

    return make


MAKERS: dict[str, Maker] = {
    "zip": make_zip,
    "7z": make_7z,
    "tar": make_tar("w"),
    "tar.gz": make_tar("w:gz"),
    "tar.bz2": make_tar("w:bz2"),
    "tar.xz": make_tar("w:xz"),
}
each_format = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a" / "unpacked"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "download.bin"  # the name says nothing: the content has to


def written(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@each_format
def test_members_arrive_as_they_were_packed(make: Maker, archive: Path, folder: Path) -> None:
    make(archive, MEMBERS)
    members = extract(archive, folder, EVERYTHING)
    assert written(folder) == MEMBERS
    assert {(m.name, m.sha256, m.bytes) for m in members} == {
        (name, hashlib.sha256(content).hexdigest(), len(content)) for name, content in MEMBERS.items()
    }


@each_format
def test_only_wanted_members_are_written(make: Maker, archive: Path, folder: Path) -> None:
    shapefile = {f"d/PV.{extension}": extension.encode() for extension in ("shp", "shx", "dbf", "prj", "CPG", "shp.xml")}
    make(
        archive,
        {**shapefile, "d/PV_old.shp": b"", "d/PV_old.dbf": b"", "d/._PV.shp": b"", "__MACOSX/d/PV.shp": b"", "readme": b""},
    )
    extract(archive, folder, FileFilter(include=("PV.shp",)))
    assert written(folder) == shapefile


@each_format
def test_nothing_wanted_lists_the_members(make: Maker, archive: Path, folder: Path) -> None:
    make(archive, MEMBERS)
    with pytest.raises(NoFileMatchedError, match=r"There: a\.geojson, deep/er/b\.csv"):
        extract(archive, folder, FileFilter(include=("*.gpkg",)))


@each_format
def test_half_a_shapefile_names_what_is_missing(make: Maker, archive: Path, folder: Path) -> None:
    make(archive, {"PV.shp": b"", "PV.dbf": b""})
    with pytest.raises(MissingCompanionError, match=r"PV\.shx"):
        extract(archive, folder, EVERYTHING)


@each_format
@pytest.mark.parametrize(
    "name", ["/abs.csv", "../up.csv", "a/../../up.csv", "C:/x.csv", "c:x.csv", "..\\up.csv", "\\\\host\\x.csv"]
)
def test_a_name_that_leads_elsewhere_condemns_the_archive(name: str, make: Maker, archive: Path, folder: Path) -> None:
    make(archive, {"good.csv": b"1", name: b"2"})
    with pytest.raises(UnsafeArchiveError, match="unsafe member name"):
        extract(archive, folder, FileFilter(include=("good.csv",)))
    assert [path for path in folder.parent.parent.rglob("*") if path.is_file()] == [archive]


@each_format
def test_two_members_of_one_name(make: Maker, archive: Path, folder: Path) -> None:
    make(archive, {"d/a.csv": b"1", "d/./a.csv": b"2"})
    with pytest.raises(UnsafeArchiveError, match="two members"):
        extract(archive, folder, EVERYTHING)


@each_format
def test_windows_separators_are_folders(make: Maker, archive: Path, folder: Path) -> None:
    make(archive, {"d\\a.csv": b"1"})
    extract(archive, folder, EVERYTHING)
    assert written(folder) == {"d/a.csv": b"1"}


@each_format
def test_too_many_members(make: Maker, archive: Path, folder: Path) -> None:
    make(archive, {f"{number}.csv": b"" for number in range(11)})
    with pytest.raises(UnsafeArchiveError, match="more than 10 members"):
        extract(archive, folder, FileFilter(include=("1.csv",)), limits=Limits(members=10))


@each_format
def test_too_many_bytes(make: Maker, archive: Path, folder: Path) -> None:
    make(archive, {"a.csv": bytes(600), "b.csv": bytes(600)})
    with pytest.raises(UnsafeArchiveError, match="more than 1,000 bytes"):
        extract(archive, folder, EVERYTHING, limits=Limits(total_bytes=1000))
    extract(archive, folder, FileFilter(include=("a.csv",)), limits=Limits(total_bytes=1000))


@pytest.mark.parametrize("make", [make_zip, make_7z, make_tar("w:gz"), make_tar("w:xz")], ids=["zip", "7z", "tar.gz", "tar.xz"])
def test_a_bomb_trips_the_ratio_and_a_tiny_file_of_zeros_does_not(make: Maker, archive: Path, folder: Path) -> None:
    make(archive, {"zeros.csv": bytes(3_000_000)})
    limits = Limits(ratio=20, ratio_from_bytes=1_000_000)
    with pytest.raises(UnsafeArchiveError, match="20 times its size"):
        extract(archive, folder, EVERYTHING, limits=limits)
    make(archive, {"zeros.csv": bytes(900_000)})
    extract(archive, folder, EVERYTHING, limits=limits)


def test_a_zip_bomb_with_a_lying_header_is_cut_at_the_lie(archive: Path, folder: Path) -> None:
    make_zip(archive, {"a.csv": bytes(5_000_000)})
    # claim 10 bytes in the local header and in the central directory
    size = (5_000_000).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(CorruptArchiveError, match="CRC"):  # zipfile stops at the claimed size
        extract(archive, folder, EVERYTHING, limits=Limits(total_bytes=1_000_000))
    assert sum(map(len, written(folder).values())) <= 10


def test_what_is_written_is_counted_over_all_members_whatever_the_headers_say(archive: Path, folder: Path) -> None:
    archive.write_bytes(b"1" * 100)
    writers = BoundedWriters(folder, archive, Limits(total_bytes=1000))
    first, second = writers.create("a"), writers.create("b")
    assert (first.write(b"x" * 600), second.write(b"x" * 400)) == (600, 400)
    with pytest.raises(UnsafeArchiveError, match="more than 1,000 bytes"):
        second.write(b"x")


def test_a_sparse_file_is_a_bomb_too(archive: Path, folder: Path) -> None:
    """A sparse tar member: 512 bytes in the archive, a hundred megabytes on disk."""
    sparse = folder.parent / "sparse.csv"
    with sparse.open("wb") as file:
        file.truncate(100_000_000)
    subprocess.run(["tar", "--sparse", "-cf", archive, "-C", sparse.parent, sparse.name], check=True)
    with pytest.raises(UnsafeArchiveError, match="times its size"):
        extract(archive, folder, EVERYTHING, limits=Limits(ratio_from_bytes=1_000_000))
    assert sum(map(len, written(folder).values())) <= 1_000_000


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_tar_links_and_devices(kind: bytes, archive: Path, folder: Path) -> None:
    with tarfile.open(archive, "w") as tar:
        info = tarfile.TarInfo("odd.csv")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(UnsafeArchiveError, match=r"link|special file"):
        extract(archive, folder, EVERYTHING)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_zip_links_and_devices(mode: int, archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive, "w") as packed:
        info = zipfile.ZipInfo("odd.csv")
        info.create_system, info.external_attr = 3, (mode | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafeArchiveError, match=r"link|special file"):
        extract(archive, folder, EVERYTHING)
    assert not list(folder.iterdir())


def test_7z_links(archive: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("/etc/passwd")
    with py7zr.SevenZipFile(archive, "w") as packed:
        packed.write(tmp_path / "link.csv", "link.csv")
    with pytest.raises(UnsafeArchiveError, match="link"):
        extract(archive, folder, EVERYTHING)


def test_folders_and_the_root_of_a_tar_are_no_members(archive: Path, folder: Path) -> None:
    """As GNU tar packs a folder: ``./``, ``./d/``, ``./d/a.csv``."""
    (folder.parent / "pack" / "d").mkdir(parents=True)
    (folder.parent / "pack" / "d" / "a.csv").write_bytes(b"1")
    subprocess.run(["tar", "-czf", archive, "-C", folder.parent / "pack", "."], check=True)
    extract(archive, folder, EVERYTHING)
    assert written(folder) == {"d/a.csv": b"1"}


@pytest.mark.parametrize("hide_names", [False, True])
def test_encrypted_7z(hide_names: bool, archive: Path, folder: Path) -> None:
    with py7zr.SevenZipFile(archive, "w", password="secret", header_encryption=hide_names) as packed:
        packed.writestr(b"1", "a.csv")
    with pytest.raises(EncryptedArchiveError, match="encrypted"):
        extract(archive, folder, EVERYTHING)


def test_encrypted_zip_member_matters_only_when_it_is_wanted(archive: Path, folder: Path) -> None:
    make_zip(archive, {"locked.csv": b"1", "open.csv": b"2"})
    content = bytearray(archive.read_bytes())
    for signature, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the first local and central header
        content[content.index(signature) + flags_at] |= 0x1
    archive.write_bytes(content)
    with pytest.raises(EncryptedArchiveError, match=r"locked\.csv"):
        extract(archive, folder, EVERYTHING)
    extract(archive, folder, FileFilter(include=("open.csv",)))
    assert written(folder) == {"open.csv": b"2"}


def test_a_compression_that_python_cannot_read(archive: Path, folder: Path) -> None:
    make_zip(archive, {"a.csv": b"1" * 100})
    deflate64 = (9).to_bytes(2, "little")
    content = bytearray(archive.read_bytes())
    for signature, method_at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = content.index(signature) + method_at
        content[start : start + 2] = deflate64
    archive.write_bytes(content)
    with pytest.raises(CorruptArchiveError, match="cannot be read here"):
        extract(archive, folder, EVERYTHING)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"{}", b"SQLite format 3\0" + bytes(5000), b"\x1f\x8b\x08\0 not gzip", b"BZh9 no"]
)
def test_other_files_are_no_archives(content: bytes, archive: Path) -> None:
    archive.write_bytes(content)
    assert archive_type(archive) is None


def _damaged(make: Maker) -> bytes:
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "archive"
        make(path, {**MEMBERS, "noise.bin": random.Random(0).randbytes(2000)})
        return path.read_bytes()


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=120)
@given(data=st.data())
def test_whatever_is_damaged_nothing_but_our_errors_and_no_wrong_bytes(kind: str, data: st.DataObject) -> None:
    whole = _WHOLE[kind]
    cut = data.draw(st.integers(0, len(whole)))
    flips = data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(1, 255)), max_size=4))
    damaged = bytearray(whole)
    for place, mask in flips:
        damaged[place] ^= mask
    with tempfile.TemporaryDirectory() as temporary:
        archive, folder = Path(temporary, "archive"), Path(temporary, "folder")
        archive.write_bytes(damaged[:cut] if data.draw(st.booleans()) else damaged)
        folder.mkdir()
        try:
            if archive_type(archive) is None:
                return
            members = extract(archive, folder, EVERYTHING, limits=Limits(total_bytes=1_000_000))
        except EopvError:
            return
        for member in members:
            assert hashlib.sha256((folder / member.name).read_bytes()).hexdigest() == member.sha256
        assert sorted(path.name for path in Path(temporary).iterdir()) == ["archive", "folder"]


_WHOLE = {kind: _damaged(make) for kind, make in MAKERS.items()}


@settings(max_examples=200)
@given(st.text(st.sampled_from("ab./\\:C\0"), max_size=12))
@example("a/../../b")
@example("\\..\\b")
def test_no_zip_member_name_writes_outside_its_folder(name: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        archive, folder = Path(temporary, "archive"), Path(temporary, "deep", "folder")
        folder.mkdir(parents=True)
        make_zip(archive, {name: b"1"})
        try:
            members = extract(archive, folder, EVERYTHING)
        except EopvError:
            members = []
        files = [path for path in Path(temporary).rglob("*") if path.is_file()]
        assert sorted(files) == sorted([archive, *(folder / member.name for member in members)])
