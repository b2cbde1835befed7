"""A real STAC API server for tests: stac-fastapi-pgstac under uvicorn, over a PostgreSQL with PostGIS of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from set_up_programs import set_up

from db.services.process import LOOPBACK, tail, wait_until

SET_UP = Path(__file__).with_name("set_up_stac_server.sh")
DATABASE = "stac"
READY_S = 60.0


class PgstacServer:
    """Context manager: PostgreSQL and the API over it; nothing of them is left afterwards.

    Attributes:
        dsn: connection string of the database.
        url: landing page of the API.
    """

    def __enter__(self) -> Self:
        # pgstac and its API take seconds to import, which collecting other tests need not wait for
        from pypgstac.db import PgstacDB
        from pypgstac.load import Loader
        from pypgstac.migrate import Migrate

        with ExitStack() as stack:
            folder = Path(tempfile.mkdtemp(prefix="eopv-pgstac-"))  # below pytest's folders only root may look
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            self.dsn = stack.enter_context(_postgres(set_up(SET_UP), folder))
            database = PgstacDB(self.dsn)
            stack.callback(database.close)
            stack.callback(database.disconnect)
            Migrate(database).run_migration()
            self._loader = Loader(database)
            # Announce how many items a search finds; off by default
            self.run("UPDATE pgstac.pgstac_settings SET value = 'on' WHERE name = 'context'")
            self.url = stack.enter_context(_api(self.dsn, folder))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def load(self, items: Sequence[dict[str, Any]], collections: Iterable[dict[str, Any]] = ()) -> None:
        """Put items in, in place of those with the same ids; collections first."""
        self._loader.load_collections(iter(collections), insert_mode="upsert")
        self._loader.load_items(iter(items), insert_mode="upsert")

    def run(self, statement: str) -> None:
        """Run a statement in the database."""
        with psycopg.connect(self.dsn, autocommit=True) as con:
            con.execute(statement)

    def rows(self, query: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query of the database finds."""
        with psycopg.connect(self.dsn, options="-c search_path=pgstac,public -c timezone=UTC") as con:
            return con.execute(query, arguments).fetchall()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


@contextmanager
def _process(command: Sequence[str | Path], log: Path, ready: Callable[[], bool], **more: Any) -> Iterator[None]:
    """A server, which ends with the test, also where the test is killed."""
    # SIGINT: end quickly but in order, both for PostgreSQL and for uvicorn
    bound = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
    with log.open("ab") as out:
        server = subprocess.Popen([*bound, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **more)
    try:
        came = wait_until(lambda: server.poll() is not None or ready(), READY_S)
        assert came, f"{log.stem} does not answer:\n{tail(log)}"
        assert server.poll() is None, f"{log.stem} does not start:\n{tail(log)}"
        yield
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextmanager
def _postgres(folder_of_programs: Path, folder: Path) -> Iterator[str]:
    """A cluster in ``folder``; the connection string of its database."""
    # PostgreSQL refuses to run as root; its packages make this user
    user = "postgres" if os.geteuid() == 0 else None
    home = folder / "postgres"
    home.mkdir()
    if user is not None:
        folder.chmod(0o755)
        shutil.chown(home, user, user)
    data, port = home / "data", _free_port()
    circumstances: dict[str, Any] = {"cwd": home, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}
    if user is not None:
        circumstances |= {"user": user, "group": user, "extra_groups": []}
    initdb = [folder_of_programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    made = subprocess.run(initdb, capture_output=True, text=True, check=False, **circumstances)
    assert made.returncode == 0, made.stderr
    # Nothing has to outlive a crash
    options = {
        "listen_addresses": LOOPBACK,
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        "shared_buffers": "64MB",
    }
    server = [
        folder_of_programs / "postgres",
        "-D",
        data,
        *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
    ]
    address = {"host": LOOPBACK, "port": port, "user": "postgres"}

    def ready() -> bool:
        try:
            with psycopg.connect(dbname="postgres", connect_timeout=2, autocommit=True, **address) as con:
                con.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return False
        return True

    with _process(server, folder / "PostgreSQL.log", ready, **circumstances):
        yield make_conninfo(dbname=DATABASE, **address)


@contextmanager
def _api(dsn: str, folder: Path) -> Iterator[str]:
    """The API over a database, with the extensions that it has by default; the address of its landing page."""
    address, port = conninfo_to_dict(dsn), _free_port()
    url = f"http://{LOOPBACK}:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "PGHOST": address["host"],
        "PGPORT": address["port"],
        "PGUSER": address["user"],
        "PGPASSWORD": "unused",
        "PGDATABASE": address["dbname"],
    }
    application = ["stac_fastapi.pgstac.app:create_app", "--factory"]
    server = [sys.executable, "-m", "uvicorn", *application, "--host", LOOPBACK, "--port", str(port)]

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/_mgmt/health").is_success
        except httpx.TransportError:
            return False

    with _process(server, folder / "uvicorn.log", ready, cwd=folder, env=environment):
        yield url
