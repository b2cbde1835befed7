"""Tables of the page: queries whose results are shown as they are, with a caption and units."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb


@dataclass(frozen=True)
class Heading:
    """Head of a column.

    Attributes:
        text: as people read it, with the unit.
        decimals: of numbers; ``None`` for texts.
        link: prefix that makes a link of the value.
    """

    text: str
    decimals: int | None = None
    link: str | None = None


@dataclass(frozen=True)
class Cell:
    """A value as it is shown.

    Attributes:
        text: empty for null.
        value: number behind it, for programs.
        href: where it leads.
    """

    text: str
    value: float | int | None = None
    href: str | None = None


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        key: id of its element.
        caption: what a row is.
        headings: one a column.
        rows: of cells.
        note: what to know about it.
    """

    key: str
    caption: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def table(
    con: duckdb.DuckDBPyConnection, key: str, caption: str, headings: tuple[Heading, ...], query: str, note: str = ""
) -> Table:
    """The result of a query, one heading a column."""
    found = con.execute(query).fetchall()
    cells = tuple(tuple(map(_cell, values, headings)) for values in found)
    return Table(key, caption, headings, cells, note)


def _cell(value: object, heading: Heading) -> Cell:
    if value is None:
        return Cell("")
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if heading.decimals is not None and isinstance(value, int | float):
        return Cell(f"{value:,.{heading.decimals}f}", value)
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return Cell(text, href=None if heading.link is None else f"{heading.link}{text}")
