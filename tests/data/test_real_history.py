"""What the lake remembers of the real datasets: nothing lands twice, and every landing can be read as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import RealLake

from db import connect

# One process, one lake
pytestmark = [pytest.mark.realdata, pytest.mark.xdist_group("real_lake")]


def test_the_same_files_again_land_nothing(real_lake: RealLake, mirror: Path) -> None:
    def last_snapshot() -> int:
        with connect(read_only=True, lake=real_lake.settings) as con:
            return con.sql("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone()[0]

    before = last_snapshot()
    again = real_lake.ingest_again(mirror)
    assert {key: (outcome.status, outcome.rows) for key, outcome in again.items()} == {
        key: ("unchanged", outcome.rows) for key, outcome in real_lake.outcomes.items()
    }
    assert last_snapshot() == before


def test_an_earlier_snapshot_shows_the_lake_as_it_was(real_lake: RealLake) -> None:
    landings = sorted(real_lake.outcomes.values(), key=lambda outcome: outcome.snapshot)
    for position, landing in enumerate(landings, start=1):
        with connect(as_of=landing.snapshot, lake=real_lake.settings) as con:
            tables = con.sql(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = 'lake'"
                " AND table_name NOT IN ('dataset_versions', 'ingest_outcomes')"
            ).fetchall()
            rows = con.sql(f"SELECT count(*) FROM landing.{landing.dataset}").fetchone()
        assert set(tables) == {("landing", earlier.dataset) for earlier in landings[:position]}
        assert rows == (landing.rows,)
