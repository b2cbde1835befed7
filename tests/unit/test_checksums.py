"""``file:checksum`` of STAC items: multihashes, and files compared with them; digests are those of coreutils."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import pytest
from range_server import RangeServer

from dataflows.cubes.rasters.access import Access, Verify
from dataflows.cubes.rasters.checksums import Checksums, Multihash, Promised
from db.errors import SourceChecksumError, SourceError

CONTENT = bytes(range(256)) * 9_000  # longer than what is read at a time

# Code and length as the multicodec table and the multihash specification have them, and the program that computes the digest
FUNCTIONS = {
    "11 14": ["sha1sum"],
    "12 20": ["sha256sum"],
    "13 40": ["sha512sum"],
    "20 30": ["sha384sum"],
    "d501 10": ["md5sum"],
    "9320 1c": ["sha224sum"],
    "90e402 10": ["b2sum", "--length=128"],
    "a0e402 20": ["b2sum", "--length=256"],
    "c0e402 40": ["b2sum"],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "with space #1.tif"
    path.write_bytes(CONTENT)
    return path


def digest(program: list[str], file: Path) -> str:
    return subprocess.run([*program, file], capture_output=True, text=True, check=True).stdout.split()[0].lstrip("\\")


def promised(href: Path | str, checksum: str | None) -> Promised:
    return Promised("scenes", "S1", "red", str(href), checksum)


def verdict(file: Promised, verify: Verify = Verify.LOCAL) -> None:
    Checksums(Access(verify=verify)).require([file])


@pytest.mark.parametrize("prefix", FUNCTIONS)
def test_files_are_compared_by_each_function(prefix: str, file: Path):
    checksum = prefix.replace(" ", "") + digest(FUNCTIONS[prefix], file)
    verdict(promised(file, checksum))
    verdict(promised(file.as_uri(), checksum.upper()))
    with file.open("r+b") as changed:
        changed.seek(len(CONTENT) - 1)
        changed.write(b"\x00")
    with pytest.raises(SourceChecksumError) as wrong:
        verdict(promised(file, checksum))
    assert wrong.value.kind == "source_checksum"
    for part in ("scenes/S1 red", file.as_uri(), digest(FUNCTIONS[prefix], file), checksum[len(prefix) - 1 :]):
        assert part in str(wrong.value)


# An asset of the mirror's items, by BLAKE2b with 128 bits
def test_a_published_multihash_is_read():
    multihash = Multihash.parse("90e40210163700a8a6501eccd00b6d3b44ddaed0")
    assert (multihash.code, multihash.digest.hex()) == (0xB210, "163700a8a6501eccd00b6d3b44ddaed0")
    assert (multihash.hasher().name, multihash.hasher().digest_size) == ("blake2b", 16)


@pytest.mark.parametrize(
    ("checksum", "reason"),
    [
        ("1e20" + "0" * 64, "0x1e is not known"),  # BLAKE3
        ("1210" + "0" * 32, "32 bytes, not 16"),  # cut
        ("1220" + "0" * 62, "31 bytes where it says 32"),
        ("d41d8cd98f00b204e9800998ecf8427e", "where it says"),  # a plain MD5
        ("sha256:ab", "non-hexadecimal"),
        ("90e4", "ends within a number"),
        ("", "ends within a number"),
    ],
)
def test_what_cannot_be_compared_is_said_and_an_error_only_where_all_is_to_be_verified(
    checksum: str, reason: str, file: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    verdict(promised(file, checksum))
    (said,) = caplog.messages
    assert "scenes/S1 red" in said
    assert reason in said
    with pytest.raises(SourceChecksumError, match=reason):
        verdict(promised(file, checksum), Verify.ALWAYS)


def test_which_files_are_read_is_the_policys(file: Path):
    right, wrong = ("1220" + each for each in (digest(["sha256sum"], file), "0" * 64))
    with RangeServer(file.parent) as server:
        remote = f"{server.url}/with%20space%20%231.tif"
        verdict(promised(remote, wrong))
        verdict(promised(file, wrong), Verify.NEVER)
        assert server.requests == []
        verdict(promised(remote, right), Verify.ALWAYS)
        verdict(promised(remote, None), Verify.ALWAYS)
        assert len(server.requests) == 1
        with pytest.raises(SourceChecksumError, match="sha256"):
            verdict(promised(remote, wrong), Verify.ALWAYS)
        with pytest.raises(SourceError, match=r"none\.tif cannot be read"):
            verdict(promised(f"{server.url}/none.tif", right), Verify.ALWAYS)


def test_each_file_is_read_once(file: Path):
    checksums = Checksums(Access())
    known = promised(file, "1220" + digest(["sha256sum"], file))
    checksums.verify([known, known])
    file.unlink()
    checksums.require([known])
    with pytest.raises(SourceError, match="cannot be read"):
        verdict(known)
