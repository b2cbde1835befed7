"""What every development server has: a folder of its home, ports on loopback, and an address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from db.services.process import LOOPBACK


@dataclass(frozen=True)
class Server:
    """A server of one home; the first of its ports is the one that clients connect to."""

    folder: Path
    ports: tuple[int, ...]

    @property
    def data_dir(self) -> Path:
        """Where the server keeps its data; survives a stop."""
        return self.folder / "data"

    @property
    def log_file(self) -> Path:
        """The server's log."""
        return self.folder / "server.log"

    @property
    def address(self) -> str:
        """``host:port`` that clients connect to."""
        return f"{LOOPBACK}:{self.ports[0]}"
