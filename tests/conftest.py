"""Fixtures that every kind of test shares."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from db.settings import Settings, using

# How long an example takes depends on what else the machine does; speed is measured in benchmarks/. In CI examples are
# hypothesis' profile "ci": the same each time, so that what it finds on a desk fails no other change.
hypothesis.settings.register_profile(
    "untimed", hypothesis.settings.get_profile(hypothesis.settings.get_current_profile_name()), deadline=None
)
hypothesis.settings.load_profile("untimed")

REPOSITORY_ROOT = Path(__file__).resolve().parents[1]


def pytest_itemcollected(item: pytest.Item) -> None:
    """What tests of a file share is made once: in one of pytest's processes, unless the tests say otherwise."""
    if "unit" not in item.path.parts and item.get_closest_marker("xdist_group") is None:
        item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """A process more than there are processors: tests wait for servers, for other processes and for the disk."""
    return (yield) + 1


@pytest.fixture(autouse=True)
def _only_the_settings_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EOPV_") and name != "EOPV_TEST_MIRROR"]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The offline mirror of real published data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("EOPV_TEST_MIRROR", REPOSITORY_ROOT.parent / "shared" / "mirror"))
    if not folder.is_dir():
        pytest.skip(f"no mirror of real data at {folder}; set EOPV_TEST_MIRROR")
    return folder


@pytest.fixture
def home(tmp_path: Path):
    """Settings of an empty lake on the target `local`, in force for the test."""
    with using(Settings(home=tmp_path / "home", _env_file=None)) as lake:
        yield lake
