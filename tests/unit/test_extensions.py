"""Extensions come from wheels, unchecked where that was asked for; whatever comes from elsewhere has to be signed."""

from pathlib import Path

import duckdb
import pytest

from db import Settings, connect
from db.errors import LakeError
from db.extensions import TRUST_WHEELS, _in_wheel, load_extensions

SIGNATURE_BYTES = 256


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    """An extension that works, but for its signature."""
    signed = _in_wheel("httpfs")
    assert signed is not None
    changed = tmp_path / signed.name
    changed.write_bytes(signed.read_bytes()[:-SIGNATURE_BYTES] + bytes(SIGNATURE_BYTES))
    return changed


def test_duckdb_would_load_it_if_it_were_trusted(unsigned: Path) -> None:
    with duckdb.connect(config=TRUST_WHEELS) as con:
        con.load_extension(str(unsigned))


@pytest.mark.parametrize("config", [{}, TRUST_WHEELS])
def test_what_is_loaded_later_has_to_be_signed(unsigned: Path, config: dict[str, str]) -> None:
    with duckdb.connect(config=config) as con:
        load_extensions(con)
        assert con.sql("SELECT ST_AsText(ST_Point(1, 2))").fetchall() == [("POINT (1 2)",)]
        with pytest.raises(duckdb.IOException, match="signature"):
            con.load_extension(str(unsigned))
        with pytest.raises(duckdb.Error, match="while database is running"):
            con.execute("SET allow_unsigned_extensions = true")


def test_a_connection_to_the_lake_asks_for_signatures(unsigned: Path, home: Settings) -> None:
    with connect(lake=home) as con, pytest.raises(duckdb.IOException, match="signature"):
        con.load_extension(str(unsigned))


def test_an_extension_without_a_wheel_has_to_be_installed() -> None:
    with (
        duckdb.connect(config=TRUST_WHEELS) as con,
        pytest.raises(LakeError, match=r"'nowhere' is not installed and has no wheel.*duckdb-extension-nowhere"),
    ):
        load_extensions(con, ("nowhere",))
