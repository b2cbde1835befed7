"""One published dataset → one landing table: file → table → asserted CRS → EPSG:4326 → provenance → landed → GeoParquet.

Nodes are lazy DuckDB relations until ``landed``, which reads the files once, inside one DuckLake transaction.
Run it by hand with ``python -m dataflows.raw.doi_vectors KEY …`` and draw it with ``eopv dag doi_vectors -o dag.svg``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import duckdb
from hamilton.function_modifiers import cache, tag

from dataflows.outcomes import OutcomeRecorder
from dataflows.raw import geoparquet, landing
from dataflows.raw.landed_table import Receipt
from dataflows.raw.layer import LazyTable
from dataflows.raw.run_identity import Run
from ingest import acquire
from ingest.acquire import Acquisition
from ingest.manifest import Dataset


@tag(step="fetch", layer="landing")
def fetched(dataset: Dataset, cache_dir: Path, mirror: str | None, refresh: bool, offline: bool, progress: Any) -> Acquisition:
    """Published files, verified, from cache, mirror or repository; ``progress`` is an ``ingest.acquire.Progress`` or none."""
    return acquire.fetch(dataset, cache_dir=cache_dir, mirror=mirror, refresh=refresh, offline=offline, progress=progress)


@tag(step="unpack", layer="landing")
def unpacked(fetched: Acquisition, cache_dir: Path) -> Acquisition:
    """The files themselves, out of their archives."""
    return acquire.unpack(fetched, cache_dir=cache_dir)


@cache(behavior="recompute")
@tag(layer="landing")
def fingerprint(unpacked: Acquisition, dataset: Dataset, code_version: str) -> str:
    """Identity of a landing (sha256 hex): same bytes, same manifest entry and same code land the same table."""
    facts = "\n".join((unpacked.digest, unpacked.distribution.name, dataset.model_dump_json(), code_version))
    return hashlib.sha256(facts.encode()).hexdigest()


@tag(step="land", layer="landing")
def landed(
    dataset: Dataset,
    unpacked: Acquisition,
    provenanced_table: LazyTable,
    fingerprint: str,
    run: Run,
    lake: duckdb.DuckDBPyConnection,
    recorder: OutcomeRecorder,
) -> Receipt:
    """``lake.landing.<key>``, replaced in one transaction."""
    return landing.land(
        lake,
        dataset=dataset,
        acquisition=unpacked,
        table=provenanced_table.relation,
        fingerprint=fingerprint,
        run_id=run.run_id,
        landed_at=run.started_at,
        author=run.author,
        recorder=recorder,
    )


@tag(layer="landing")
def export_path(dataset: Dataset, geoparquet_dir: Path) -> Path:
    """Where the GeoParquet file goes."""
    return geoparquet_dir / f"{dataset.key}.parquet"


@cache(behavior="default")
@tag(step="export", layer="landing")
def exported(landed: Receipt, fingerprint: str, export_path: Path, lake: duckdb.DuckDBPyConnection) -> Path:
    """The landed rows as GeoParquet 1.1 for people outside DuckDB.

    Kept in Hamilton's cache under ``fingerprint``, that is under content and code; other nodes do not enter the key.
    """
    return geoparquet.export(lake, landed.table, export_path, fingerprint)


if __name__ == "__main__":
    from dataflows.raw.ingest_run import main

    raise SystemExit(main())
