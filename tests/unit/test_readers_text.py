"""Text as publishers write it: encodings, and coordinates with commas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflows.raw import text_encoding
from dataflows.raw.text_layer import _number

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
GERMAN = "id;Größe;Straße\n1;ä;ü\n"


@pytest.mark.parametrize(
    ("text", "written_as", "detected"),
    [
        ("plain", "ascii", "utf-8"),
        (GERMAN, "utf-8", "utf-8"),
        (GERMAN, "utf-8-sig", "utf-8"),
        (GERMAN, "latin-1", "cp1252"),  # the same bytes
        ("„Größe“ – 5 €", "cp1252", "cp1252"),
        ("\x81 control", "latin-1", "latin-1"),  # a byte that Windows-1252 does not have
        (GERMAN, "utf-16", "utf-16"),
        ("", "utf-8", "utf-8"),
    ],
)
def test_encodings_are_told_apart(tmp_path: Path, text: str, written_as: str, detected: str) -> None:
    path = tmp_path / "text.csv"
    path.write_bytes(text.encode(written_as))
    assert text_encoding.detect(path) == detected
    copy = text_encoding.transcode(path, detected, tmp_path / "copy.csv")
    assert copy.read_text(encoding="utf-8-sig") == text


def test_a_character_across_two_chunks_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "text.csv"
    path.write_bytes(b"a" * (text_encoding.CHUNK - 1) + "ü".encode() * 3)
    assert text_encoding.is_utf8(path)
    path.write_bytes(b"a" * (text_encoding.CHUNK - 1) + b"\xc3")
    assert not text_encoding.is_utf8(path)


def test_line_ends_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "text.csv"
    path.write_bytes('a\r\n"ü\nx"\r\n'.encode("cp1252"))
    text_encoding.transcode(path, "cp1252", tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_bytes() == 'a\r\n"ü\nx"\r\n'.encode()


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


def number(con: duckdb.DuckDBPyConnection, text: str, *, geographic: bool) -> float | None:
    return con.execute(f"SELECT {_number('text', 'VARCHAR', geographic)} FROM (SELECT ? AS text)", [text]).fetchone()[0]


@pytest.mark.parametrize(
    ("text", "degrees", "metres"),
    [
        ("10.5", 10.5, 10.5),
        (" -10.5 ", -10.5, -10.5),
        ("1e3", 1000, 1000),
        ("10,5", 10.5, 10.5),
        ("-10,125", -10.125, -10125),
        ("500,000.5", None, 500000.5),
        ("5,000,000", None, 5000000),
        ("1.234.567,8", 1234567.8, 1234567.8),
        ("512345,678", 512345.678, 512345.678),
        ("n/a", None, None),
        ("", None, None),
        ("10.5,3", None, None),
        ("1,2,3", None, None),
        ("50° 10'", None, None),
    ],
)
def test_commas_in_coordinates(con, text: str, degrees: float | None, metres: float | None) -> None:
    assert number(con, text, geographic=True) == degrees
    assert number(con, text, geographic=False) == metres


@SHARED
@given(value=st.floats(-1e9, 1e9).map(lambda value: round(value, 4)), geographic=st.booleans())
def test_a_plain_number_is_read_as_python_does(con, value: float, geographic: bool) -> None:
    assert number(con, repr(value), geographic=geographic) == value


@SHARED
@given(value=st.floats(-1e9, 1e9).map(lambda value: round(value, 2)))
def test_a_grouped_number_of_metres_is_read_as_python_wrote_it(con, value: float) -> None:
    assert number(con, f"{value:,.2f}", geographic=False) == value
