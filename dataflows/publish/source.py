"""A table or view of the lake that is to be published, found by its name."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

import duckdb

from db.errors import PublishError
from db.sql import identifier

DEFAULT_SCHEMA = "curated"
GEOMETRY = "geometry"

# Every UBIGINT of such a name is an H3 cell, by the lake's conventions
_CELL_NAME = re.compile(r"h3_r\d+|(\w+_)?cell")


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: as stored.
        kind: DuckDB's type, in text.
    """

    name: str
    kind: str

    @property
    def is_geometry(self) -> bool:
        """Whether it holds geometries (EPSG:4326, longitude first)."""
        return self.kind.startswith("GEOMETRY")

    @property
    def is_cell(self) -> bool:
        """Whether it holds H3 cells."""
        return self.kind == "UBIGINT" and _CELL_NAME.fullmatch(self.name) is not None

    @property
    def sql(self) -> str:
        """Quoted name."""
        return identifier(self.name)


@dataclass(frozen=True)
class Source:
    """A table or view of the lake.

    Attributes:
        schema: its layer.
        table: its name there.
        columns: in order.
        stand_in: quoted name of what is read in its place: the same columns, other rows.
    """

    schema: str
    table: str
    columns: tuple[Column, ...]
    stand_in: str | None = None

    @property
    def name(self) -> str:
        """``schema.table``."""
        return f"{self.schema}.{self.table}"

    @property
    def sql(self) -> str:
        """Quoted name, for queries."""
        return self.stand_in or identifier("lake", self.schema, self.table)

    @property
    def geometry(self) -> Column | None:
        """The column of its geometry: ``geometry``, else the only one of that type."""
        found = [column for column in self.columns if column.is_geometry]
        named = [column for column in found if column.name == GEOMETRY]
        return named[0] if named else found[0] if len(found) == 1 else None

    @property
    def cell(self) -> Column | None:
        """The column ``cell`` of a table of H3 cells, whose outlines serve as geometry."""
        return next((column for column in self.columns if column.name == "cell" and column.is_cell), None)

    def has(self, *names: str) -> bool:
        """Whether it has all of these columns."""
        return set(names) <= {column.name for column in self.columns}

    def chosen(self, names: tuple[str, ...]) -> tuple[Column, ...]:
        """Columns by name, in that order; all where none is named.

        Raises:
            PublishError: it has no such column.
        """
        if not names:
            return self.columns
        by_name = {column.name: column for column in self.columns}
        for name in names:
            if name not in by_name:
                near = difflib.get_close_matches(name, by_name, n=1, cutoff=0.0)[0]
                raise PublishError(f"{self.name} has no column {name!r}.", remedy=f"Did you mean {near!r}?")
        return tuple(by_name[name] for name in dict.fromkeys(names))


def full_name(name: str) -> str:
    """``schema.table`` of a table that is named so, or without its schema, or with ``lake.`` before it."""
    schema, _, table = name.rpartition(".")
    return f"{schema.removeprefix('lake.') or DEFAULT_SCHEMA}.{table}"


def find(con: duckdb.DuckDBPyConnection, name: str) -> Source:
    """The table or view of that name, ``schema.table`` or a table of the layer ``curated``.

    Raises:
        PublishError: there is none; the nearest name is given.
    """
    schema, _, table = full_name(name).partition(".")
    query = """
        SELECT column_name, data_type FROM duckdb_columns()
        WHERE database_name = 'lake' AND schema_name = ? AND table_name = ? ORDER BY column_index
    """
    columns = tuple(Column(*row) for row in con.execute(query, [schema, table]).fetchall())
    if not columns:
        there = con.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_catalog = 'lake'"
        ).fetchall()
        near = difflib.get_close_matches(f"{schema}.{table}", [found for (found,) in there], n=1, cutoff=0.0)
        raise PublishError(
            f"The lake has no table {schema}.{table}.",
            remedy=f"Did you mean {near[0]}?" if near else "Run 'eopv build' first.",
        )
    return Source(schema, table, columns)
