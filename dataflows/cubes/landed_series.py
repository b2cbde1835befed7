"""What is computed from cubes, as tables of the lake: one DuckLake commit, or none where it holds that version already."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa
from icechunk import Session

from dataflows.cubes.analysis.chip_statistics import SCHEMA as CHIP_STATISTICS
from dataflows.cubes.analysis.chip_statistics import all_chip_statistics
from dataflows.cubes.timeseries import SCHEMA as TIMESERIES
from dataflows.cubes.timeseries import all_timeseries
from dataflows.raw.landed_table import Commit, transaction
from db.lake import has_table

TABLES = {"cube_timeseries": TIMESERIES, "cube_chip_statistics": CHIP_STATISTICS}


@dataclass(frozen=True)
class LandedSeries:
    """What was written.

    Attributes:
        icechunk_snapshot: version of the chips that it was computed from.
        rows: rows of each table; empty where the lake held them already.
    """

    icechunk_snapshot: str
    rows: dict[str, int]


def land_series(lake: duckdb.DuckDBPyConnection, session: Session, *, author: str = "eopv") -> LandedSeries:
    """Compute time series and chip statistics of a version of the chips, and put them in the place of any other version's.

    ``landing.cube_timeseries`` and ``landing.cube_chip_statistics`` are written in one transaction; every row has the
    version's snapshot id. Nothing is computed or written where they hold it already.

    Args:
        lake: a writable connection.
        session: a version of the repository of chips.
        author: of the commit.

    Raises:
        CubeError: there are no chips.
    """
    if _held(lake) == {session.snapshot_id}:
        return LandedSeries(session.snapshot_id, {})
    tables: dict[str, pa.Table] = {
        "cube_timeseries": all_timeseries(session),
        "cube_chip_statistics": all_chip_statistics(session),
    }
    extra: dict[str, object] = {"icechunk_snapshot": session.snapshot_id}
    with transaction(lake, Commit(author, "time series and statistics of chips", extra)):
        for name, table in tables.items():
            lake.register("series", table)
            # As a whole: an older version of this code may have had other columns
            lake.execute(f"CREATE OR REPLACE TABLE lake.landing.{name} AS SELECT * FROM series")
            lake.unregister("series")
    return LandedSeries(session.snapshot_id, {name: table.num_rows for name, table in tables.items()})


def _held(lake: duckdb.DuckDBPyConnection) -> set[str]:
    """Versions of the chips that rows are of; none where a table is missing or has other columns than this code writes."""
    if not all(_is_current(lake, name) for name in TABLES):
        return set()
    names = " UNION ".join(f"SELECT DISTINCT icechunk_snapshot FROM lake.landing.{name}" for name in TABLES)
    return {name for (name,) in lake.execute(names).fetchall()}


def _is_current(lake: duckdb.DuckDBPyConnection, name: str) -> bool:
    return has_table(lake, "landing", name) and lake.table(f"lake.landing.{name}").columns == TABLES[name].names
