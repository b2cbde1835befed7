"""A lake built from the sample world."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from dataflows.elt import run_dbt
from dataflows.raw.ingest import DatasetOutcome, Options
from dataflows.raw.ingest_run import ingest
from dataflows.raw.run_identity import Run
from dataflows.sample import SampleWorld
from db import Settings
from ingest.manifest import load_manifest

# Fixed, so that two lakes hold equal rows
RUN = Run(run_id="0" * 32, started_at=datetime(2026, 11, 20, tzinfo=UTC), author="tests")


@dataclass(frozen=True)
class SampleLake:
    """Where it is, and the truth it was built from."""

    settings: Settings
    world: SampleWorld
    outcomes: list[DatasetOutcome]


def build_sample_lake(settings: Settings, world: SampleWorld) -> SampleLake:
    """Ingest and build the sample world; fails where anything in it fails."""
    datasets = load_manifest(world.manifest).available()
    outcomes = ingest(datasets, Options(settings, mirror=str(world.folder), offline=True, run=RUN))
    assert {outcome.status for outcome in outcomes} == {"landed"}, outcomes
    failures = [result for result in run_dbt("build", settings) if result.failed]
    assert not failures, failures
    return SampleLake(settings, world, outcomes)
