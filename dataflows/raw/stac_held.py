"""What the lake holds of imagery: summaries of ``landing.stac_items`` for people."""

from __future__ import annotations

from typing import Any

import duckdb

from db.errors import LakeNotFoundError
from db.lake import has_table, rows

_LATEST = """
    SELECT * FROM lake.landing.stac_items
    QUALIFY row_number() OVER (PARTITION BY catalog, collection, item_id ORDER BY version DESC) = 1
"""


def collections(lake: duckdb.DuckDBPyConnection, collection: str | None = None) -> list[dict[str, Any]]:
    """One row a catalog and collection: items, versions, first and last time, runs.

    Raises:
        LakeNotFoundError: no catalog has been ingested.
    """
    _check(lake)
    return rows(
        lake,
        """
        SELECT catalog, collection, count(DISTINCT item_id) AS items, count(*) AS versions,
            min(coalesce(datetime, start_datetime))::DATE AS first, max(coalesce(datetime, end_datetime))::DATE AS last,
            date_trunc('second', max(ingested_at)) AS ingested_at
        FROM lake.landing.stac_items WHERE ?::VARCHAR IS NULL OR collection = ?
        GROUP BY catalog, collection ORDER BY catalog, collection
        """,
        [collection, collection],
    )


def quarantined(lake: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """One row a catalog and reason of ``landing.stac_quarantine``, with one item as an example."""
    _check(lake)
    query = """
        SELECT catalog, reason, count(*) AS records, min(coalesce(item_id, source)) AS example
        FROM lake.landing.stac_quarantine GROUP BY catalog, reason ORDER BY catalog, records DESC, reason
    """
    return rows(lake, query)


def items_over(
    lake: duckdb.DuckDBPyConnection, installation_id: str, collection: str | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Latest versions of the items whose footprint meets an installation, newest first.

    Args:
        lake: connection.
        installation_id: the id, or its first characters.
        collection: only this one.
        limit: how many at most.

    Raises:
        LakeNotFoundError: no catalog has been ingested, or there is no such installation, or more than one.
    """
    _check(lake)
    found = []
    if has_table(lake, "curated", "pv_installations"):
        query = """
            SELECT installation_id, ST_AsWKB(geometry) AS wkb FROM lake.curated.pv_installations
            WHERE starts_with(installation_id, ?) ORDER BY installation_id LIMIT 2
        """
        found = rows(lake, query, [installation_id])
    if len(found) != 1 or found[0]["wkb"] is None:
        what = (
            "no installation" if not found else "more than one installation" if len(found) > 1 else "no place for installation"
        )
        raise LakeNotFoundError(
            f"The lake has {what} {installation_id!r}.", remedy="Give an installation_id of curated.pv_installations."
        )
    return rows(
        lake,
        f"""
        SELECT catalog, collection, item_id, version, coalesce(datetime, start_datetime) AS time,
            try_cast(properties ->> 'eo:cloud_cover' AS DOUBLE) AS "cloud cover, %"
        FROM ({_LATEST})
        WHERE ST_Intersects(geometry, ST_GeomFromWKB(?)) AND (?::VARCHAR IS NULL OR collection = ?)
        ORDER BY time DESC, catalog, collection, item_id LIMIT ?
        """,
        [bytes(found[0]["wkb"]), collection, collection, limit],
    )


def _check(lake: duckdb.DuckDBPyConnection) -> None:
    if not has_table(lake, "landing", "stac_items"):
        raise LakeNotFoundError("The lake holds no imagery references.", remedy="Run 'eopv stac ingest' first.")
