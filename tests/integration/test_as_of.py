"""The lake as it was: by snapshot and by time."""

from datetime import UTC, datetime, timedelta

import pytest
from sample_lake import SampleLake

from db import connect
from db.errors import SnapshotNotFoundError


@pytest.fixture(scope="module")
def first_landing(sample_lake: SampleLake) -> tuple[str, int, datetime]:
    first = min(sample_lake.outcomes, key=lambda outcome: outcome.snapshot)
    with connect(read_only=True, lake=sample_lake.settings) as con:
        (time,) = con.execute("SELECT snapshot_time FROM lake.snapshots() WHERE snapshot_id = ?", [first.snapshot]).fetchone()
    return first.dataset, first.snapshot, time


@pytest.mark.parametrize("by", ["id", "id as text", "time", "time as text", "naive time"])
def test_a_snapshot_holds_what_was_landed_by_then(sample_lake, first_landing, by):
    dataset, snapshot, time = first_landing
    as_of = {
        "id": snapshot,
        "id as text": str(snapshot),
        "time": time,
        "time as text": time.isoformat(),
        "naive time": time.astimezone(UTC).replace(tzinfo=None),
    }[by]
    with connect(as_of=as_of, lake=sample_lake.settings) as con:
        tables = {name for (name,) in con.sql("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'").fetchall()}
        rows = con.sql(f"SELECT count(*) FROM landing.{dataset}").fetchone()[0]
    assert tables == {dataset, "dataset_versions", "ingest_outcomes"}
    assert rows == sample_lake.world.datasets[dataset].rows


def test_a_snapshot_that_never_was_is_not_found(sample_lake, first_landing):
    for as_of in (10_000, first_landing[2] - timedelta(days=1), "yesterday"):
        with pytest.raises(SnapshotNotFoundError):
            connect(as_of=as_of, lake=sample_lake.settings)


def test_a_home_that_was_moved_is_still_a_lake(home, tmp_path):
    with connect(lake=home) as con:
        con.execute("CREATE TABLE lake.main.numbers AS SELECT range AS number FROM range(1000)")
    moved = home.home.rename(tmp_path / "elsewhere")
    with connect(read_only=True, lake=home.model_copy(update={"home": moved})) as con:
        assert con.sql("SELECT count(*), sum(number) FROM lake.main.numbers").fetchone() == (1000, 499500)
