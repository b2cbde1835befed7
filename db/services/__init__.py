"""Development services without Docker: PostgreSQL for the catalog and an S3 server for the data of target ``dev``.

Both are real servers, installed from wheels, bound to loopback, with credentials generated once for each home. They keep
their data across ``down`` and ``up``, and outlive the command that started them.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr

from db.errors import ServiceError
from db.services.postgres import Postgres
from db.services.process import Service, is_free, stop, tail
from db.services.seaweed import BUCKET, REGION, Seaweed
from db.services.state import ServicesState, locked
from db.settings import Settings

log = logging.getLogger(__name__)

__all__ = ["ServiceEndpoints", "ServiceStatus", "down", "endpoints", "status", "up"]

_KINDS = (Postgres, Seaweed)
# SeaweedFS waits 15 s for the streams between its own parts before it closes its files
_STOP_TIMEOUT_S = 40.0
_START_ATTEMPTS = 3
_GRACE_S = 1.0
_NEVER_SET_UP = "Run 'eopv services up' first."


class ServiceEndpoints(BaseModel):
    """How to reach the services of one home.

    Attributes:
        catalog_dsn: libpq ``key=value`` string with host, port, user, password and database.
        s3_endpoint: ``host:port`` of the S3 server, spoken to over plain HTTP.
        s3_region: region to sign requests for.
        s3_access_key_id: S3 key id.
        s3_secret_access_key: S3 secret key.
        bucket: bucket that exists for the lake's data.
    """

    model_config = ConfigDict(frozen=True)

    catalog_dsn: SecretStr
    s3_endpoint: str
    s3_region: str
    s3_access_key_id: SecretStr
    s3_secret_access_key: SecretStr
    bucket: str


@dataclass(frozen=True)
class ServiceStatus:
    """One service, as it is now.

    Attributes:
        name: ``postgres`` or ``seaweedfs``.
        running: its process is there.
        healthy: it also answered a real request.
        address: ``host:port``, empty before the first start.
        pid: process id, ``None`` where it is not running.
        data_dir: folder that holds its data.
        log_file: its log.
    """

    name: str
    running: bool
    healthy: bool
    address: str
    pid: int | None
    data_dir: Path
    log_file: Path


def _services_dir(settings: Settings) -> Path:
    return settings.services_dir.expanduser().resolve()


def _state_file(settings: Settings) -> Path:
    return _services_dir(settings) / "services.json"


def _load(settings: Settings) -> ServicesState | None:
    """State of the home; ``None`` where nothing was ever set up."""
    state = ServicesState.load(_state_file(settings))
    data_dir = Postgres.of(_services_dir(settings), state or ServicesState()).data_dir
    if state is None and data_dir.exists():
        raise ServiceError(
            f"{_state_file(settings)} is gone, and with it the password of the database in {data_dir}.",
            remedy=f"Restore the file, or delete {_services_dir(settings)} to begin anew without the data.",
        )
    return state


def up(settings: Settings, *, timeout_s: float = 60) -> ServiceEndpoints:
    """Start what is not running and wait until it serves. Does no harm to what is up already, and says so in the log.

    Args:
        settings: the home whose services are meant.
        timeout_s: seconds for all services together.

    Raises:
        ServiceError: a service did not start or does not answer; the message ends with the last lines of its log.
    """
    deadline = time.monotonic() + timeout_s
    folder = _services_dir(settings)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        state = _load(settings) or ServicesState()
        for kind in _KINDS:
            state = _bring_up(kind, settings, state, deadline)
    return endpoints(settings)


def _bring_up(kind: type[Postgres | Seaweed], settings: Settings, state: ServicesState, deadline: float) -> ServicesState:
    """Start one service, on new ports where somebody else has taken its own; returns the state with its ports."""
    service = kind.of(_services_dir(settings), state)
    if service.find() is not None:
        _wait_until_healthy(service, state, deadline)
        log.info("%s is already up at %s", service.name, service.address)
        return state
    for attempt in range(_START_ATTEMPTS):
        if kind.name not in state.ports or not all(map(is_free, service.ports)):
            state = state.with_free_ports(kind.name, kind.port_count)
            state.save(_state_file(settings))
            service = kind.of(_services_dir(settings), state)
        service.start()
        try:
            _wait_until_healthy(service, state, deadline)
        except ServiceError:
            lost_a_port = service.find() is None and not all(map(is_free, service.ports))
            if attempt + 1 == _START_ATTEMPTS or not lost_a_port:
                raise
            log.info("a port of %s was taken while it started: trying others", service.name)
        else:
            log.info("%s is up at %s", service.name, service.address)
            break
    return state


def _wait_until_healthy(service: Service, state: ServicesState, deadline: float) -> None:
    grace = time.monotonic() + _GRACE_S
    while True:
        died = service.find() is None and time.monotonic() > grace
        try:
            if not died:
                service.check(timeout_s=2.0)
                return
            reason = "its process ended"
        except ServiceError as error:
            reason = error.message
        if died or time.monotonic() > deadline:
            raise ServiceError(
                f"{service.name} did not start: {reason}. Last lines of {service.log_file}:\n"
                f"{tail(service.log_file, state.secrets())}\n",
                remedy="Correct the cause named there and run 'eopv services up' again.",
            )
        time.sleep(0.1)


def down(settings: Settings) -> list[str]:
    """Stop the services, keeping their data. SeaweedFS takes about 15 seconds to close.

    Returns:
        Names of the services that were running.

    Raises:
        ServiceError: a process of a service is still there.
    """
    folder = _services_dir(settings)
    if not folder.exists():
        return []
    stopped = []
    with locked(folder):
        state = ServicesState.load(_state_file(settings)) or ServicesState()
        # The lake's data outlive its catalog's server, never the other way round
        for kind in _KINDS:
            service = kind.of(folder, state)
            if stop(service, _STOP_TIMEOUT_S):
                stopped.append(service.name)
            if remaining := [process.pid for process in (service.find(), *service.leftovers()) if process]:
                raise ServiceError(
                    f"{service.name} does not stop: processes {remaining} are still there.",
                    remedy="End them, as the user who started them.",
                )
    return stopped


def status(settings: Settings) -> list[ServiceStatus]:
    """Every service of the home, running or not; asks each running one for an answer."""
    folder = _services_dir(settings)
    state = ServicesState.load(_state_file(settings)) or ServicesState()
    found = []
    for kind in _KINDS:
        service = kind.of(folder, state)
        process = service.find()
        address = service.address if kind.name in state.ports else ""
        healthy = process is not None and _is_healthy(service)
        pid = None if process is None else process.pid
        found.append(ServiceStatus(kind.name, pid is not None, healthy, address, pid, service.data_dir, service.log_file))
    return found


def _is_healthy(service: Service) -> bool:
    try:
        service.check(timeout_s=2.0)
    except ServiceError as error:
        log.warning("%s", error.message)
        return False
    return True


def endpoints(settings: Settings) -> ServiceEndpoints:
    """How to reach the services, running or not.

    Raises:
        ServiceError: they were never set up.
    """
    state = _load(settings)
    if state is None or any(kind.name not in state.ports for kind in _KINDS):
        raise ServiceError(f"There are no services in {settings.home} yet.", remedy=_NEVER_SET_UP)
    folder = _services_dir(settings)
    return ServiceEndpoints(
        catalog_dsn=SecretStr(Postgres.of(folder, state).dsn()),
        s3_endpoint=Seaweed.of(folder, state).address,
        s3_region=REGION,
        s3_access_key_id=state.s3_access_key_id,
        s3_secret_access_key=state.s3_secret_access_key,
        bucket=BUCKET,
    )
