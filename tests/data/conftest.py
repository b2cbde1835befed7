"""Lakes of the mirror, made once: one with all datasets, built, and one with all items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from published_files import HELD, MANIFEST
from real_items import RECORDED, RealItems

from dataflows.elt import run_dbt
from dataflows.raw.ingest import DatasetOutcome, Options
from dataflows.raw.ingest_run import ingest
from db.settings import Settings

# A minute of permutations, which no test reads: their tests are of made patterns
WITHOUT_STATISTICS = ("--exclude", "prep_study_areas+", "prep_study_sites+", "prep_study_cells+")


@dataclass(frozen=True)
class RealLake:
    """Where it is, and what became of each dataset that the mirror holds."""

    settings: Settings
    outcomes: dict[str, DatasetOutcome]

    def ingest_again(self, mirror: Path) -> dict[str, DatasetOutcome]:
        return ingest_held(self.settings, mirror)


def ingest_held(settings: Settings, mirror: Path) -> dict[str, DatasetOutcome]:
    held = [MANIFEST[key] for key, _ in HELD]
    outcomes = ingest(held, Options(settings, mirror=str(mirror), offline=True, export=False))
    return {outcome.dataset: outcome for outcome in outcomes}


@pytest.fixture(scope="session")
def real_lake(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> RealLake:
    """Read it; the only test that writes to it is the one that asserts that nothing is written."""
    settings = Settings(home=tmp_path_factory.mktemp("real") / "home", _env_file=None)
    outcomes = ingest_held(settings, mirror)
    assert {outcome.status for outcome in outcomes.values()} == {"landed"}, outcomes
    failures = [result for result in run_dbt("build", settings, arguments=WITHOUT_STATISTICS) if result.failed]
    assert not failures, failures
    return RealLake(settings, outcomes)


@pytest.fixture(scope="session")
def real_items(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> RealItems:
    """A lake with all items and nothing else, for tests of the xdist group "real_items": read it, or copy it."""
    if not (mirror / "stac").is_dir():
        pytest.skip(f"no STAC items in the mirror at {mirror}")
    lake = RealItems(Settings(home=tmp_path_factory.mktemp("items") / "home", _env_file=None), {}, mirror)
    lake.outcomes.update(lake.ingest(RECORDED))
    return lake
