"""The only place that opens a connection: DuckDB in memory, with the lake attached as ``lake``."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from pydantic import SecretStr
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random

from db import convex_overlap, covered_points, h3_functions, shares_in_order
from db.allocator import return_freed_memory
from db.arrow_functions import provide
from db.errors import LakeError, LakeLockedError, LakeNotFoundError, SettingsError, SnapshotNotFoundError
from db.extensions import ALWAYS, REMOTE, TRUST_WHEELS, load_extensions
from db.settings import Settings, Target, settings
from db.sql import literal

log = logging.getLogger(__name__)

LAKE = "lake"
SECRET = "eopv_lake"  # noqa: S105 - the name of a secret, not one
CATALOG_SECRET = "eopv_catalog"  # noqa: S105
DATA_SECRET = "eopv_data"  # noqa: S105

# Concurrent commits to the catalog are resolved by retrying; the default of 10 gives up under eight writers.
COMMIT_RETRIES = 100

# Created together before anything runs, so that dbt's threads do not race to create them
LAYERS = ("landing", "seeds", "raw", "staging", "prepared", "curated")

AsOf = int | datetime | str


def connect(*, read_only: bool = False, as_of: AsOf | None = None, lake: Settings | None = None) -> duckdb.DuckDBPyConnection:
    """Open DuckDB with extensions, secrets, H3 functions and the lake, which becomes the default database.

    Args:
        read_only: refuse writes to the lake; the lake must exist.
        as_of: a snapshot id, or a time (``datetime``, or ISO 8601 text; without an offset it is UTC); implies ``read_only``.
        lake: settings; those of the process when omitted.

    Returns:
        A connection whose geometry functions take longitude before latitude. ``con.cursor()`` gives further ones to the
        same lake, one a thread.

    Raises:
        LakeNotFoundError: ``read_only`` and nothing has been built yet.
        LakeLockedError: another process holds the embedded catalog.
        SnapshotNotFoundError: ``as_of`` is before the first snapshot or after the last.
        LakeError: the catalog or the data store cannot be reached.
    """
    lake = lake or settings()
    con = duckdb.connect(":memory:", config=engine_config(lake) | TRUST_WHEELS)
    try:
        prepare(con, lake)
        attach(con, lake, read_only=read_only, as_of=as_of)
        con.execute(f"USE {LAKE}")
    except BaseException:
        con.close()
        raise
    return con


def engine_config(lake: Settings) -> dict[str, str]:
    """Options of ``duckdb.connect``: threads, memory, where to spill, and where extensions live."""
    # DuckDB itself only asks HOME, which services and containers may not set
    config = {"temp_directory": str(lake.home / "tmp"), "home_directory": str(Path.home())}
    if lake.threads is not None:
        config["threads"] = str(lake.threads)
    if lake.memory_limit is not None:
        config["memory_limit"] = lake.memory_limit
    return config


def prepare(con: duckdb.DuckDBPyConnection, lake: Settings) -> None:
    """Load extensions, set conventions, register SQL functions and create the secrets of the lake's target."""
    return_freed_memory()
    # It would stand in the middle of results on standard output
    con.execute("SET enable_progress_bar = false")
    load_extensions(con, ALWAYS if lake.target is Target.LOCAL else (*ALWAYS, *REMOTE))
    con.execute("SET GLOBAL geometry_always_xy = true")
    con.execute("SET GLOBAL TimeZone = 'UTC'")
    con.execute(f"SET GLOBAL ducklake_max_retry_count = {COMMIT_RETRIES}")
    h3_functions.register(con)
    provide(con, convex_overlap.FUNCTIONS | covered_points.FUNCTIONS | shares_in_order.FUNCTIONS)
    _create_secrets(con, lake)


def attach(con: duckdb.DuckDBPyConnection, lake: Settings, *, read_only: bool = False, as_of: AsOf | None = None) -> None:
    """Attach the lake as ``lake``; see :func:`connect`."""
    read_only = read_only or as_of is not None
    if lake.target is Target.LOCAL:
        if read_only and not lake.catalog_file.exists():
            raise LakeNotFoundError(
                f"There is no lake at {lake.catalog_file}.", remedy="Run 'eopv ingest' or 'make demo' first."
            )
        lake.data_dir.mkdir(parents=True, exist_ok=True)
    options = [*(["READ_ONLY"] if read_only else []), *_snapshot_option(as_of)]
    if lake.target is Target.LOCAL:
        # The catalog remembers an absolute path; a home that was moved or copied is still a lake
        options.append("OVERRIDE_DATA_PATH true")
    try:
        _attach(con, options, create=not read_only)
    except duckdb.Error as error:
        raise _explain(error, lake, as_of) from None  # the cause's text may hold the catalog's credentials


def _another_was_first(error: BaseException) -> bool:
    """Whether another process created the lake, or its layers, at the same moment."""
    return isinstance(error, duckdb.TransactionException) or "already exists" in str(error)


@retry(retry=retry_if_exception(_another_was_first), stop=stop_after_attempt(10), wait=wait_random(0.1, 0.5), reraise=True)
def _attach(con: duckdb.DuckDBPyConnection, options: list[str], *, create: bool) -> None:
    con.execute(f"ATTACH IF NOT EXISTS 'ducklake:{SECRET}' AS {LAKE}{f' ({", ".join(options)})' if options else ''}")
    if create:
        _create_layers(con)


def _create_layers(con: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ?"
    present = {name for (name,) in con.execute(query, [LAKE]).fetchall()}
    missing = [layer for layer in LAYERS if layer not in present]
    if not missing:
        return
    con.begin()
    try:
        for layer in missing:
            con.execute(f"CREATE SCHEMA {LAKE}.{layer}")
        con.execute("CALL lake.set_commit_message('eopv', 'create the layers')")
        con.commit()
    except duckdb.Error:
        con.rollback()
        raise


def _snapshot_option(as_of: AsOf | None) -> list[str]:
    if as_of is None:
        return []
    if isinstance(as_of, str):
        as_of = int(as_of) if as_of.isdigit() else _parse_time(as_of)
    if isinstance(as_of, datetime):
        at = as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)
        return [f"SNAPSHOT_TIME {literal(at.astimezone(UTC).isoformat(sep=' '))}"]
    return [f"SNAPSHOT_VERSION {int(as_of)}"]


def _parse_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise SnapshotNotFoundError(
            f"as_of {text!r} is neither a snapshot id nor a time.", remedy="Use 42 or 2026-11-20T12:00:00+00:00."
        ) from None


def _create_secrets(con: duckdb.DuckDBPyConnection, lake: Settings) -> None:
    if lake.target is Target.LOCAL:
        lake.home.mkdir(parents=True, exist_ok=True)
        con.execute(
            f"CREATE OR REPLACE SECRET {SECRET} (TYPE ducklake, METADATA_PATH {literal(str(lake.catalog_file))},"
            f" DATA_PATH {literal(str(lake.data_dir))})"
        )
        return
    lake = with_services(lake)
    assert lake.catalog_dsn is not None
    assert lake.data_path is not None
    credentials, other = _catalog_parts(lake.catalog_dsn)
    con.execute(f"CREATE OR REPLACE SECRET {CATALOG_SECRET} (TYPE postgres, {credentials})")
    con.execute(
        f"CREATE OR REPLACE SECRET {SECRET} (TYPE ducklake, METADATA_PATH {literal(other)},"
        f" DATA_PATH {literal(lake.data_path)}, METADATA_PARAMETERS MAP {{'TYPE': 'postgres', 'SECRET': '{CATALOG_SECRET}'}})"
    )
    if lake.data_path.startswith("s3://"):
        con.execute(f"CREATE OR REPLACE SECRET {DATA_SECRET} (TYPE s3, {_s3_options(lake)})")


def with_services(lake: Settings) -> Settings:
    """Settings whose gaps are filled with the addresses and credentials of the local services (target ``dev``)."""
    if lake.target is not Target.DEV or lake.catalog_dsn is not None:
        return lake
    # Imported here: a laptop on the target `local` needs neither psutil nor the servers' wheels.
    from db import services

    up = services.endpoints(lake)
    return lake.model_copy(
        update={
            "catalog_dsn": up.catalog_dsn,
            "data_path": lake.data_path or f"s3://{up.bucket}/lake/",
            "s3_endpoint": up.s3_endpoint,
            "s3_region": up.s3_region,
            "s3_access_key_id": up.s3_access_key_id,
            "s3_secret_access_key": up.s3_secret_access_key,
        }
    )


def _catalog_parts(dsn: SecretStr) -> tuple[str, str]:
    """Split a libpq string into DuckDB secret options and the rest (``sslmode`` …), which stays in the connection string."""
    # Imported here: it takes a quarter of a second, and the target `local` does without
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(dsn.get_secret_value())
    except psycopg.Error:  # its text repeats the string, password included
        raise SettingsError(
            "EOPV_CATALOG_DSN is not a libpq connection string.",
            remedy="Write 'host=… port=… dbname=… user=… password=…' or 'postgresql://…'.",
        ) from None
    names = {"host": "HOST", "port": "PORT", "dbname": "DATABASE", "user": "USER", "password": "PASSWORD"}
    credentials = ", ".join(f"{option} {literal(str(parts.pop(name)))}" for name, option in names.items() if name in parts)
    return credentials, " ".join(f"{name}={value}" for name, value in parts.items())


def _s3_options(lake: Settings) -> str:
    options = {"REGION": lake.s3_region}
    if lake.s3_access_key_id and lake.s3_secret_access_key:
        options |= {"KEY_ID": lake.s3_access_key_id.get_secret_value(), "SECRET": lake.s3_secret_access_key.get_secret_value()}
    else:
        options |= {"PROVIDER": "credential_chain"}
    if endpoint := lake.endpoint_host():
        options |= {"ENDPOINT": endpoint, "URL_STYLE": "path"}
    tls = "" if lake.endpoint_uses_tls() else ", USE_SSL false"
    return ", ".join(f"{name} {literal(value)}" for name, value in options.items()) + tls


def _explain(error: duckdb.Error, lake: Settings, as_of: AsOf | None) -> LakeError:
    text = str(error)
    if holder := re.search(r"Conflicting lock is held in (.+?) \(PID (\d+)\)", text):
        return LakeLockedError(
            f"The lake {lake.catalog_file} is in use by process {holder[2]} ({Path(holder[1]).name}).",
            remedy="Wait for it to finish, or work with several processes on target dev ('eopv services up', EOPV_TARGET=dev).",
        )
    if "is already attached" in text:
        return LakeLockedError(
            f"This process holds the lake {lake.catalog_file} already.",
            remedy="Use that connection's cursor(), or close it first.",
        )
    if as_of is not None and re.search(r"(?i)no snapshot found|snapshot", text):
        return SnapshotNotFoundError(
            f"The lake has no snapshot at {as_of!s}.", remedy=f'List them with: eopv sql "FROM {LAKE}.snapshots()".'
        )
    if lake.target is Target.LOCAL:
        return LakeError(f"The lake {lake.catalog_file} cannot be opened: {text.splitlines()[0]}.")
    if "does not exist - and creating" in text:
        return LakeNotFoundError(f"There is no lake in target {lake.target}.", remedy="Run 'eopv ingest' first.")
    return LakeError(
        f"The lake of target {lake.target} cannot be opened ({type(error).__name__}).",
        remedy="Check that the catalog is up and its credentials are right ('eopv services status' for target dev).",
    )
