"""What is in the lake: questions that the command line and other programs ask of a connection."""

from __future__ import annotations

from typing import Any

import duckdb


def rows(
    con: duckdb.DuckDBPyConnection, query: str, parameters: list[Any] | dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The result of a query, one dictionary a row."""
    cursor = con.execute(query, parameters or [])
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def has_table(con: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether the lake has a table or view."""
    found = con.execute(
        "SELECT 1 FROM information_schema.tables WHERE table_catalog = 'lake' AND table_schema = ? AND table_name = ?",
        [schema, table],
    )
    return found.fetchone() is not None


def dataset_summary(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """``curated.dataset_summary`` in short, largest dataset first; empty when it has not been built."""
    if not has_table(con, "curated", "dataset_summary"):
        return []
    return rows(
        con,
        """
        SELECT dataset, distribution, rows_landed AS landed, n_valid AS valid, n_repaired AS repaired,
            n_without_geometry AS "no geometry", n_duplicates AS duplicates,
            round(total_area_m2 / 1e6, 2) AS "area km²", round(total_capacity_mw, 1) AS "capacity MW", licence
        FROM lake.curated.dataset_summary ORDER BY rows_landed DESC
        """,
    )


def landed_datasets(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The current version of every landed dataset."""
    if not has_table(con, "landing", "dataset_versions"):
        return []
    return rows(
        con,
        """
        SELECT dataset, vintage, distribution, origin, rows_landed AS rows, ingested_at
        FROM lake.landing.dataset_versions
        QUALIFY row_number() OVER (PARTITION BY dataset ORDER BY ingested_at DESC) = 1 ORDER BY dataset
        """,
    )


def landed_context(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The current version of every landed source of context: boundaries, buildings, land, irradiance."""
    if not has_table(con, "landing", "context_versions"):
        return []
    return rows(
        con,
        """
        SELECT context, release, origin, rows_landed AS rows, ingested_at FROM lake.landing.context_versions
        QUALIFY row_number() OVER (PARTITION BY context ORDER BY ingested_at DESC) = 1 ORDER BY context
        """,
    )


def last_outcomes(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Failed steps of each dataset's last recorded run."""
    if not has_table(con, "landing", "ingest_outcomes"):
        return []
    return rows(
        con,
        """
        SELECT dataset, step, error_kind, error_message, started_at FROM lake.landing.ingest_outcomes
        QUALIFY started_at = max(started_at) OVER (PARTITION BY dataset) AND status = 'failed' ORDER BY dataset
        """,
    )


def snapshots(con: duckdb.DuckDBPyConnection, limit: int = 10) -> list[dict[str, Any]]:
    """The latest snapshots, newest first."""
    return rows(
        con,
        """
        SELECT snapshot_id AS snapshot, snapshot_time AS time, author, commit_message AS message
        FROM lake.snapshots() ORDER BY snapshot_id DESC LIMIT ?
        """,
        [limit],
    )


def layers(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Tables and views of each schema."""
    return rows(
        con,
        """
        SELECT table_schema AS schema, count(*) FILTER (table_type = 'BASE TABLE') AS tables,
            count(*) FILTER (table_type = 'VIEW') AS views
        FROM information_schema.tables WHERE table_catalog = 'lake' AND table_schema != 'main'
        GROUP BY ALL ORDER BY ALL
        """,
    )
