"""DuckDB extensions from wheels: nothing is downloaded at run time."""

from __future__ import annotations

import importlib.util
import logging

import duckdb
from duckdb_extensions import import_extension
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from db.errors import LakeError

log = logging.getLogger(__name__)

ALWAYS = ("ducklake", "spatial")
REMOTE = ("httpfs", "postgres_scanner")


def load_extensions(con: duckdb.DuckDBPyConnection, names: tuple[str, ...] = ALWAYS) -> None:
    """Load DuckDB extensions, installing each from its wheel where it is not yet in DuckDB's extension folder.

    Raises:
        LakeError: an extension has neither a wheel in this environment nor an installed copy.
    """
    for name in names:
        try:
            con.load_extension(name)
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            if importlib.util.find_spec(f"duckdb_extension_{name}") is None:
                raise LakeError(
                    f"DuckDB extension {name!r} is not installed and has no wheel in this environment.",
                    remedy=f"Install duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__} (see requirements.txt).",
                ) from error
            log.debug("installing DuckDB extension %s from its wheel", name)
            _install(con, name)


# Processes that start together on a new machine install into one folder
@retry(retry=retry_if_exception_type(duckdb.Error), stop=stop_after_attempt(5), wait=wait_random(0.1, 1.0), reraise=True)
def _install(con: duckdb.DuckDBPyConnection, name: str) -> None:
    import_extension(name, con=con)
    con.load_extension(name)
