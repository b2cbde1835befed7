"""A lake with the items of the mirror."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflows.raw.stac_ingest import CatalogOutcome, StacOptions, ingest_catalogs
from db import Settings, connect
from ingest.stac_manifest import Catalog, load_stac_manifest

RECORDED = [catalog for key, catalog in load_stac_manifest().catalogs.items() if key.startswith("recorded_")]


@dataclass(frozen=True)
class RealItems:
    """Where it is, and what became of each catalog."""

    settings: Settings
    outcomes: dict[str, CatalogOutcome]
    mirror: Path

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with connect(read_only=True, lake=self.settings) as con:
            return con.sql(query).fetchall()

    def ingest(self, catalogs: list[Catalog]) -> dict[str, CatalogOutcome]:
        outcomes = ingest_catalogs(catalogs, StacOptions(self.settings, mirror=str(self.mirror), offline=True))
        return {outcome.catalog: outcome for outcome in outcomes}
