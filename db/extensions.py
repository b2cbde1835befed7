"""DuckDB extensions from wheels: nothing is downloaded at run time, and nothing is copied (docs/adr/0018)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import duckdb

from db.errors import LakeError

ALWAYS = ("ducklake", "spatial")
REMOTE = ("httpfs", "postgres_scanner")

TRUST_WHEELS = {"allow_unsigned_extensions": "true"}
"""Option of ``duckdb.connect`` with which :func:`load_extensions` takes wheels as Python takes them: as they were installed."""


def load_extensions(con: duckdb.DuckDBPyConnection, names: tuple[str, ...] = ALWAYS) -> None:
    """Load DuckDB extensions, each from its wheel, or from DuckDB's extension folder where there is no wheel.

    What is loaded from anywhere else, now or later, has to be signed, also on a connection that was opened with
    :data:`TRUST_WHEELS`. Without that option DuckDB checks the signatures of wheels, too: some 0.3 s for ``ALWAYS``.

    Raises:
        LakeError: an extension has neither a wheel in this environment nor an installed copy.
    """
    wheels = {name: file for name in names if (file := _in_wheel(name))}
    for file in wheels.values():
        con.load_extension(str(file))
    con.execute("SET GLOBAL allow_unsigned_extensions = false")
    for name in names:
        if name not in wheels:
            _load_installed(con, name)


def _in_wheel(name: str) -> Path | None:
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    folders = found.submodule_search_locations if found else None
    files = (Path(folder, "extensions", f"v{duckdb.__version__}", f"{name}.duckdb_extension") for folder in folders or ())
    return next((file for file in files if file.is_file()), None)


def _load_installed(con: duckdb.DuckDBPyConnection, name: str) -> None:
    try:
        con.load_extension(name)
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        raise LakeError(
            f"DuckDB extension {name!r} is not installed and has no wheel in this environment.",
            remedy=f"Install duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__} (see requirements.txt).",
        ) from error
