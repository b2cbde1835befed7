"""A table of the landing schema: replaced in one DuckLake transaction with a row of its version, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import duckdb

from dataflows.outcomes import OutcomeRecorder, measures, write_outcomes
from db.errors import ReadError
from db.sql import identifier

SCHEMA = "lake.landing"

# What DuckDB raises for content that it cannot turn into a table; others (locks, conflicts, a full disk) are not the file's
UNREADABLE = (duckdb.DataError, duckdb.ProgrammingError)


@dataclass(frozen=True)
class Receipt:
    """What landing did.

    Attributes:
        dataset: key.
        table: quoted name of the landing table.
        rows: rows in it.
        snapshot: DuckLake snapshot that holds it; ``None`` when nothing was written.
    """

    dataset: str
    table: str
    rows: int
    snapshot: int | None


@measures.register
def _(result: Receipt) -> dict[str, int]:
    return {"rows": result.rows}


@dataclass(frozen=True)
class Commit:
    """What a DuckLake snapshot says of itself.

    Attributes:
        author: who.
        message: what, in words.
        extra: what, for machines; tells this commit from all others.
    """

    author: str
    message: str
    extra: dict[str, object]


@dataclass(frozen=True)
class Versions:
    """The table that has a row for each landing.

    Attributes:
        table: qualified name.
        key: column with the key of the manifest entry.
        columns: name → SQL type; ``fingerprint``, ``rows_landed`` and ``ingested_at`` are among them.
    """

    table: str
    key: str
    columns: Mapping[str, str]

    def ensure(self, lake: duckdb.DuckDBPyConnection) -> None:
        """Create it, and the table of outcomes, where they are missing."""
        columns = ", ".join(f"{identifier(name)} {kind}" for name, kind in self.columns.items())
        lake.execute(f"CREATE TABLE IF NOT EXISTS {self.table} ({columns})")
        write_outcomes(lake, [])

    def add(self, lake: duckdb.DuckDBPyConnection, facts: Mapping[str, object]) -> None:
        """Append a row; joins an open transaction."""
        marks = ", ".join("?" * len(self.columns))
        lake.execute(f"INSERT INTO {self.table} VALUES ({marks})", [facts[name] for name in self.columns])

    def current(self, lake: duckdb.DuckDBPyConnection, key: str, fingerprint: str) -> Receipt | None:
        """The receipt of ``lake.landing.<key>`` when it is there and its newest version has the fingerprint, else ``None``."""
        present = lake.execute(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'landing' AND table_name = ?", [key]
        ).fetchone()
        query = f"SELECT max_by(fingerprint, ingested_at) FROM {self.table} WHERE {self.key} = ?"
        if present is None or lake.execute(query, [key]).fetchone() != (fingerprint,):
            return None
        target = identifier("lake", "landing", key)
        return Receipt(key, target, count(lake, target), None)


def replace_table(
    lake: duckdb.DuckDBPyConnection,
    table: duckdb.DuckDBPyRelation,
    *,
    versions: Versions,
    facts: Mapping[str, object],
    commit: Commit,
    check: Callable[[str, int], None],
    remedy: str,
    recorder: OutcomeRecorder,
) -> Receipt:
    """Replace ``lake.landing.<key>`` by ``table`` in one transaction, with a row of its version and the run's outcomes.

    Args:
        lake: connection.
        table: what lands; read here for the first time.
        versions: where its version is written to.
        facts: of the version, by column, the key included; ``rows_landed`` is added.
        commit: what the snapshot says.
        check: is told the quoted name of the new table and its rows, and raises where nothing is to be kept of it.
        remedy: of a table that cannot be read.
        recorder: steps so far; the landing is another one.

    Raises:
        ReadError: a file's content is not what its format promises.
        EopvError: of ``check``.
    """
    key = str(facts[versions.key])
    target = identifier("lake", "landing", key)
    with transaction(lake, commit):
        name = f"landing_{recorder.run_id}_{key}"
        lake.register(name, table)
        try:
            lake.execute(f"CREATE OR REPLACE TABLE {target} AS SELECT * FROM {identifier(name)}")
        except UNREADABLE as error:
            raise ReadError(f"{key}: the files cannot be read: {str(error).splitlines()[0]}", remedy=remedy) from error
        rows = count(lake, target)
        check(target, rows)
        receipt = Receipt(key, target, rows, None)
        versions.add(lake, {**facts, "rows_landed": rows})
        write_outcomes(lake, [*recorder.outcomes, recorder.outcome("landed", "land", result=receipt)])
    return replace(receipt, snapshot=snapshot_of(lake, commit))


@contextmanager
def transaction(lake: duckdb.DuckDBPyConnection, commit: Commit) -> Iterator[duckdb.DuckDBPyConnection]:
    """One DuckLake commit; rolled back when the block raises."""
    lake.begin()
    try:
        yield lake
        facts = [commit.author, commit.message, json.dumps(commit.extra)]
        lake.execute("CALL lake.set_commit_message(?, ?, extra_info => ?)", facts)
        lake.commit()
    except BaseException:
        lake.rollback()
        raise


def snapshot_of(lake: duckdb.DuckDBPyConnection, commit: Commit) -> int | None:
    """The snapshot that :func:`transaction` committed.

    By its extra facts, because ``ducklake_last_committed_snapshot()`` is the catalog's, and another thread may have committed
    since.
    """
    query = "SELECT max(snapshot_id) FROM lake.snapshots() WHERE commit_extra_info = ?"
    (snapshot,) = lake.execute(query, [json.dumps(commit.extra)]).fetchone() or (None,)
    return snapshot


def count(lake: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows of a table."""
    row = lake.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])
