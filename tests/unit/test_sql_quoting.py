"""Quoted text comes back from DuckDB as it went in, whatever it holds."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from db.sql import identifier, literal

# Surrogates are no text; PostgreSQL and DuckDB's parser take NUL for the end
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


@given(text=TEXT)
@example(text="'; DROP TABLE x; --")
@example(text="\\'")
@example(text="Größe\n\t\u2028")
@SHARED
def test_a_literal_is_the_text(con, text: str) -> None:
    assert con.sql(f"SELECT {literal(text)}").fetchone() == (text,)


@given(name=TEXT.filter(bool))
@example(name='a"b')
@example(name='"; DROP TABLE x; --')
@example(name="select")
@example(name="landscape.area")
@SHARED
def test_an_identifier_is_the_name(con, name: str) -> None:
    assert con.sql(f"SELECT 1 AS {identifier(name)}").columns == [name]


@given(schema=TEXT.filter(bool), table=TEXT.filter(bool))
@SHARED
def test_each_part_of_a_dotted_identifier_is_quoted(con, schema: str, table: str) -> None:
    quoted = identifier(schema, table)
    assert quoted == f"{identifier(schema)}.{identifier(table)}"
    assert con.sql(f"SELECT {quoted} FROM (SELECT 5 AS {identifier(table)}) AS {identifier(schema)}").fetchone() == (5,)
