"""One published dataset → one landing table: file → table → asserted CRS → EPSG:4326 → provenance → landed → GeoParquet.

Nodes are lazy DuckDB relations until ``landed``, which reads the files once, inside one DuckLake transaction.
Run it by hand with ``python -m dataflows.raw.doi_vectors KEY …`` and draw it with ``eopv dag doi_vectors -o dag.svg``.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from hamilton.function_modifiers import cache, check_output_custom, tag

from dataflows.outcomes import OutcomeRecorder
from dataflows.raw import crs as reference_systems
from dataflows.raw import geoparquet, landing
from dataflows.raw.layer import PROVENANCE, Layer, LazyTable
from dataflows.raw.validators import HasColumns
from db.sql import identifier, literal
from ingest import acquire
from ingest.acquire import Acquisition
from ingest.manifest import Dataset, Distribution


@dataclass(frozen=True)
class Run:
    """One invocation of the ingestion; two runs with equal values land equal rows."""

    run_id: str
    started_at: datetime
    author: str

    @classmethod
    def start(cls, author: str = "eopv") -> Run:
        """A new run, now."""
        return cls(uuid.uuid4().hex, datetime.now(UTC), author)


@tag(step="fetch", layer="landing")
def fetched(dataset: Dataset, cache_dir: Path, mirror: str | None, refresh: bool, offline: bool, progress: Any) -> Acquisition:
    """Published files, verified, from cache, mirror or repository; ``progress`` is an ``ingest.acquire.Progress`` or none."""
    return acquire.fetch(dataset, cache_dir=cache_dir, mirror=mirror, refresh=refresh, offline=offline, progress=progress)


@tag(step="unpack", layer="landing")
def unpacked(fetched: Acquisition, cache_dir: Path) -> Acquisition:
    """The files themselves, out of their archives."""
    return acquire.unpack(fetched, cache_dir=cache_dir)


@tag(layer="landing")
def distribution(unpacked: Acquisition) -> Distribution:
    """The published form that was taken."""
    return unpacked.distribution


@tag(part_of="read", layer="landing")
def asserted_crs(layers: list[Layer], distribution: Distribution) -> list[str]:
    """The CRS of each layer: what the file says, or what the manifest says where the file says nothing."""
    return [reference_systems.asserted(layer.crs, distribution.crs, layer.file.name) for layer in layers]


@cache(behavior="disable")
@tag(part_of="read", layer="landing")
def geographic_layers(layers: list[Layer], asserted_crs: list[str], distribution: Distribution) -> list[Layer]:
    """Layers with ``geometry`` in EPSG:4326, longitude before latitude."""
    return [
        replace(layer, table=reference_systems.to_geographic(layer.table, crs, distribution.axis_order))
        for layer, crs in zip(layers, asserted_crs, strict=True)
    ]


@cache(behavior="disable")
@check_output_custom(HasColumns("geometry", *PROVENANCE, importance="fail"))
@tag(part_of="read", layer="landing")
def provenanced_table(geographic_layers: list[Layer], run: Run, lake: duckdb.DuckDBPyConnection) -> LazyTable:
    """All files of the dataset in one table, each row with the file, the row and the run that it came from."""
    parts = []
    for layer in geographic_layers:
        provenance = (
            f"{literal(layer.file.name)} AS source_file, {literal(layer.file.sha256)} AS source_sha256, source_row,"
            f" {literal(run.started_at.isoformat())}::TIMESTAMPTZ AS ingested_at, {literal(run.run_id)} AS ingest_run_id"
        )
        name = f"layer_{uuid.uuid4().hex}"
        lake.register(name, layer.table.project(f"* EXCLUDE (source_row), {provenance}"))
        parts.append(f"SELECT * FROM {name}")
    table = lake.sql(" UNION ALL BY NAME ".join(parts))
    attributes = [name for name in table.columns if name not in ("geometry", *PROVENANCE)]
    return LazyTable(table.project(", ".join(identifier(name) for name in (*attributes, "geometry", *PROVENANCE))))


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
) -> landing.Receipt:
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
def exported(landed: landing.Receipt, fingerprint: str, export_path: Path, lake: duckdb.DuckDBPyConnection) -> Path:
    """The landed rows as GeoParquet 1.1 for people outside DuckDB.

    Kept in Hamilton's cache under ``fingerprint``, that is under content and code; other nodes do not enter the key.
    """
    return geoparquet.export(lake, landed.table, export_path, fingerprint)


def code_version() -> str:
    """Identity of the code that lands tables: Hamilton's keys do not see what a node calls, so everything here counts."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


if __name__ == "__main__":
    from dataflows.raw.ingest_run import main

    raise SystemExit(main())
