"""What stands beside an export: which table, what its columns mean, of whom it is, and how to cite it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from dataflows.cubes.repository.commit_metadata import code_version
from dataflows.publish import contextual, contributions
from dataflows.publish.source import Source
from db.lake import has_table, rows

SHARE_ALIKE = ("ODbL", "CC-BY-SA", "CC-BY-NC-SA")


def snapshot(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The lake's snapshot that a connection reads: id and time."""
    (number,) = con.execute("SELECT id FROM lake.current_snapshot()").fetchone() or (None,)
    found = rows(con, "SELECT snapshot_id AS id, snapshot_time AS time FROM lake.snapshots() WHERE snapshot_id = ?", [number])
    return found[0] if found else {"id": number, "time": None}


def datasets(con: duckdb.DuckDBPyConnection, source: Source, condition: str) -> list[dict[str, Any]]:
    """The datasets behind the rows of a table.

    Args:
        con: connection.
        source: the table.
        condition: SQL of the rows.

    Returns:
        dataset, title, vintage, doi, url, licence, commercial_use, citation, and how many observations stand behind how many of
        the rows (both null where rows cannot be traced: then all datasets of the lake are listed).
    """
    if not has_table(con, "landing", "dataset_versions"):
        return []
    trace = contributions.of(con, source)
    counted = (
        "SELECT dataset, NULL::BIGINT AS observations, NULL::BIGINT AS rows FROM lake.landing.dataset_versions GROUP BY 1"
        if trace.sql is None
        else (
            "SELECT c.dataset, count(DISTINCT c.observation_id) AS observations, count(DISTINCT exported.row) AS rows"
            f" FROM (SELECT {trace.key} AS key, row_number() OVER () AS row FROM {source.sql} WHERE {condition}) AS exported"
            f" JOIN ({trace.sql}) AS c USING (key) GROUP BY 1"
        )
    )
    return rows(
        con,
        f"""
        WITH versions AS (
            SELECT * FROM lake.landing.dataset_versions
            QUALIFY row_number() OVER (PARTITION BY dataset ORDER BY ingested_at DESC) = 1
        )
        SELECT dataset, title, vintage, doi, url, licence, commercial_use, citation, observations, rows
        FROM ({counted}) LEFT JOIN versions USING (dataset) ORDER BY dataset
        """,
    )


def provenance(
    con: duckdb.DuckDBPyConnection, source: Source, condition: str, *, about: Source | None = None
) -> dict[str, Any]:
    """Where the rows come from: snapshot, code, datasets, context, and what share-alike licences ask.

    Args:
        con: connection.
        source: the table whose rows are traced.
        condition: SQL of the rows.
        about: the table whose columns tell the context; ``source`` when omitted.
    """
    found, context = datasets(con, source, condition), contextual.of_table(con, about or source)
    alike = sorted({str(row["licence"]) for row in (*found, *context) if str(row["licence"]).startswith(SHARE_ALIKE)})
    warnings = [
        f"{licence} is share-alike: what is derived from it and made public has to be offered under the same licence."
        for licence in alike
    ]
    return {
        "snapshot": snapshot(con),
        "code_version": code_version(),
        "how_rows_were_traced": contributions.of(con, source).how,
        "datasets": found,
        "context": context,
        "warnings": warnings,
    }


def metadata_path(file: Path) -> Path:
    """The JSON beside an export."""
    return file.with_name(f"{file.name}.metadata.json")


def citation_path(file: Path) -> Path:
    """The text to cite beside an export."""
    return file.with_name(f"{file.name}.CITATION.txt")


def as_json(content: dict[str, Any]) -> str:
    """The sidecar's text."""
    return json.dumps({"created_at": datetime.now(UTC), **content}, default=str, indent=2, ensure_ascii=False) + "\n"


def citation(table: str, content: dict[str, Any]) -> str:
    """The text to cite: each source with DOI and licence."""
    taken = content["snapshot"]
    lines = [
        f"{table}, EO-PV lakehouse, snapshot {taken['id']} ({taken['time']}), code {content['code_version']}.",
        "",
        "Derived from:",
    ]
    for row in (*content["datasets"], *content["context"]):
        name = row.get("dataset") or f"{row['context']} {row['release'] or ''}".strip()
        where = f"https://doi.org/{row['doi']}" if row.get("doi") else row["url"]
        lines.append(f"- {row['citation'] or row['title']} [{name}] {where} Licence: {row['licence']}.")
    return "\n".join([*lines, *(["", *content["warnings"]] if content["warnings"] else [])]) + "\n"
