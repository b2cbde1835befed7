"""The API source against a real STAC API server: what it finds is what the server's own SQL finds, page by page."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pgstac_server import PgstacServer
from stac_gateway import Gateway
from stac_searches import PERSISTENT, Wanted, World, flat, ids, made, paged
from stac_server import Fault
from stac_world import catalog

from db.errors import RemoteError
from ingest.stac_api import search_items

pytestmark = pytest.mark.xdist_group("pgstac")


@pytest.mark.parametrize("policy", ["where", "when", "all of it"])
def test_every_page_is_what_the_servers_sql_finds(
    policy: str, stac_world: World, pgstac: PgstacServer, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = stac_world.policies[policy]
    caplog.set_level(logging.WARNING)
    expected = wanted.found_by_sql(pgstac, stac_world.collections)
    assert flat(expected)
    assert ids(wanted, gateway, stac_world.collections) == flat(expected)
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
    method: str, hidden: tuple[str, ...], means: str | None, stac_world: World, pgstac: PgstacServer, gateway: Gateway
) -> None:
    gateway.hidden, gateway.methods = hidden, (method,)
    wanted = stac_world.policies["all of it"]
    assert ids(wanted, gateway, stac_world.collections) == flat(wanted.found_by_sql(pgstac, stac_world.collections))
    asked = gateway.answers[0]
    assert asked.method == method
    assert {word for word in ("filter", "query") if f'"{word}"' in asked.question or f"{word}=" in asked.question} == (
        {means} if means else set()
    )
    given = wanted.found_by_sql(pgstac, stac_world.collections, clouds=means is not None)
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
def test_faults_between_the_pages_change_nothing(
    method: str, stac_world: World, pgstac: PgstacServer, gateway: Gateway
) -> None:
    gateway.methods = (method,)
    gateway.faults = deque(FAULTS)
    wanted = stac_world.policies["where"]
    expected = wanted.found_by_sql(pgstac, stac_world.collections)
    assert ids(wanted, gateway, stac_world.collections) == flat(expected)
    assert not gateway.faults
    # A page that was cut on its way was given twice, with the same items
    assert len(gateway.answers) > len(paged(expected, wanted.page))
    assert gateway.pages() == paged(expected, wanted.page)


def test_a_filter_of_the_manifest_is_the_servers(stac_world: World, pgstac: PgstacServer, gateway: Gateway) -> None:
    wanted = Wanted(clouds=60.0, platform=stac_world.platform, page=50)
    expected = wanted.found_by_sql(pgstac, stac_world.collections)
    assert 0 < len(flat(expected)) < len(stac_world.items)
    assert ids(wanted, gateway, stac_world.collections) == flat(expected)
    assert gateway.pages() == paged(expected, wanted.page)


def test_the_order_does_not_depend_on_the_size_of_pages(stac_world: World, gateway: Gateway) -> None:
    wanted = stac_world.policies["when"]
    orders = {tuple(ids(Wanted(wanted.areas, wanted.days, page=size), gateway, stac_world.collections)) for size in (7, 900)}
    assert len(orders) == 1


def test_all_items_come_as_they_were_published(stac_world: World, pgstac: PgstacServer, gateway: Gateway) -> None:
    """pgstac takes items apart to store them; what it puts together again, and what we read of it, is the same item."""
    wanted = stac_world.policies["everything"]
    expected = wanted.found_by_sql(pgstac, stac_world.collections)
    records = list(search_items(wanted.entry(gateway.url, stac_world.collections), client=PERSISTENT))
    assert [record.item["id"] for record in records] == flat(expected)
    assert gateway.pages() == paged(expected, wanted.page)
    found = {(record.item["collection"], record.item["id"]): record.item for record in records}
    assert len(found) == len(stac_world.items)
    for item in stac_world.items:
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
def searched(pgstac: PgstacServer) -> Iterator[Gateway]:
    made().load(pgstac)
    with Gateway(behind=pgstac.url) as running:
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
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_policy_finds_what_the_servers_sql_finds(
    pgstac: PgstacServer, searched: Gateway, wanted: Wanted, method: str, hidden: tuple[str, ...]
) -> None:
    searched.methods, searched.hidden = (method,), hidden
    searched.answers.clear()
    expected = wanted.found_by_sql(pgstac, MADE)
    assert ids(wanted, searched, MADE) == flat(expected)
    assert searched.pages() == paged(expected, wanted.page)


def test_without_named_collections_all_are_searched(pgstac: PgstacServer, searched: Gateway) -> None:
    searched.methods, searched.hidden = ("GET", "POST"), ()
    wanted = Wanted((shapely.box(9.9, 49.9, 15.1, 55.1),), clouds=30.0, page=4)
    found = pgstac.rows(
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
