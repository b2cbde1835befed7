"""Searches of a STAC API, and the SQL on pgstac's own table that finds the same items."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import Any

import pytest
import rustac
import shapely
from pgstac_server import PgstacServer
from stac_gateway import Gateway
from stac_world import catalog, stac_item

from ingest.http import HttpClient, RetryPolicy
from ingest.stac_api import search_items
from ingest.stac_manifest import Catalog
from ingest.stac_policy import Area

# Waits briefly between attempts, but long for an answer: a real server on a busy machine takes its time
PERSISTENT = HttpClient(RetryPolicy(attempts=4, initial_s=0.02, max_s=0.1, retry_after_cap_s=2.0))


@dataclass(frozen=True)
class Wanted:
    """A policy: of an entry, and of the SQL that it is compared with."""

    areas: tuple[shapely.Geometry, ...] = ()
    days: tuple[date | None, date | None] = (None, None)
    clouds: float | None = None
    platform: str | None = None
    page: int = 100

    def entry(self, url: str, collections: dict[str, bool]) -> Catalog:
        search: dict[str, Any] = {"page_items": self.page, "max_cloud_cover_pct": self.clouds}
        if self.days != (None, None):
            search["datetime"] = "/".join(".." if day is None else day.isoformat() for day in self.days)
        if self.platform is not None:
            search["filter"] = {"op": "=", "args": [{"property": "platform"}, self.platform]}
        return catalog("api", url=url, search=search, collections={key: {"clouds": has} for key, has in collections.items()})

    def search_areas(self) -> list[Area] | None:
        return [Area(f"area {number}", area) for number, area in enumerate(self.areas)] or None

    def found_by_sql(self, pgstac: PgstacServer, collections: dict[str, bool], *, clouds: bool = True) -> list[list[str]]:
        """Ids of each search that the policy is, in the order that pgstac promises."""
        groups = [[key for key, has in collections.items() if has], [key for key, has in collections.items() if not has]]
        return [
            self._found(pgstac, group, area, self.clouds if clouds and group is groups[0] else None)
            for area in self.areas or (None,)
            for group in groups
            if group
        ]

    def _found(
        self, pgstac: PgstacServer, collections: list[str], area: shapely.Geometry | None, clouds: float | None
    ) -> list[str]:
        conditions: list[tuple[str, Any]] = [("collection = ANY(%s)", collections)]
        if area is not None:
            conditions.append(("ST_Intersects(geometry, ST_GeomFromText(%s, 4326))", area.wkt))
        start, end = self.days
        if start is not None:
            conditions.append(("end_datetime >= %s", datetime(start.year, start.month, start.day, tzinfo=UTC)))
        if end is not None:
            conditions.append(("datetime < %s", datetime(end.year, end.month, end.day, tzinfo=UTC) + timedelta(days=1)))
        if clouds is not None:
            conditions.append(("(content->'properties'->>'eo:cloud_cover')::float <= %s", clouds))
        if self.platform is not None:
            conditions.append(("content->'properties'->>'platform' = %s", self.platform))
        where = " AND ".join(condition for condition, _ in conditions)
        query = f"SELECT id FROM items WHERE {where} ORDER BY datetime DESC, collection DESC, id DESC"
        return [name for (name,) in pgstac.rows(query, [argument for _, argument in conditions])]


@dataclass(frozen=True)
class World:
    """Items in the server, with policies that find some of them."""

    items: list[dict[str, Any]]
    collections: dict[str, bool]  # id → whether its items state a cloud cover
    policies: dict[str, Wanted]
    platform: str
    assets: dict[str, Any] = field(default_factory=dict)  # item_assets of the collections

    def load(self, pgstac: PgstacServer) -> None:
        extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2000-01-01T00:00:00Z", None]]}}
        collection = {"type": "Collection", "stac_version": "1.0.0", "description": "for tests", "license": "other"}
        more = {"extent": extent, "links": [], "item_assets": self.assets}
        pgstac.load(self.items, [{**collection, "id": key, **more} for key in self.collections])


def made() -> World:
    """Items of a few places, many with the same time; some are a range of time, some state no clouds, some are no boxes."""
    items = [stac_item(number, properties={"platform": "ab"[number % 2]}) for number in range(40)]
    for number in range(40, 46):
        times = {
            "datetime": None,
            "start_datetime": "2024-02-20T00:00:00Z",
            "end_datetime": f"2024-0{number - 37}-01T00:00:00Z",
        }
        items.append(stac_item(number, properties={"platform": "a", **times}))
    triangle = {"type": "Polygon", "coordinates": [[[10.0, 50.0], [15.0, 50.0], [10.0, 55.0], [10.0, 50.0]]]}
    items.append(stac_item(46, geometry=triangle, bbox=[10.0, 50.0, 15.0, 55.0], properties={"platform": "b"}))
    for number in range(50, 62):
        item = stac_item(number, collection="radar", properties={"platform": "a"})
        del item["properties"]["eo:cloud_cover"], item["assets"]["thumbnail"]
        items.append(item)
    corner = shapely.Polygon([(10.2, 50.2), (12.8, 50.2), (12.8, 50.4), (10.4, 50.4), (10.4, 50.9), (10.2, 50.9)])
    apart = shapely.MultiPolygon([shapely.box(13.2, 50.2, 13.4, 50.4), shapely.box(14.5, 54.5, 14.9, 54.9)])
    policies = {
        "everything": Wanted(page=9),
        "where": Wanted((corner, apart, shapely.box(-60, -60, -59, -59)), page=5),
        "when": Wanted(days=(date(2024, 4, 5), date(2024, 6, 5)), page=4),
        "all of it": Wanted((corner,), (date(2024, 2, 1), date(2024, 10, 1)), clouds=49.0, page=3),
        "to land": Wanted((shapely.box(10.1, 49.9, 12.5, 50.9),), clouds=49.0),
    }
    # Which pgstac takes out of the items when it stores them and gives back to them, but not to those that lack the asset
    assets = {"red": {"roles": ["data"]}, "thumbnail": {"roles": ["thumbnail"], "title": "Small"}}
    return World(items, {"scenes": True, "radar": False}, policies, "a", assets)


def published(mirror: Path) -> World:
    """The mirror's items of Sentinel-2, Landsat and NAIP, read by other libraries than ours."""
    folder = mirror / "stac"
    if not folder.is_dir():
        pytest.skip(f"no STAC items in the mirror at {mirror}")
    items = [
        item
        for name in ("1000-sentinel-2-items.parquet", "100-landsat-items.parquet", "sentinel-2_item-collection.json")
        for item in rustac.read_sync(str(folder / name))["features"]
    ]
    items += [json.loads(line) for line in (folder / "naip_items_100.ndjson").read_text().splitlines()]
    denver = shapely.Polygon([(-105.3, 39.4), (-104.5, 39.4), (-104.5, 39.6), (-105.1, 39.6), (-105.1, 40.1), (-105.3, 40.1)])
    apart = shapely.MultiPolygon([shapely.box(-108.6, 38.9, -108.3, 39.2), shapely.box(-88.0, 31.0, -87.0, 33.0)])
    policies = {
        "everything": Wanted(page=250),
        "where": Wanted((denver, apart), page=40),
        "when": Wanted(days=(date(2024, 8, 1), date(2024, 8, 6)), page=25),
        "all of it": Wanted((denver,), (date(2024, 7, 1), date(2024, 8, 31)), clouds=20.0, page=7),
        "to land": Wanted((shapely.box(-105.0, 39.7, -104.9, 39.8),), clouds=20.0),
    }
    clouds = {"sentinel-2-l2a": True, "landsat-c2-l2": True, "sentinel-2-c1-l2a": True, "pgstac-test-collection": False}
    return World(items, clouds, policies, "Sentinel-2B")


def paged(searches: Iterable[list[str]], size: int) -> list[list[str]]:
    return [list(page) for found in searches for page in batched(found, size)]


def flat(searches: Iterable[list[str]]) -> list[str]:
    return [name for found in searches for name in found]


def ids(wanted: Wanted, gateway: Gateway, collections: dict[str, bool]) -> list[str]:
    entry = wanted.entry(gateway.url, collections)
    return [record.item["id"] for record in search_items(entry, wanted.search_areas(), client=PERSISTENT)]
