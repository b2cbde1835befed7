"""One STAC catalog → ``landing.stac_*``: areas → records → checked → staged → landed.

``records`` and ``checked_records`` are streams; they run when ``staged`` reads them. Draw it with ``eopv dag stac_items``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb
from hamilton.function_modifiers import tag

from dataflows.outcomes import OutcomeRecorder
from dataflows.raw import stac_areas, stac_checking, stac_landing
from dataflows.raw.run_identity import Run
from dataflows.raw.stac_checking import CheckedItem, Refusal
from ingest import stac_source
from ingest.stac_manifest import Catalog
from ingest.stac_policy import Area
from ingest.stac_record import Record
from ingest.stac_source import Access, Tally


@tag(layer="landing")
def reachable(catalog: Catalog, access: Access) -> Catalog:
    """The catalog, unless it is clear beforehand that nothing can come of it."""
    stac_source.require(catalog, access)
    return catalog


@tag(step="areas", layer="landing")
def areas(reachable: Catalog, lake: duckdb.DuckDBPyConnection, chosen_areas: Sequence[Area] | None) -> tuple[Area, ...] | None:
    """Where to search: what the caller chose, else around installations if the manifest says so, else anywhere (``None``)."""
    if chosen_areas is not None or reachable.search.within == "anywhere":
        return None if chosen_areas is None else tuple(chosen_areas)
    return tuple(stac_areas.installation_areas(lake, reachable.search))


@tag(layer="landing")
def records(reachable: Catalog, areas: tuple[Area, ...] | None, access: Access, tally: Tally) -> Iterator[Record]:
    """What the catalog has, as it comes."""
    return stac_source.records(reachable, areas, access, tally)


@tag(layer="landing")
def checked_records(records: Iterator[Record]) -> Iterator[CheckedItem | Refusal]:
    """Each record as an item in the current version of STAC, or with the reason why it is none."""
    return map(stac_checking.checked, records)


@tag(step="fetch", layer="landing")
def staged(checked_records: Iterator[CheckedItem | Refusal], lake: duckdb.DuckDBPyConnection) -> stac_landing.Staged:
    """All of it in temporary tables; nothing of the lake is touched."""
    return stac_landing.stage(lake, checked_records)


@tag(step="land", layer="landing")
def landed(
    staged: stac_landing.Staged, catalog: Catalog, lake: duckdb.DuckDBPyConnection, run: Run, recorder: OutcomeRecorder
) -> stac_landing.StacReceipt:
    """What is new of it, appended in one commit."""
    return stac_landing.land(
        lake, catalog=catalog, run_id=run.run_id, landed_at=run.started_at, author=run.author, recorder=recorder
    )
