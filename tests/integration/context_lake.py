"""Lakes that know where PV is, and entries of context to ingest into them."""

from __future__ import annotations

from typing import Any

import shapely
from acquisition_support import IMPATIENT

from dataflows.raw import landing
from dataflows.raw.context_ingest import ContextOptions, ContextOutcome, ingest_contexts
from db import Settings, connect
from db.sql import identifier
from ingest.context_manifest import Context


def land_pv(
    settings: Settings, geometries: list[shapely.Geometry | None], *, key: str = "some_pv", trust: str = "normal"
) -> None:
    """Land PV features as a dataset of that trust, as far as areas of interest look at it."""
    with connect(lake=settings) as lake:
        landing.VERSIONS.ensure(lake)
        lake.execute(
            f"INSERT INTO {landing.VERSIONS.table} (dataset, trust, ingested_at) VALUES (?, ?, now())",
            [key, trust],
        )
        table = identifier("lake", "landing", key)
        lake.execute(f"CREATE OR REPLACE TABLE {table} (geometry GEOMETRY)")
        lake.executemany(f"INSERT INTO {table} VALUES (ST_GeomFromWKB(?))", [[shapely.to_wkb(shape)] for shape in geometries])


def entry(key: str, source: dict[str, Any], **more: Any) -> Context:
    """An entry with that source."""
    facts = {
        "key": key,
        "title": key,
        "url": "https://example.org",
        "citation": "Somebody (2026)",
        "licence": {"id": "ODbL-1.0", "commercial": "yes"},
        "folder": "overture",
        "source": source,
    }
    return Context.model_validate(facts | more)


def buildings(**source: Any) -> Context:
    """Buildings of Overture Maps."""
    facts = {"kind": "overture", "theme": "buildings", "type": "building", "h3_resolution": 9}
    return entry("overture_building", facts | source)


def ingested(settings: Settings, context: Context, **options: Any) -> ContextOutcome:
    """What became of one entry."""
    (outcome,) = ingest_contexts([context], ContextOptions(settings, retry=IMPATIENT, **options))
    return outcome


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """The result of a query."""
    with connect(read_only=True, lake=settings) as lake:
        return lake.execute(query).fetchall()
