"""The API source against a real STAC API server: what it finds is what the server's own SQL finds, page by page."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import Any

import pytest
import rustac
import shapely
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stac_api_server import CANNOT, Gateway, PgstacServer, programs
from stac_server import Fault
from stac_world import catalog, stac_item

from db import Settings, connect
from db.errors import RemoteError
from db.settings import using
from eopv.cli import main
from ingest.http import HttpClient, RetryPolicy
from ingest.stac_api import search_items
from ingest.stac_manifest import Catalog, StacManifest
from ingest.stac_policy import Area

pytestmark = pytest.mark.xdist_group("pgstac")

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

    def found_by_sql(self, server: PgstacServer, collections: dict[str, bool], *, clouds: bool = True) -> list[list[str]]:
        """Ids of each search that the policy is, in the order that pgstac promises."""
        groups = [[key for key, has in collections.items() if has], [key for key, has in collections.items() if not has]]
        return [
            self._found(server, group, area, self.clouds if clouds and group is groups[0] else None)
            for area in self.areas or (None,)
            for group in groups
            if group
        ]

    def _found(
        self, server: PgstacServer, collections: list[str], area: shapely.Geometry | None, clouds: float | None
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
        return [name for (name,) in server.rows(query, [argument for _, argument in conditions])]


@dataclass(frozen=True)
class World:
    """Items in the server, with policies that find some of them."""

    items: list[dict[str, Any]]
    collections: dict[str, bool]  # id → whether its items state a cloud cover
    policies: dict[str, Wanted]
    platform: str
    assets: dict[str, Any] = field(default_factory=dict)  # item_assets of the collections

    def load(self, server: PgstacServer) -> None:
        extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2000-01-01T00:00:00Z", None]]}}
        collection = {"type": "Collection", "stac_version": "1.0.0", "description": "for tests", "license": "other"}
        more = {"extent": extent, "links": [], "item_assets": self.assets}
        server.load(self.items, [{**collection, "id": key, **more} for key in self.collections])


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


@pytest.fixture(scope="module")
def server() -> Iterator[PgstacServer]:
    with PgstacServer() as running:
        yield running


@pytest.fixture(scope="module", params=["made", pytest.param("published", marks=pytest.mark.realdata)])
def world(request: pytest.FixtureRequest, server: PgstacServer) -> World:
    loaded = made() if request.param == "made" else published(request.getfixturevalue("mirror"))
    loaded.load(server)
    return loaded


@pytest.fixture
def gateway(server: PgstacServer) -> Iterator[Gateway]:
    with Gateway(behind=server.api) as running:
        yield running


def paged(searches: Iterable[list[str]], size: int) -> list[list[str]]:
    return [list(page) for found in searches for page in batched(found, size)]


def ids(wanted: Wanted, gateway: Gateway, collections: dict[str, bool]) -> list[str]:
    entry = wanted.entry(gateway.url, collections)
    return [record.item["id"] for record in search_items(entry, wanted.search_areas(), client=PERSISTENT)]


def flat(searches: Iterable[list[str]]) -> list[str]:
    return [name for found in searches for name in found]


@pytest.mark.parametrize("policy", ["where", "when", "all of it"])
def test_every_page_is_what_the_servers_sql_finds(
    policy: str, world: World, server: PgstacServer, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = world.policies[policy]
    caplog.set_level(logging.WARNING)
    expected = wanted.found_by_sql(server, world.collections)
    assert flat(expected)
    assert ids(wanted, gateway, world.collections) == flat(expected)
    assert {answer.matched for answer in gateway.answers} == {len(found) for found in expected}
    assert gateway.pages() == paged(expected, wanted.page)
    # Neither too few for what was announced, nor anything that was not asked for
    assert caplog.messages == []


CQL2, QUERY = ("#filter", "cql2"), ("#query",)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("hidden", "means"), [((), "filter"), (CQL2, "query"), ((*CQL2, *QUERY), None)], ids=["CQL2", "query", "neither"]
)
def test_clouds_by_every_means_and_method(
    method: str, hidden: tuple[str, ...], means: str | None, world: World, server: PgstacServer, gateway: Gateway
) -> None:
    gateway.hidden, gateway.methods = hidden, (method,)
    wanted = world.policies["all of it"]
    assert ids(wanted, gateway, world.collections) == flat(wanted.found_by_sql(server, world.collections))
    asked = gateway.answers[0]
    assert asked.method == method
    assert {word for word in ("filter", "query") if f'"{word}"' in asked.question or f"{word}=" in asked.question} == (
        {means} if means else set()
    )
    given = wanted.found_by_sql(server, world.collections, clouds=means is not None)
    assert gateway.pages() == paged(given, wanted.page)


FAULTS = [
    Fault(429, retry_after="1"),
    None,
    Fault(500),
    Fault(503),
    Fault(500),
    None,
    Fault(200, sent=0.5),
    Fault(0),
    None,
    Fault(429),
]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_faults_between_the_pages_change_nothing(method: str, world: World, server: PgstacServer, gateway: Gateway) -> None:
    gateway.methods = (method,)
    gateway.faults = deque(FAULTS)
    wanted = world.policies["where"]
    expected = wanted.found_by_sql(server, world.collections)
    assert ids(wanted, gateway, world.collections) == flat(expected)
    assert not gateway.faults
    # A page that was cut on its way was given twice, with the same items
    assert len(gateway.answers) > len(paged(expected, wanted.page))
    assert gateway.pages() == paged(expected, wanted.page)


def test_a_filter_of_the_manifest_is_the_servers(world: World, server: PgstacServer, gateway: Gateway) -> None:
    wanted = Wanted(clouds=60.0, platform=world.platform, page=50)
    expected = wanted.found_by_sql(server, world.collections)
    assert 0 < len(flat(expected)) < len(world.items)
    assert ids(wanted, gateway, world.collections) == flat(expected)
    assert gateway.pages() == paged(expected, wanted.page)


def test_the_order_does_not_depend_on_the_size_of_pages(world: World, gateway: Gateway) -> None:
    wanted = world.policies["when"]
    orders = {tuple(ids(Wanted(wanted.areas, wanted.days, page=size), gateway, world.collections)) for size in (7, 900)}
    assert len(orders) == 1


def test_all_items_come_as_they_were_published(world: World, server: PgstacServer, gateway: Gateway) -> None:
    """pgstac takes items apart to store them; what it puts together again, and what we read of it, is the same item."""
    wanted = world.policies["everything"]
    expected = wanted.found_by_sql(server, world.collections)
    records = list(search_items(wanted.entry(gateway.url, world.collections), client=PERSISTENT))
    assert [record.item["id"] for record in records] == flat(expected)
    assert gateway.pages() == paged(expected, wanted.page)
    found = {(record.item["collection"], record.item["id"]): record.item for record in records}
    assert len(found) == len(world.items)
    for item in world.items:
        came = found[item["collection"], item["id"]]
        assert came["properties"]["datetime"] == item["properties"]["datetime"]
        assert came["properties"].keys() <= item["properties"].keys()
        for part in ("properties", "assets"):
            assert without_nulls(came[part]) == without_nulls(item[part])
        assert shapely.geometry.shape(came["geometry"]).equals(shapely.geometry.shape(item["geometry"]))


def without_nulls(value: Any) -> Any:
    """pgstac leaves out what is null."""
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list | tuple) else value


MADE = {"scenes": True, "radar": False}


@pytest.fixture(scope="module")
def searched(server: PgstacServer) -> Iterator[Gateway]:
    made().load(server)
    with Gateway(behind=server.api) as running:
        yield running


edges = st.floats(-0.5, 5.5).map(lambda degrees: round(degrees, 1))
days = st.dates(date(2023, 12, 1), date(2025, 1, 31))
policies = st.builds(
    Wanted,
    areas=st.tuples(
        st.builds(
            lambda west, east, south, height: shapely.box(
                10 + west, 49.5 + south, 10.05 + max(west, east), 49.6 + south + height
            ),
            edges,
            edges,
            st.floats(0, 4),
            st.floats(0, 1),
        )
    ),
    days=st.one_of(
        st.tuples(days, days).map(lambda pair: (min(pair), max(pair))),
        st.tuples(days, st.none()),
        st.tuples(st.none(), days),
        st.just((None, None)),
    ),
    clouds=st.none() | st.integers(0, 100).map(float),
    page=st.integers(1, 30),
)


@given(wanted=policies, method=st.sampled_from(["GET", "POST"]), hidden=st.sampled_from([(), CQL2]))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_policy_finds_what_the_servers_sql_finds(
    server: PgstacServer, searched: Gateway, wanted: Wanted, method: str, hidden: tuple[str, ...]
) -> None:
    searched.methods, searched.hidden = (method,), hidden
    searched.answers.clear()
    expected = wanted.found_by_sql(server, MADE)
    assert ids(wanted, searched, MADE) == flat(expected)
    assert searched.pages() == paged(expected, wanted.page)


def test_without_named_collections_all_are_searched(server: PgstacServer, searched: Gateway) -> None:
    searched.methods, searched.hidden = ("GET", "POST"), ()
    wanted = Wanted((shapely.box(9.9, 49.9, 15.1, 55.1),), clouds=30.0, page=4)
    found = server.rows(
        """
        SELECT id FROM items
        WHERE ST_Intersects(geometry, ST_MakeEnvelope(9.9, 49.9, 15.1, 55.1, 4326))
            AND coalesce((content->'properties'->>'eo:cloud_cover')::float <= 30, true)
        ORDER BY datetime DESC, collection DESC, id DESC
        """
    )
    assert {name for (name,) in found} > {f"scene-0{number}" for number in range(50, 62)}
    searched.answers.clear()
    assert ids(wanted, searched, {}) == [name for (name,) in found]
    # Times that items of both collections share are cut by page ends, too
    assert searched.pages() == paged([[name for (name,) in found]], 4)


def test_a_server_that_fails_for_good_is_an_error(searched: Gateway) -> None:
    # pgstac answers 500 to an operator that it does not know
    nonsense = catalog("api", url=searched.url, search={"filter": {"op": "s_nowhere", "args": [{"property": "a"}, 1]}})
    with pytest.raises(RemoteError, match="/search answered HTTP 500"):
        list(search_items(nonsense, client=PERSISTENT))


def test_a_whole_ingest_lands_what_the_server_holds(
    world: World, server: PgstacServer, gateway: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = world.policies["to land"]
    names = flat(wanted.found_by_sql(server, world.collections))
    assert names
    (place,) = wanted.areas
    entry = wanted.entry(gateway.url, world.collections)
    manifest = tmp_path / "stac.yml"
    document = StacManifest(catalogs={"demo": entry}).model_dump(mode="json", exclude_defaults=True)
    del document["catalogs"]["demo"]["key"]
    manifest.write_text(yaml.safe_dump(document))
    lake = Settings(home=tmp_path / "home", _env_file=None)

    def ingest() -> dict[str, Any]:
        capsys.readouterr()
        with using(lake), pytest.raises(SystemExit) as ended:
            main(["stac", "ingest", "demo", "--manifest", str(manifest), "--json", "--bbox", *map(str, place.bounds)])
        assert not ended.value.code
        (outcome,) = json.loads(capsys.readouterr().out)
        return outcome

    def rows(query: str) -> list[tuple[Any, ...]]:
        with connect(read_only=True, lake=lake) as con:
            return con.sql(query).fetchall()

    first = ingest()
    assert (first["status"], first["new"], first["quarantined"]) == ("landed", len(names), 0)

    of_server = server.rows(
        """
        SELECT collection, id, ST_AsBinary(geometry), (content->'properties'->>'eo:cloud_cover')::float,
            (content->'properties'->>'datetime')::timestamptz, content->'properties'->>'platform'
        FROM items WHERE id = ANY(%s) ORDER BY 1, 2
        """,
        [names],
    )
    landed = rows(
        """
        SELECT collection, item_id, ST_AsWKB(geometry)::BLOB, (properties->>'$."eo:cloud_cover"')::DOUBLE, datetime,
            properties->>'$.platform'
        FROM landing.stac_items ORDER BY 1, 2
        """
    )
    assert [row[:2] + row[3:] for row in landed] == [row[:2] + row[3:] for row in of_server]
    footprints = zip(landed, of_server, strict=True)
    assert all(shapely.from_wkb(bytes(ours[2])).equals(shapely.from_wkb(bytes(theirs[2]))) for ours, theirs in footprints)
    # An asset that an item lacks is a mark in place of an object
    assets = server.rows(
        """
        SELECT collection, id, asset.key, asset.value->>'href'
        FROM items, jsonb_each(content->'assets') AS asset
        WHERE id = ANY(%s) AND jsonb_typeof(asset.value) = 'object'
        """,
        [names],
    )
    assert sorted(rows("SELECT collection, item_id, asset_key, href FROM landing.stac_assets")) == sorted(assets)

    again = ingest()
    assert (again["status"], again["snapshot"], again["unchanged"]) == ("unchanged", None, len(names))

    ((changed,),) = server.rows("SELECT get_item(id, collection) FROM items WHERE id = %s", [names[0]])
    changed["properties"]["updated"] = "2026-01-01T00:00:00Z"
    changed["properties"]["eo:cloud_cover"] = 0.5
    before = [item for item in world.items if item["id"] == names[0]]
    server.load([changed])
    try:
        third = ingest()
    finally:
        server.load(before)
    assert (third["status"], third["new"], third["changed"], third["unchanged"]) == ("landed", 0, 1, len(names) - 1)
    versions = rows(f"SELECT version, properties->>'$.\"eo:cloud_cover\"' FROM landing.stac_items WHERE item_id = '{names[0]}'")
    assert sorted(versions)[1] == (2, "0.5")
    assert len(versions) == 2


def test_a_server_that_cannot_be_had_is_a_skip_with_the_reason_and_in_ci_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up = tmp_path / "set_up"
    set_up.write_text(f"#!/bin/sh\necho 'no PostgreSQL: because' >&2\nexit {CANNOT}\n")
    set_up.chmod(0o755)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="because"):
        programs(set_up)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(AssertionError, match="because"):
        programs(set_up)
    # Anything else that goes wrong is no reason to skip
    monkeypatch.delenv("CI")
    set_up.write_text("#!/bin/sh\necho 'broken' >&2\nexit 1\n")
    with pytest.raises(AssertionError, match="broken"):
        programs(set_up)
