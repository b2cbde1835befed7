"""Landing: one snapshot a dataset or none at all, and the past stays readable."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from publishing import Publisher, entry, write_geojson
from shapely.geometry import Point

from dataflows.raw import landing
from db import Settings, connect
from db.errors import SnapshotNotFoundError
from ingest.manifest import Dataset

POINT = Point(10.5, 50.5)


def publish(publisher: Publisher, key: str, values: list[int], **distribution: object) -> Dataset:
    write_geojson(publisher.folder(key) / "a.geojson", [({"value": value}, POINT) for value in values])
    return entry(key, "geojson", **distribution)


def values(con: duckdb.DuckDBPyConnection, key: str) -> list[int]:
    return [value for (value,) in con.execute(f"SELECT value FROM lake.landing.{key} ORDER BY source_row").fetchall()]


def state(publisher: Publisher) -> tuple:
    """Everything that a failed landing must leave as it was; its outcome is recorded in a snapshot of its own."""
    versions = publisher.con.execute("SELECT * FROM lake.landing.dataset_versions ORDER BY ALL").fetchall()
    return publisher.tables(), versions, {path for path in publisher.settings.data_dir.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def _tables(publisher: Publisher) -> None:
    landing.VERSIONS.ensure(publisher.con)


def test_one_snapshot_says_who_landed_what_and_in_which_run(publisher: Publisher) -> None:
    before = publisher.snapshot()
    outcome = publisher.ingest(publish(publisher, "one", [1, 2]))
    assert (outcome.status, outcome.rows, outcome.snapshot) == ("landed", 2, before + 1)
    author, message, extra = publisher.con.execute(
        "SELECT author, commit_message, commit_extra_info FROM lake.snapshots() WHERE snapshot_id > ?", [before]
    ).fetchone()
    assert (author, message) == ("tests", "land one (1)")
    assert json.loads(extra)["run_id"] == publisher.runs[-1].run_id
    assert publisher.snapshot() == before + 1


def test_every_row_says_where_it_is_from(publisher: Publisher) -> None:
    landed = publisher.land(publish(publisher, "origin", [1, 2]))
    run = publisher.runs[-1]
    digest = hashlib.sha256((publisher.mirror / "origin" / "a.geojson").read_bytes()).hexdigest()
    assert set(landed["source_sha256"]) == {digest}
    assert set(landed["source_file"]) == {"a.geojson"}
    assert set(landed["ingest_run_id"]) == {run.run_id}
    assert {moment.astimezone(UTC) for moment in landed["ingested_at"]} == {run.started_at}
    version = publisher.con.execute(
        "SELECT rows_landed, ingest_run_id, vintage, origin FROM lake.landing.dataset_versions WHERE dataset = 'origin'"
    )
    assert version.fetchall() == [(2, run.run_id, "1", "mirror")]


def test_the_same_bytes_again_write_nothing_and_say_so(publisher: Publisher, caplog: pytest.LogCaptureFixture) -> None:
    dataset = publish(publisher, "same", [1, 2])
    publisher.ingest(dataset)
    before = publisher.snapshot(), state(publisher)
    with caplog.at_level(logging.INFO, logger="dataflows"):
        outcome = publisher.ingest(dataset)
    assert (outcome.status, outcome.rows, outcome.snapshot) == ("unchanged", 2, None)
    assert (publisher.snapshot(), state(publisher)) == before
    assert any("same" in line and "nothing to do" in line for line in caplog.messages)


@pytest.mark.parametrize("change", [{"dataset": {"vintage": "2"}}, {"expected_rows": 1}], ids=["vintage", "expected_rows"])
def test_a_changed_manifest_entry_is_a_new_snapshot(publisher: Publisher, change: dict, request) -> None:
    key = f"entry_{request.node.callspec.id}"
    first = publisher.ingest(publish(publisher, key, [1]))
    second = publisher.ingest(entry(key, "geojson", **change))
    assert (first.status, second.status) == ("landed", "landed")
    assert second.snapshot > first.snapshot


def test_a_table_that_was_dropped_is_landed_again(publisher: Publisher) -> None:
    dataset = publish(publisher, "dropped", [1])
    publisher.ingest(dataset)
    publisher.con.execute("DROP TABLE lake.landing.dropped")
    assert publisher.ingest(dataset).status == "landed"
    assert values(publisher.con, "dropped") == [1]


def test_back_to_an_earlier_content(publisher: Publisher) -> None:
    for content in ([1], [2], [1]):
        assert publisher.ingest(publish(publisher, "back", content)).status == "landed"
        assert values(publisher.con, "back") == content


FAULTS = {
    "expected_rows": ({"expected_rows": 5}, "schema", "2 rows were read, 5 were expected", "land"),
    "range": ({"expected_rows": {"min": 3, "max": 9}}, "schema", "3 to 9 were expected", "land"),
    "crs": ({"crs": "EPSG:3857"}, "crs", "Pseudo-Mercator", "read"),
    "layer": ({"layer": "none"}, "read", "none", "read"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("earlier", [False, True], ids=["first", "again"])
def test_a_failure_leaves_the_lake_as_it_was_and_is_recorded(publisher: Publisher, fault: str, earlier: bool) -> None:
    distribution, kind, said, step = FAULTS[fault]
    key = f"fault_{fault}_{earlier}".lower()
    if earlier:
        publisher.ingest(publish(publisher, key, [7]))
    before, snapshot = state(publisher), publisher.snapshot()
    outcome = publisher.ingest(publish(publisher, key, [1, 2], **distribution))
    assert (outcome.status, outcome.error_kind) == ("failed", kind)
    assert said in outcome.error
    assert state(publisher) == before
    assert publisher.snapshot() == snapshot + 1  # the record of the failure
    *passed, failed = publisher.outcomes(key)
    assert {row["status"] for row in passed} == {"ok"}
    assert (failed["step"], failed["status"], failed["error_kind"]) == (step, "failed", kind)
    assert failed["error_message"] == outcome.error


def test_steps_are_recorded_with_sizes_and_durations(publisher: Publisher) -> None:
    publisher.ingest(publish(publisher, "steps", [1, 2]))
    size = (publisher.mirror / "steps" / "a.geojson").stat().st_size
    rows = publisher.outcomes("steps")
    assert {row["status"] for row in rows} == {"ok"}
    assert [(row["step"], row["files"], row["bytes"], row["rows"]) for row in rows] == [
        ("fetch", 1, size, None),
        ("unpack", 1, size, None),
        ("read", 1, size, None),  # GeoJSON announces no count
        ("land", None, None, 2),
    ]
    assert all(0 <= row["duration_s"] < 60 for row in rows)
    assert all(datetime.now(UTC) - row["started_at"] < timedelta(minutes=5) for row in rows)


def test_a_missing_file_fails_in_the_first_step(publisher: Publisher) -> None:
    outcome = publisher.ingest(entry("gone", "geojson"), offline=False)
    assert (outcome.status, outcome.error_kind) == ("failed", "not_held")
    assert [(row["step"], row["status"]) for row in publisher.outcomes("gone")] == [("fetch", "failed")]


def test_a_dataset_that_is_nowhere_offline_is_absent_and_one_that_does_not_match_has_failed(publisher: Publisher) -> None:
    assert publisher.ingest(entry("nowhere", "geojson"), offline=True).status == "absent"
    assert publisher.outcomes("nowhere") == []
    publish(publisher, "unmatched", [1])
    outcome = publisher.ingest(entry("unmatched", "geojson", files={"include": ["*.gpkg"]}), offline=True)
    assert (outcome.status, outcome.error_kind) == ("failed", "no_file_matched")
    assert "a.geojson" in outcome.error


def test_a_failed_export_is_recorded_beside_a_landing_that_stands(publisher: Publisher) -> None:
    publisher.settings.geoparquet_dir.write_text("a file where a folder should be")
    dataset = publish(publisher, "exporting", [1, 2])
    outcome = publisher.ingest(dataset, export=True)
    assert (outcome.status, outcome.error_kind) == ("failed", "FileExistsError")
    assert values(publisher.con, "exporting") == [1, 2]
    steps = [(row["step"], row["status"]) for row in publisher.outcomes("exporting")]
    assert steps == [("fetch", "ok"), ("unpack", "ok"), ("read", "ok"), ("land", "ok"), ("export", "failed")]
    publisher.settings.geoparquet_dir.unlink()
    assert publisher.ingest(dataset, export=True).status == "unchanged"
    assert (publisher.settings.geoparquet_dir / "exporting.parquet").exists()


def test_an_unforeseen_error_in_the_middle_of_landing_rolls_everything_back(publisher: Publisher, monkeypatch) -> None:
    dataset = publish(publisher, "crashing", [1, 2])
    before = publisher.snapshot(), state(publisher)

    def crash(*_: object) -> None:
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr(landing, "check_coverage", crash)
    with pytest.raises(RuntimeError, match="a defect of ours"):
        publisher.ingest(dataset)
    assert (publisher.snapshot(), state(publisher)) == before
    monkeypatch.undo()
    assert publisher.ingest(dataset).status == "landed"


DYING = """
import os, pathlib, sys
sys.path.insert(0, {helpers!r})
from publishing import Publisher, entry
from dataflows.raw import landing
from db import Settings, connect
landing.check_coverage = lambda *_: os._exit(9)
lake = Settings(home={home!r}, _env_file=None)
with connect(lake=lake) as con:
    Publisher(lake, pathlib.Path({mirror!r}), con).ingest(entry("one", "geojson"))
"""


@pytest.fixture
def landed_once(tmp_path: Path) -> Iterator[Publisher]:
    """A lake of the test's own with one landing, whose connection the test may close."""
    settings = Settings(home=tmp_path / "home", _env_file=None)
    with connect(lake=settings) as con:
        publisher = Publisher(settings, tmp_path / "mirror", con)
        publisher.ingest(publish(publisher, "one", [1, 2]))
        yield publisher


def test_a_process_that_dies_in_the_middle_of_landing_leaves_the_lake_as_it_was(landed_once: Publisher) -> None:
    publish(landed_once, "one", [3])
    snapshot = landed_once.snapshot()
    landed_once.con.close()
    home, mirror = str(landed_once.settings.home), str(landed_once.mirror)
    script = DYING.format(helpers=str(Path(__file__).parent), home=home, mirror=mirror)
    died = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert died.returncode == 9, died.stderr
    with connect(lake=landed_once.settings) as con:
        again = Publisher(landed_once.settings, landed_once.mirror, con)
        assert again.snapshot() == snapshot
        assert values(con, "one") == [1, 2]
        assert again.ingest(entry("one", "geojson")).status == "landed"
        assert values(con, "one") == [3]


def test_the_past_is_readable_by_snapshot_and_by_time_and_by_nothing_else(landed_once: Publisher) -> None:
    first, between = landed_once.snapshot(), datetime.now(UTC)
    time.sleep(0.01)
    second = landed_once.ingest(publish(landed_once, "one", [3])).snapshot
    landed_once.con.close()
    local = between.astimezone().isoformat()
    naive = between.replace(tzinfo=None).isoformat()
    for as_of, expected in [(first, [1, 2]), (str(first), [1, 2]), (between, [1, 2]), (local, [1, 2]), (naive, [1, 2])]:
        with connect(lake=landed_once.settings, as_of=as_of) as con:
            assert values(con, "one") == expected
    with connect(lake=landed_once.settings, as_of=second) as con:
        assert values(con, "one") == [3]
        with pytest.raises(duckdb.Error, match=r"(?i)read-only"):
            con.execute("DELETE FROM lake.landing.one")
    for unknown in (999, "999", datetime(2020, 1, 1, tzinfo=UTC), "2020-01-01", "yesterday", "-1"):
        with pytest.raises(SnapshotNotFoundError) as caught:
            connect(lake=landed_once.settings, as_of=unknown)
        assert caught.value.remedy
