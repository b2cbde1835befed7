"""A lake built from the sample world."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from dataflows.elt import run_dbt
from dataflows.raw.context_ingest import ContextOptions, ingest_contexts
from dataflows.raw.ingest import DatasetOutcome, Options
from dataflows.raw.ingest_run import ingest
from dataflows.raw.run_identity import Run
from dataflows.sample import SampleWorld
from db import Settings
from ingest.context_manifest import load_context_manifest
from ingest.manifest import load_manifest

WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
"""Of dbt."""

# Fixed, so that two lakes hold equal rows
RUN = Run(run_id="0" * 32, started_at=datetime(2026, 11, 20, tzinfo=UTC), author="tests")


@dataclass(frozen=True)
class SampleLake:
    """Where it is, and the truth it was built from."""

    settings: Settings
    world: SampleWorld
    outcomes: list[DatasetOutcome]


def build_sample_lake(settings: Settings, world: SampleWorld, *arguments: str) -> SampleLake:
    """Ingest the sample world and its context, and build, with ``arguments`` for dbt; fails where anything in it fails."""
    datasets, mirror = load_manifest(world.manifest).available(), str(world.folder)
    outcomes = ingest(datasets, Options(settings, mirror=mirror, offline=True, run=RUN))
    assert {outcome.status for outcome in outcomes} == {"landed"}, outcomes
    known = load_context_manifest(world.context_manifest).available()
    around = ingest_contexts(known, ContextOptions(settings, mirror=mirror, offline=True, run=RUN))
    assert {outcome.status for outcome in around} == {"landed"}, around
    failures = [result for result in run_dbt("build", settings, arguments=arguments) if result.failed]
    assert not failures, failures
    return SampleLake(settings, world, outcomes)
