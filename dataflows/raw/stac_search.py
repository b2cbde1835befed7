"""Look into a catalog without writing anything: how much is there, and what the first items are like."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dataflows.raw.stac_areas import installation_areas
from dataflows.raw.stac_checking import CheckedItem, checked
from dataflows.raw.stac_ingest import StacOptions
from db import connect
from ingest.stac_manifest import Catalog
from ingest.stac_policy import Area
from ingest.stac_source import Tally, records, require


@dataclass
class SearchResult:
    """What a search found.

    Attributes:
        catalog: key.
        areas: how many areas were searched; ``None``: anywhere.
        found: records that came.
        unwanted: those that the policy leaves out.
        items: items, each counted once, by collection.
        refused: records that are no usable items, by reason.
        first: the first items: collection, item, time, cloud cover in %, EPSG code or other CRS, number of assets.
        complete: whether the search was read to its end.
    """

    catalog: str
    areas: int | None
    found: int = 0
    unwanted: int = 0
    items: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    first: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = True


def search(catalog: Catalog, options: StacOptions, *, shown: int = 10, limit: int | None = None) -> SearchResult:
    """Search a catalog; nothing of the lake is changed.

    Args:
        catalog: manifest entry.
        options: how it is reached, and where to search.
        shown: how many items to describe.
        limit: stop after so many items.

    Raises:
        LakeNotFoundError: the entry searches around installations, and there are none.
        EopvError: as :func:`ingest.stac_source.records`.
    """
    require(catalog, options.access())
    areas, tally = _areas(catalog, options), Tally()
    result = SearchResult(catalog.key, None if areas is None else len(areas))
    seen: set[tuple[str, str]] = set()
    refused: Counter[str] = Counter()
    for record in records(catalog, areas, options.access(), tally):
        outcome = checked(record)
        if not isinstance(outcome, CheckedItem):
            refused[outcome.reason] += 1
            continue
        key = (outcome.item["collection"], outcome.item["id"])
        if key not in seen:
            seen.add(key)
            if len(result.first) < shown:
                result.first.append(_described(catalog, outcome))
        if limit is not None and len(seen) >= limit:
            result.complete = False
            break
    result.items = dict(Counter(collection for collection, _ in seen))
    result.refused = dict(refused)
    result.found, result.unwanted = tally.counts["found"], tally.counts["unwanted"]
    return result


def _areas(catalog: Catalog, options: StacOptions) -> list[Area] | None:
    if options.areas is not None or catalog.search.within == "anywhere":
        return options.areas
    with connect(read_only=True, lake=options.lake) as lake:
        return installation_areas(lake, catalog.search)


def _described(catalog: Catalog, item: CheckedItem) -> dict[str, Any]:
    properties = item.item["properties"]
    time = item.at or item.start
    return {
        "collection": item.item["collection"],
        "item": item.item["id"],
        "time": None if time is None else time.strftime("%Y-%m-%d %H:%M"),
        "cloud cover, %": properties.get(catalog.cloud_property(item.item["collection"]) or ""),
        "CRS": properties.get("proj:code"),
        "assets": len(item.item["assets"]),
    }
