"""What the services of one home must remember: ports and credentials, in a file that only its owner reads."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SecretStr, ValidationError

from db.errors import ServiceError
from db.services.process import is_free

# Below the ephemeral ranges of Linux, macOS and Windows: no outgoing connection takes a port while the services are down
PORT_RANGE = range(10_000, 32_768)

_StoredSecret = Annotated[SecretStr, PlainSerializer(SecretStr.get_secret_value, when_used="json")]


class ServicesState(BaseModel):
    """Ports and credentials of one home."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    postgres_password: _StoredSecret = Field(default_factory=lambda: SecretStr(secrets.token_urlsafe(24)))
    s3_access_key_id: _StoredSecret = Field(default_factory=lambda: SecretStr(secrets.token_hex(10).upper()))
    s3_secret_access_key: _StoredSecret = Field(default_factory=lambda: SecretStr(secrets.token_urlsafe(30)))
    ports: dict[str, tuple[int, ...]] = Field(default_factory=dict, description="Ports of each service, by its name.")

    def secrets(self) -> list[SecretStr]:
        """Every value that must not be shown."""
        return [self.postgres_password, self.s3_access_key_id, self.s3_secret_access_key]

    def with_free_ports(self, service: str, count: int) -> Self:
        """The same state with ``count`` new ports for ``service``, none of them used by another service of this home."""
        taken = {port for name, ports in self.ports.items() if name != service for port in ports}
        chosen: list[int] = []
        while len(chosen) < count:
            port = secrets.choice(PORT_RANGE)
            if port not in taken and port not in chosen and is_free(port):
                chosen.append(port)
        return self.model_copy(update={"ports": {**self.ports, service: tuple(chosen)}})

    @classmethod
    def load(cls, file: Path) -> Self | None:
        """Read the state, ``None`` where nothing was ever set up.

        Raises:
            ServiceError: the file cannot be read or understood.
        """
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            # A validation error would repeat the file's values
            reason = error.strerror if isinstance(error, OSError) else "not the state of our services"
            raise ServiceError(
                f"{file} cannot be used: {reason}.",
                remedy="Restore the file, or delete its folder to begin anew without the data.",
            ) from None

    def save(self, file: Path) -> None:
        """Write the state so that it is complete or absent, readable for its owner only."""
        partial = file.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(self.model_dump_json(indent=2))
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the services of one home: two commands do not start or stop them at the same time."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
