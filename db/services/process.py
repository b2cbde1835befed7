"""Servers as detached processes: starting, recognising and stopping them.

A server is recognised by its program's name and by our data folder among its arguments, never by a remembered process id:
an id may belong to something else after a crash or a reboot.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import psutil
from pydantic import SecretStr

from db.errors import ServiceError

LOOPBACK = "127.0.0.1"
TAIL_LINES = 20
_POLL_S = 0.05


class Service(Protocol):
    """What is started, watched and stopped: one server over one data folder."""

    name: str
    stop_signal: signal.Signals

    @property
    def data_dir(self) -> Path:
        """Folder of everything the server keeps."""

    @property
    def log_file(self) -> Path:
        """Standard output and error of the server."""

    @property
    def ports(self) -> Sequence[int]:
        """Every TCP port that the server listens on."""

    @property
    def address(self) -> str:
        """``host:port`` that clients connect to."""

    def find(self) -> psutil.Process | None:
        """The running server, or ``None``."""

    def leftovers(self) -> list[psutil.Process]:
        """Processes of the server that outlived it."""

    def start(self) -> None:
        """Start the server in the background, preparing its data folder where necessary; does not wait for it."""

    def check(self, timeout_s: float) -> None:
        """Use the server as a client would; raises ``ServiceError`` where that fails."""

    def clean_up(self) -> None:
        """Remove what the stopped server leaves behind outside its data folder."""


def find_process(program: str, argument: str) -> psutil.Process | None:
    """The process that runs ``program`` (a file name) with ``argument``, if there is one."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"]  # empty for a zombie, None where it may not be read
        if command and Path(command[0]).name == program and argument in command[1:]:
            return process
    return None


def find_processes_in(folder: Path) -> list[psutil.Process]:
    """Processes whose working directory is ``folder``."""
    found = []
    for process in psutil.process_iter(["cwd"]):
        if process.info["cwd"] == str(folder):
            found.append(process)
    return found


def spawn(command: Sequence[str], *, folder: Path, log_file: Path, user: str | None = None) -> None:
    """Start a server that survives this process and has no controlling terminal.

    The shell in between exits at once, so that the server belongs to init and never becomes our zombie. The environment is
    not passed on: a server outlives the command that started it and should hold none of its secrets.

    Args:
        command: program and arguments.
        folder: working directory and ``HOME`` of the server.
        log_file: receives standard output and error; the previous one is kept beside it.
        user: run as this user, for servers that refuse to run as root.
    """
    if log_file.exists():
        log_file.replace(log_file.with_suffix(".previous.log"))
    with log_file.open("ab") as log:
        subprocess.run(  # noqa: S603 (the command is ours, its parts are passed as arguments)
            ["/bin/sh", "-c", '"$@" &', "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            check=True,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C"},
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether ``condition`` came true within ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def stop(service: Service, timeout_s: float) -> bool:
    """Stop a server: politely, then, after ``timeout_s`` seconds, by force. Nothing of it is left.

    Returns:
        Whether anything was running.

    Raises:
        ServiceError: the server belongs to somebody else.
    """
    running = service.find()
    remains = service.leftovers()
    if running is not None:
        try:
            running.send_signal(service.stop_signal)
        except psutil.NoSuchProcess:
            pass
        except psutil.AccessDenied as error:
            raise ServiceError(
                f"{service.name} (process {running.pid}) belongs to the user {running.username()}.",
                remedy="Run the command as that user.",
            ) from error
        if not wait_until(lambda: service.find() is None, timeout_s):
            remains = [running, *running.children(recursive=True), *remains]
    wait_until(lambda: not service.leftovers(), 5.0)
    kill([*remains, *service.leftovers()])
    service.clean_up()
    return running is not None or bool(remains)


def kill(processes: Sequence[psutil.Process]) -> None:
    """Kill processes that have not gone by themselves, and wait for it."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
        wait_until(lambda gone=process: not gone.is_running() or gone.status() == psutil.STATUS_ZOMBIE, 5.0)


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def tail(log_file: Path, secrets: Sequence[SecretStr] = ()) -> str:
    """Last lines of a log, without the given secrets; empty where there is none."""
    if not log_file.exists():
        return ""
    text = "\n".join(log_file.read_text(errors="replace").splitlines()[-TAIL_LINES:])
    for secret in secrets:
        text = text.replace(secret.get_secret_value(), "********")
    return text
