"""Landing STAC items in a real lake: versions, order, quarantine, and no snapshot without news."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import geopandas
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stac_world import catalog, stac_item, write_ndjson

from dataflows.raw import stac_landing
from dataflows.raw.run_identity import Run
from dataflows.raw.stac_ingest import CatalogOutcome, StacOptions, ingest_catalog, ingest_catalogs
from db import connect
from db.settings import Settings
from ingest.stac_manifest import Catalog

OLD, NEW = "2024-06-01T00:00:00Z", "2024-07-01T00:00:00Z"
ENTRY = catalog(files={"include": ["*.ndjson"]})


@dataclass
class Lake:
    """A lake and a mirror whose one file is rewritten by each ingestion."""

    settings: Settings
    mirror: Path

    def ingest(self, items: list[Any], entry: Catalog = ENTRY, run: str = "run") -> CatalogOutcome:
        write_ndjson(self.mirror / "stac" / "items.ndjson", items)
        now = Run(run, datetime(2026, 11, 21, tzinfo=UTC), "tests")
        (outcome,) = ingest_catalogs([entry], StacOptions(self.settings, mirror=str(self.mirror), offline=True, run=now))
        return outcome

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with connect(read_only=True, lake=self.settings) as con:
            return con.sql(query).fetchall()

    def versions(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT item_id, version, item_sha256 FROM landing.stac_items ORDER BY ALL")

    def everything(self) -> list[list[tuple[Any, ...]]]:
        with connect(read_only=True, lake=self.settings) as con:
            tables = ("stac_items", "stac_assets", "stac_quarantine")
            return [
                sorted(con.sql(f"SELECT COLUMNS(*)::VARCHAR FROM landing.{table}").fetchall(), key=repr) for table in tables
            ]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(home=tmp_path / "home", _env_file=None), tmp_path / "mirror")


def test_an_item_and_its_assets_land_typed_with_provenance(lake: Lake) -> None:
    outcome = lake.ingest([stac_item(1, properties={"updated": OLD})])
    assert (outcome.status, outcome.new, outcome.assets, outcome.migrated) == ("landed", 1, 2, 1)
    with connect(read_only=True, lake=lake.settings) as con:
        item = con.sql("SELECT * EXCLUDE (geometry), ST_AsWKB(geometry) AS geometry FROM landing.stac_items").df().iloc[0]
        types = dict(con.sql("SELECT column_name, column_type FROM (DESCRIBE landing.stac_items)").fetchall())
        assets = con.sql("SELECT * FROM landing.stac_assets ORDER BY asset_key").df()
        facts = con.sql(
            f"SELECT author, commit_message, commit_extra_info FROM lake.snapshots() WHERE snapshot_id = {outcome.snapshot}"
        ).fetchone()
    assert types["geometry"].startswith("GEOMETRY")
    assert shapely.from_wkb(bytes(item.geometry)).equals(shapely.box(11, 50, 12, 51))
    assert (item.catalog, item.collection, item.item_id, item.version) == ("demo", "scenes", "scene-001", 1)
    assert (item.stac_version, item.source, item.ingest_run_id) == ("1.0.0", "stac/items.ndjson", "run")
    assert item.updated.to_pydatetime() == datetime(2024, 6, 1, tzinfo=UTC)
    assert json.loads(item.properties)["proj:code"] == "EPSG:32632"
    assert assets.asset_key.tolist() == ["red", "thumbnail"]
    assert (assets.scale[0], assets.value_offset[0], assets.nodata[0], list(assets.bands[0])) == (0.0001, -0.1, 0.0, ["red"])
    assert facts[:2] == ("tests", "land STAC items of demo (1 new, 0 changed, 0 quarantined)")
    assert json.loads(facts[2])["run_id"] == "run"


def test_a_run_without_news_makes_no_snapshot(lake: Lake) -> None:
    items = [stac_item(1), stac_item(2), stac_item(3, collection=None), "{"]
    first = lake.ingest(items)
    assert (first.status, first.quarantined) == ("landed", 2)
    before = lake.rows("SELECT max(snapshot_id) FROM lake.snapshots()")
    # The line that is no JSON stays in its place: it has no other name
    again = lake.ingest([items[1], items[2], items[0], items[3], items[0], items[2]])
    assert (again.status, again.snapshot, again.unchanged) == ("unchanged", None, 2)
    assert sorted(again.refused.values()) == [1, 2]
    assert lake.rows("SELECT max(snapshot_id) FROM lake.snapshots()") == before


def test_a_changed_item_is_a_new_version_and_the_old_one_stays(lake: Lake) -> None:
    lake.ingest([stac_item(1, properties={"updated": OLD}), stac_item(2)])
    changed = stac_item(1, properties={"updated": NEW, "eo:cloud_cover": 99})
    outcome = lake.ingest([changed, stac_item(2)], run="second")
    assert (outcome.new, outcome.changed, outcome.unchanged, outcome.assets) == (0, 1, 1, 2)
    query = "SELECT version, properties ->> 'eo:cloud_cover', ingest_run_id FROM landing.stac_items WHERE item_id = 'scene-001'"
    assert sorted(lake.rows(query)) == [(1, "7", "run"), (2, "99", "second")]
    assert lake.rows("SELECT version, count(*) FROM landing.stac_assets GROUP BY version ORDER BY version") == [(1, 4), (2, 2)]


def test_an_older_copy_does_not_replace_a_newer_one(lake: Lake) -> None:
    lake.ingest([stac_item(1, properties={"updated": NEW})])
    outcome = lake.ingest([stac_item(1, properties={"updated": OLD})])
    assert (outcome.status, outcome.stale) == ("unchanged", 1)
    assert len(lake.versions()) == 1


def test_content_that_comes_back_is_a_version_again(lake: Lake) -> None:
    first, second = stac_item(1), stac_item(1, properties={"eo:cloud_cover": 1})
    for item in (first, second, first):
        assert lake.ingest([item]).status == "landed"
    hashes = [sha256 for _, _, sha256 in lake.versions()]
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_new_signature_is_no_news(lake: Lake) -> None:
    for signature in ("hunter2", "hunter3"):
        signed = stac_item(1, assets={"red": {"href": f"https://example.org/red.tif?se=1&sig={signature}"}})
        outcome = lake.ingest([signed, stac_item(2, collection=None, assets=signed["assets"])])
    assert outcome.status == "unchanged"
    assert "hunter" not in str(lake.everything())
    assert lake.rows("SELECT href FROM landing.stac_assets WHERE asset_key = 'red'") == [("https://example.org/red.tif",)]


def test_the_same_item_of_two_catalogs_is_kept_apart(lake: Lake) -> None:
    lake.ingest([stac_item(1)])
    other = ENTRY.model_copy(update={"key": "other"})
    assert lake.ingest([stac_item(1)], entry=other).new == 1
    assert lake.rows("SELECT catalog, version FROM landing.stac_items ORDER BY ALL") == [("demo", 1), ("other", 1)]


def test_what_is_refused_is_quarantined_with_the_reason_and_stops_nothing(lake: Lake) -> None:
    bad = stac_item(2, properties={"datetime": "2024-02-30T00:00:00Z"})
    outcome = lake.ingest([stac_item(1), bad, "no JSON", stac_item(3)])
    assert (outcome.status, outcome.new, outcome.quarantined, sum(outcome.refused.values())) == ("landed", 2, 2, 2)
    first, second = lake.rows("SELECT source, collection, item_id, reason, item FROM landing.stac_quarantine ORDER BY source")
    assert first[:3] == ("stac/items.ndjson:2", "scenes", "scene-002")
    assert first[3].startswith("its datetime cannot be read")
    assert json.loads(first[4])["properties"]["datetime"] == "2024-02-30T00:00:00Z"
    assert (second[0], second[2], json.loads(second[4])) == ("stac/items.ndjson:3", None, "no JSON\n")


def test_only_refusals_are_news_too(lake: Lake) -> None:
    outcome = lake.ingest(["{"])
    assert (outcome.status, outcome.new, outcome.quarantined) == ("landed", 0, 1)


def test_a_file_that_cannot_be_read_leaves_the_lake_as_it_was(lake: Lake) -> None:
    lake.ingest([stac_item(1)])
    before = lake.everything()
    (lake.mirror / "stac" / "broken.parquet").write_text("no Parquet")
    entry = catalog(files={"include": ["*"]})
    outcome = lake.ingest([stac_item(2)], entry=entry)
    assert (outcome.status, outcome.error_kind) == ("failed", "read")
    assert lake.everything() == before
    assert lake.rows("SELECT dataset, step, error_kind FROM landing.ingest_outcomes WHERE status = 'failed'") == [
        ("demo", "fetch", "read")
    ]


def test_a_crash_while_landing_leaves_the_lake_as_it_was(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.ingest([stac_item(1)])
    before = lake.everything()

    def full(*_: object) -> None:
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr("dataflows.raw.stac_landing.write_outcomes", full)
    assert lake.ingest([stac_item(1, properties={"a": 1}), stac_item(2)]).status == "failed"
    monkeypatch.undo()
    assert lake.everything() == before
    assert lake.ingest([stac_item(2)]).new == 1


def test_of_two_landings_at_once_one_is_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.ingest([stac_item(9)])
    items = [stac_item(1), stac_item(9, properties={"a": 1})]
    write_ndjson(lake.mirror / "stac" / "items.ndjson", items)
    options = StacOptions(lake.settings, mirror=str(lake.mirror), offline=True)
    write = stac_landing.write_outcomes
    with connect(lake=lake.settings) as con:

        def second_first(*arguments: Any) -> None:
            monkeypatch.setattr(stac_landing, "write_outcomes", write)
            assert ingest_catalog(ENTRY, con, options, Run.start()).status == "landed"
            write(*arguments)

        monkeypatch.setattr(stac_landing, "write_outcomes", second_first)
        refused = ingest_catalog(ENTRY, con, options, Run.start())
        assert (refused.status, refused.error_kind) == ("failed", "TransactionException")
        again = ingest_catalog(ENTRY, con, options, Run.start())
        assert (again.status, again.unchanged) == ("unchanged", 2)
        # Over this connection: after a refused commit DuckLake 1.5.2 holds the catalog file until the process ends
        versions = con.sql("SELECT item_id, version FROM landing.stac_items ORDER BY ALL").fetchall()
        catalogs = con.sql("SELECT catalog, kind, licence FROM landing.stac_catalogs").fetchall()
    assert versions == [("scene-001", 1), ("scene-009", 1), ("scene-009", 2)]
    assert catalogs == [("demo", "files", "CC0-1.0")]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Lake]:
    def fresh() -> Lake:
        folder = tmp_path_factory.mktemp("lake")
        return Lake(Settings(home=folder / "home", _env_file=None), folder / "mirror")

    return fresh


CONTENTS = st.builds(
    lambda number, cloud, updated: stac_item(
        number, properties={"eo:cloud_cover": cloud} | ({"updated": updated} if updated else {})
    ),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from([None, OLD, NEW]),
)


@given(st.lists(CONTENTS, min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_order_and_repetition_of_items_do_not_matter(fresh: Any, items: list[dict[str, Any]], random: Any) -> None:
    mixed = [*items, *random.choices(items, k=2)]
    random.shuffle(mixed)
    first, second = fresh(), fresh()
    first.ingest(items)
    second.ingest(mixed)
    assert first.everything()[:2] == second.everything()[:2]
    newest = {
        item["id"]: max(other["properties"].get("updated", "") for other in items if other["id"] == item["id"])
        for item in items
    }
    landed = first.rows("SELECT item_id, strftime(updated, '%Y-%m-%dT%H:%M:%SZ'), version FROM landing.stac_items")
    assert {row[0]: row[1] or "" for row in landed} == newest
    assert {row[2] for row in landed} == {1}


def test_geopandas_reads_the_same_footprints(lake: Lake) -> None:
    items = [stac_item(number) for number in range(5)]
    lake.ingest(items)
    with connect(read_only=True, lake=lake.settings) as con:
        ours = con.sql("SELECT item_id, ST_AsWKB(geometry) AS wkb FROM landing.stac_items ORDER BY item_id").df()
    theirs = geopandas.GeoDataFrame.from_features(items).geometry
    assert shapely.equals(shapely.from_wkb([bytes(wkb) for wkb in ours.wkb]), theirs.to_numpy()).all()
