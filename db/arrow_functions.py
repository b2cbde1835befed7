"""SQL functions that are written in Python over Arrow arrays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

# Functions live in DuckDB's system catalog, one an instance: two threads must not both find a name missing and add it.
_registration = threading.Lock()


class ArrowFunction(NamedTuple):
    """A function from Arrow arrays to one as long.

    Keep it in a constant of a module: DuckDB has a bare pointer to it, and drops its reference with the cursor that registered
    it, while the instance lives on.

    Attributes:
        evaluate: is given nulls, too.
        parameters: types of DuckDB.
        returns: likewise.
    """

    evaluate: Callable[..., pa.Array]
    parameters: tuple[Any, ...]
    returns: Any


def provide(con: duckdb.DuckDBPyConnection, functions: Mapping[str, ArrowFunction]) -> None:
    """Make functions that come together callable on this connection and on every other one of the same DuckDB instance.

    May be called any number of times, from any cursor or thread.

    Args:
        con: an open connection or cursor, outside a transaction.
        functions: by name. Where the last one is known all are: to look each up among DuckDB's thousands would take longer than
            to register it.
    """
    name, last = next(reversed(functions.items()))
    with _registration:
        try:
            con.execute(f"SELECT {name}({', '.join(['NULL'] * len(last.parameters))})")
        except duckdb.CatalogException:
            for name, function in functions.items():
                con.create_function(
                    name, function.evaluate, list(function.parameters), function.returns, type="arrow", null_handling="special"
                )
