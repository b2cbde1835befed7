"""The DAG over datasets: one parallel branch each, in its own transaction, collected into a report."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import duckdb
from hamilton.htypes import Collect, Parallelizable

from dataflows.raw import landing
from dataflows.raw.ingest import DatasetOutcome, Options, ingest_dataset
from dataflows.raw.run_identity import Run
from dataflows.run import build_driver
from db import connect, settings
from ingest.manifest import MANIFEST_PATH, Dataset, load_manifest

log = logging.getLogger(__name__)


def dataset(datasets: list[Dataset]) -> Parallelizable[Dataset]:
    """One branch a dataset."""
    yield from datasets


def outcome(dataset: Dataset, lake: duckdb.DuckDBPyConnection, options: Options, run: Run) -> DatasetOutcome:
    """The dataset, brought into the lake or not."""
    return ingest_dataset(dataset, lake, options, run)


def report(outcome: Collect[DatasetOutcome]) -> list:
    """Outcomes in the order of the datasets."""
    return list(outcome)


def ingest(datasets: list[Dataset], options: Options) -> list[DatasetOutcome]:
    """Ingest datasets side by side; never raises for a single dataset's failure.

    Returns:
        One outcome a dataset, in the order given.

    Raises:
        LakeError: the lake itself cannot be opened.
    """
    with connect(lake=options.lake) as lake:
        landing.VERSIONS.ensure(lake)
        driver = build_driver(sys.modules[__name__], workers=options.workers)
        inputs = {"datasets": datasets, "lake": lake, "options": options, "run": options.run or Run.start()}
        return driver.execute(["report"], inputs=inputs)["report"]


def main(arguments: list[str] | None = None) -> int:
    """Entry point of ``python -m dataflows.raw.doi_vectors``."""
    parser = argparse.ArgumentParser(prog="python -m dataflows.raw.doi_vectors", description=__doc__)
    parser.add_argument("keys", nargs="+", metavar="KEY", help="dataset keys of the manifest")
    parser.add_argument("--mirror", default=None, help="folder or URL with published files (default: EOPV_MIRROR)")
    parser.add_argument("--manifest", type=Path, default=MANIFEST_PATH)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    manifest = load_manifest(chosen.manifest)
    lake = settings()
    outcomes = ingest([manifest[key] for key in chosen.keys], Options(lake=lake, mirror=chosen.mirror or lake.mirror))
    for outcome in outcomes:
        log.info("%s: %s, %s rows, %.1f s", outcome.dataset, outcome.status, outcome.rows, outcome.seconds)
    return int(any(outcome.status == "failed" for outcome in outcomes))
