"""A real STAC API for tests: stac-fastapi-pgstac on a PostgreSQL of its own, behind a gateway that fails when told to.

The gateway is what speaks HTTP; the application runs in this process behind it. It changes no answer: it stands for what lies
between a server and its clients.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from anyio.from_thread import start_blocking_portal
from psycopg.conninfo import make_conninfo
from stac_server import FaultyHandler, FaultyServer

from db.services.process import LOOPBACK, tail, wait_until

if TYPE_CHECKING:
    from fastapi import FastAPI

SET_UP = Path(__file__).with_name("set_up_stac_server.sh")
CANNOT = 77
"""Status of the set-up where the package manager cannot give PostgreSQL with PostGIS."""
DATABASE = "stac"
READY_S = 60.0


def programs(set_up: Path = SET_UP) -> Path:
    """Folder of the programs of a PostgreSQL that has PostGIS, installed where it is not there yet.

    Where the package manager cannot give it, the test is skipped with the reason; in CI it fails.
    """
    done = subprocess.run([set_up], capture_output=True, text=True, check=False)
    if done.returncode == CANNOT and os.environ.get("CI", "") in ("", "0", "false"):
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


type Application = Callable[..., httpx.Response]
"""Asks an application; arguments are those of ``httpx.request``."""


@dataclass(frozen=True)
class Answer:
    """One page as the server gave it, whatever then became of it on its way."""

    method: str
    question: str  # body of a POST, path and query of a GET
    status: int
    ids: list[str]
    matched: int | None  # how many items it announces in all


class _GatewayHandler(FaultyHandler):
    stac: Gateway

    def do_GET(self) -> None:  # noqa: N802 (http.server's name)
        self._pass_on(None)

    def do_POST(self) -> None:  # noqa: N802 (http.server's name)
        self._pass_on(self.body())

    def _pass_on(self, body: bytes | None) -> None:
        if urlsplit(self.path).path == "/search":
            self.answer_search(lambda: self._page(body))
        else:
            status, answer = self._asked(body)
            self.send(status, self.stac.shown(answer) if self.path == "/" else answer)

    def _page(self, body: bytes | None) -> tuple[int, bytes]:
        status, answer = self._asked(body)
        page = json.loads(answer) if status == 200 else {"features": []}
        ids = [item["id"] for item in page["features"]]
        question = self.path if body is None else body.decode()
        self.stac.answers.append(Answer(self.command, question, status, ids, page.get("numberMatched")))
        return status, answer

    def _asked(self, body: bytes | None) -> tuple[int, bytes]:
        # The server makes its links of the host that it was asked by: they lead to the gateway
        headers = {"Host": self.headers["Host"], "Content-Type": "application/json"}
        answer = self.stac.behind(self.command, f"http://{LOOPBACK}{self.path}", content=body, headers=headers)
        return answer.status_code, answer.content


@dataclass(kw_only=True)
class Gateway(FaultyServer):
    """Passes requests on to the application ``behind``, and keeps the pages that it gives."""

    handler: ClassVar[type[FaultyHandler]] = _GatewayHandler
    behind: Application
    answers: list[Answer] = field(default_factory=list)
    hidden: tuple[str, ...] = ()  # conformance classes with such a word are kept from the client
    methods: tuple[str, ...] = ("GET", "POST")  # of the links to the search that are shown

    def shown(self, landing: bytes) -> bytes:
        """The landing page without what is hidden."""
        page = json.loads(landing)
        page["conformsTo"] = [name for name in page["conformsTo"] if not any(word in name for word in self.hidden)]
        page["links"] = [link for link in page["links"] if link["rel"] != "search" or link["method"] in self.methods]
        return json.dumps(page).encode()

    def pages(self) -> list[list[str]]:
        """Item ids of the pages given since the last call, without empty pages and those that were asked for again."""
        pages: dict[tuple[str, str], list[str]] = {}
        for answer in self.answers:
            assert pages.setdefault((answer.method, answer.question), answer.ids) == answer.ids, "one question, two answers"
        self.answers.clear()
        return [ids for ids in pages.values() if ids]


class PgstacServer:
    """Context manager: PostgreSQL and the API over it; nothing of them is left afterwards.

    Attributes:
        dsn: connection string of the database.
        api: the application.
    """

    def __enter__(self) -> Self:
        # pgstac and its API take seconds to import, which collecting other tests need not wait for
        from pypgstac.db import PgstacDB
        from pypgstac.load import Loader
        from pypgstac.migrate import Migrate

        with ExitStack() as stack:
            folder = Path(tempfile.mkdtemp(prefix="eopv-pgstac-"))  # below pytest's folders only root may look
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            self.dsn = stack.enter_context(_postgres(programs(), folder))
            database = PgstacDB(self.dsn)
            stack.callback(database.close)
            stack.callback(database.disconnect)
            Migrate(database).run_migration()
            self._loader = Loader(database)
            # Announce how many items a search finds; off by default
            self.run("UPDATE pgstac.pgstac_settings SET value = 'on' WHERE name = 'context'")
            self.api = stack.enter_context(_running(_api(self.dsn)))
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
    """PostgreSQL, which ends with the test, also where the test is killed."""
    # SIGINT: end quickly but in order
    bound = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
    with log.open("ab") as out:
        server = subprocess.Popen([*bound, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **more)
    try:
        came = wait_until(lambda: server.poll() is not None or ready(), READY_S)
        assert came, f"PostgreSQL does not answer:\n{tail(log)}"
        assert server.poll() is None, f"PostgreSQL does not start:\n{tail(log)}"
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

    with _process(server, folder / "postgres.log", ready, **circumstances):
        yield make_conninfo(dbname=DATABASE, **address)


def _api(dsn: str) -> FastAPI:
    """The API over a database, with the extensions that it has by default."""
    from stac_fastapi.pgstac.app import instantiate_api
    from stac_fastapi.pgstac.config import PostgresSettings
    from stac_fastapi.pgstac.db import close_db_connection, connect_to_db

    address = psycopg.conninfo.conninfo_to_dict(dsn)
    settings = PostgresSettings(
        pguser=address["user"],
        pgpassword="unused",
        pghost=address["host"],
        pgport=address["port"],
        pgdatabase=address["dbname"],
    )

    @asynccontextmanager
    async def connected(app: FastAPI) -> AsyncIterator[None]:
        await connect_to_db(app, postgres_settings=settings)
        yield
        await close_db_connection(app)

    return instantiate_api(lifespan=connected).app


@contextmanager
def _running(app: FastAPI) -> Iterator[Application]:
    """An application with an event loop of its own; any thread may ask it."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(app.router.lifespan_context(app)):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), timeout=READY_S)
        yield lambda *question, **more: portal.call(partial(client.request, *question, **more))
