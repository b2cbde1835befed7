"""The misbehaving server, and a fetch that asks it in place of the public repositories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acquisition_support import IMPATIENT
from repository_server import RepositoryServer

from ingest.acquire import Acquisition, fetch
from ingest.manifest import Dataset


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RepositoryServer]:
    with RepositoryServer(mirror=tmp_path / "served") as running:
        yield running


@pytest.fixture
def get(server: RepositoryServer, tmp_path: Path) -> Callable[..., Acquisition]:
    def get(entry: Dataset, **more: Any) -> Acquisition:
        return fetch(entry, **{"cache_dir": tmp_path / "cache", "endpoints": server.endpoints, "retry": IMPATIENT, **more})

    return get
