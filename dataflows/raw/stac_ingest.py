"""Bring STAC catalogs into the lake, one after the other; a failure is an outcome, not the end of the run."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import duckdb

from dataflows.outcomes import OutcomeRecorder
from dataflows.raw import stac_items, stac_landing
from dataflows.raw.attempt import attempt
from dataflows.raw.run_identity import Run
from dataflows.run import build_driver
from db import Settings, connect
from ingest.http import HttpClient
from ingest.progress import Progress, Silent
from ingest.stac_manifest import Catalog
from ingest.stac_policy import Area
from ingest.stac_source import Access, Tally, forget

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StacOptions:
    """How to ingest.

    Attributes:
        lake: settings of the lake.
        mirror: folder or URL whose folder ``stac`` holds files of catalogs.
        offline: never contact a catalog.
        areas: where to search, in place of what the manifest says.
        run: run id, time and author; a new one when omitted.
        progress: where to report downloads and searches.
        client: patience with servers.
    """

    lake: Settings
    mirror: str | None = None
    offline: bool = False
    areas: list[Area] | None = None
    run: Run | None = None
    progress: Progress = field(default_factory=Silent)
    client: HttpClient = field(default_factory=HttpClient)

    def access(self) -> Access:
        """How catalogs are reached."""
        token = self.lake.stac_token
        return Access(
            cache_dir=self.lake.cache_dir,
            mirror=self.mirror,
            offline=self.offline,
            token=None if token is None else token.get_secret_value(),
            client=self.client,
            progress=self.progress,
        )


@dataclass(frozen=True)
class CatalogOutcome:
    """What became of one catalog.

    ``absent``: offline, and the mirror has nothing of it. ``unchanged``: the lake holds all of it already. Counts are items,
    but for ``found`` and ``unwanted`` (records, an item once for each search that finds it), ``assets`` and ``quarantined``
    (rows written); ``refused`` are all records that could not be landed, by reason, also those quarantined before.
    """

    catalog: str
    status: Literal["landed", "unchanged", "absent", "failed"]
    seconds: float
    found: int = 0
    unwanted: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    stale: int = 0
    migrated: int = 0
    assets: int = 0
    quarantined: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    snapshot: int | None = None
    error_kind: str | None = None
    error: str | None = None


def ingest_catalogs(catalogs: list[Catalog], options: StacOptions) -> list[CatalogOutcome]:
    """Ingest catalogs one after the other; never raises for a single catalog's failure.

    Returns:
        One outcome a catalog, in the order given.

    Raises:
        LakeError: the lake itself cannot be opened.
    """
    run = options.run or Run.start()
    with connect(lake=options.lake) as lake:
        stac_landing.ensure_tables(lake)
        return [ingest_catalog(catalog, lake, options, run) for catalog in catalogs]


def ingest_catalog(catalog: Catalog, lake: duckdb.DuckDBPyConnection, options: StacOptions, run: Run) -> CatalogOutcome:
    """Ingest one catalog over a connection of its own; a failure is an outcome, recorded in the lake."""
    recorder, access, tally = OutcomeRecorder(run.run_id, catalog.key), options.access(), Tally()

    def work(cursor: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        inputs = {
            "catalog": catalog,
            "lake": cursor,
            "chosen_areas": options.areas,
            "access": access,
            "tally": tally,
            "run": run,
            "recorder": recorder,
        }
        return build_driver(stac_items, adapters=(recorder,)).execute(["staged", "landed"], inputs=inputs)

    done = attempt(work, lake, recorder, run, noun="catalog", offline=options.offline)
    outcome = CatalogOutcome(catalog.key, done.status, done.seconds, error_kind=done.error_kind, error=done.error)
    if not done.results:
        return outcome
    forget(catalog, access)
    receipt, staged = done.results["landed"], done.results["staged"]
    for reason, count in sorted(staged.refused.items()):
        log.info("%s: %d records are no usable items: %s", catalog.key, count, reason)
    return replace(
        outcome,
        found=tally.counts["found"],
        unwanted=tally.counts["unwanted"],
        new=receipt.new,
        changed=receipt.changed,
        unchanged=receipt.unchanged,
        stale=receipt.stale,
        migrated=staged.migrated,
        assets=receipt.assets,
        quarantined=receipt.quarantined,
        refused=staged.refused,
        snapshot=done.snapshot,
    )
