"""Fixtures with real components: a misbehaving repository server, and a lake built from the sample world."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acquisition_support import IMPATIENT
from filelock import FileLock
from pgstac_server import PgstacServer
from publish_lake import PublishLake, build_publish_lake
from publishing import Publisher
from repository_server import RepositoryServer
from sample_lake import SampleLake, build_sample_lake
from scene_lake import SceneLake, build_scene_lake
from stac_gateway import Gateway
from stac_searches import World, made, published

from dataflows.sample import SampleWorld, generate
from db import connect, services
from db.settings import Settings, Target
from ingest.acquire import Acquisition, fetch
from ingest.manifest import Dataset


def shared[T](name: str, make: Callable[[Path], T], tmp_path_factory: pytest.TempPathFactory) -> T:
    """What the first of pytest's processes that needs it makes in a folder, and the others take: for reading only."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / f"shared-{name}"
    with FileLock(f"{folder}.lock"):
        made = folder / "made.pickle"
        if not made.exists():
            # Of a process that failed
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            made.write_bytes(pickle.dumps(make(folder)))
        return pickle.loads(made.read_bytes())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RepositoryServer]:
    with RepositoryServer(mirror=tmp_path / "served") as running:
        yield running


@pytest.fixture
def get(server: RepositoryServer, tmp_path: Path) -> Callable[..., Acquisition]:
    def get(entry: Dataset, **more: Any) -> Acquisition:
        return fetch(entry, **{"cache_dir": tmp_path / "cache", "endpoints": server.endpoints, "retry": IMPATIENT, **more})

    return get


@pytest.fixture(scope="session")
def sample_world(tmp_path_factory: pytest.TempPathFactory) -> SampleWorld:
    """The sample world in its published files."""
    return shared("world", lambda folder: generate(folder / "sample"), tmp_path_factory)


@pytest.fixture(scope="session")
def sample_lake(sample_world: SampleWorld, tmp_path_factory: pytest.TempPathFactory) -> SampleLake:
    """A lake on the target `local` with the sample world ingested and built; read it, do not write to it."""

    def make(folder: Path) -> SampleLake:
        return build_sample_lake(Settings(home=folder / "home", _env_file=None), sample_world)

    return shared("lake", make, tmp_path_factory)


@pytest.fixture(scope="module")
def scene_lake(sample_lake: SampleLake, tmp_path_factory: pytest.TempPathFactory) -> SceneLake:
    """A copy of the sample's lake with its imagery's items, and the scenes chosen: one a module, which may add cubes to it."""
    return build_scene_lake(sample_lake, tmp_path_factory.mktemp("scenes") / "home")


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """PostgreSQL and S3 running, for tests of the xdist group "services", which share a process; keep to names of your own."""
    settings = Settings(home=tmp_path_factory.mktemp("dev") / "home", target=Target.DEV, _env_file=None)
    services.up(settings)
    yield settings
    services.down(settings)


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    """A mirror to write files into, and an empty lake on the target `local` to land them in: one a module."""
    folder = tmp_path_factory.mktemp("published")
    settings = Settings(home=folder / "home", _env_file=None)
    with connect(lake=settings) as con:
        yield Publisher(settings, folder / "mirror", con)


@pytest.fixture(scope="session")
def pgstac() -> Iterator[PgstacServer]:
    """A real STAC API server, for tests of the xdist group "pgstac", which share a process."""
    with PgstacServer() as running:
        yield running


@pytest.fixture(scope="session", params=["made", pytest.param("published", marks=pytest.mark.realdata)])
def stac_world(request: pytest.FixtureRequest, pgstac: PgstacServer) -> World:
    """Items in the real STAC API server: some made for the tests, then the mirror's."""
    world = made() if request.param == "made" else published(request.getfixturevalue("mirror"))
    world.load(pgstac)
    return world


@pytest.fixture
def gateway(pgstac: PgstacServer) -> Iterator[Gateway]:
    """What clients of the real STAC API server ask in its place, and what fails when told to."""
    with Gateway(behind=pgstac.url) as running:
        yield running


@pytest.fixture(scope="session")
def publish_lake(sample_lake: SampleLake, tmp_path_factory: pytest.TempPathFactory) -> PublishLake:
    """A copy of the sample's lake with restricted datasets, a hostile name and a boundary; read it, do not write to it."""
    return shared("publish", lambda folder: build_publish_lake(sample_lake, folder / "home"), tmp_path_factory)
