"""Exports for commercial use: only rows all of whose sources allow it, with the lineage that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from dataflows.publish import contributions
from dataflows.publish.contextual import columns_of_restricted
from dataflows.publish.contributions import Contributions
from dataflows.publish.source import Column, Source
from db.errors import NotSeparableError, PublishError
from db.lake import rows

ALLOWED = "yes"

# Tables whose rows are made of the observations they name and of nothing else. Whatever sums, counts, compares or calibrates
# over sites of all sources is not among them, though it may have an installation_id.
SEPARABLE = frozenset(
    {
        "curated.pv_installations",
        "curated.pv_installation_observations",
        "curated.pv_links",
        "curated.pv_observations",
        "curated.dataset_summary",
        "prepared.prep_pv_installations",
        "prepared.prep_pv_observations",
    }
)


OTHER_REASON = "its rows are not made of single sites' observations alone"
_LEARNT = "its numbers are of models that were learnt from sites of all sources"
_STUDIED = "its statistics compare all sites, and chance, by simulations of a build"
REASONS = {
    "curated.pv_capacity_estimated": _LEARNT,
    "curated.pv_energy_yield": _LEARNT,
    "curated.pv_hotspots": _STUDIED,
    "curated.pv_spatial_statistics": _STUDIED,
    "curated.pv_dataset_overlap": "which sites two datasets share was found out with the help of all others",
}
"""Why tables are refused whose reason is not :data:`OTHER_REASON`."""


@dataclass(frozen=True)
class Restriction:
    """Which rows and columns of a table may be used commercially.

    Attributes:
        condition: SQL of the rows.
        trace: how rows lead to sources.
        without: columns left out because the context they are from is restricted.
    """

    condition: str
    trace: Contributions
    without: frozenset[str]


def restriction(con: duckdb.DuckDBPyConnection, source: Source) -> Restriction:
    """The rows and columns that may be used commercially.

    A row is kept if it has at least one contributing observation and the dataset of each has ``commercial_use`` ``yes``;
    ``unknown`` is no permission.

    Raises:
        NotSeparableError: its rows mix sources.
    """
    trace = contributions.of(con, source)
    if trace.sql is None or not (source.name in SEPARABLE or contributions.dataset_of(con, source)):
        raise NotSeparableError(
            f"{source.name} cannot be exported for commercial use: {REASONS.get(source.name, OTHER_REASON)}, so that what"
            " restricted sources contributed cannot be taken out.",
            remedy="Export curated.pv_installations or pv_observations with --licence commercial, and count or sum those.",
        )
    free = f"SELECT key FROM ({trace.sql}) GROUP BY key HAVING bool_and(coalesce(commercial_use, '') = '{ALLOWED}')"
    condition = f"{trace.key} IN ({free})"
    # A row of two keys names an installation too, whose other observations may be restricted
    if source.has("installation_id", "observation_id"):
        own = f"SELECT observation_id FROM {contributions.OBSERVATIONS} WHERE commercial_use = '{ALLOWED}'"
        condition += f" AND observation_id IN ({own})"
    return Restriction(condition, trace, columns_of_restricted(con))


def without_restricted_parents(source: Source, chosen: Column, restricted: Restriction, sql: str) -> str:
    """SQL of an attribute; ``part_of`` is null where it names a site that is known from restricted sources."""
    if chosen.name != "part_of" or not source.has("installation_id"):
        return sql
    free = restricted.condition.removeprefix(f"{restricted.trace.key} IN ")
    return f"CASE WHEN part_of IN {free} THEN part_of END AS part_of"


def proof(con: duckdb.DuckDBPyConnection, source: Source, restricted: Restriction, selected: str) -> dict[str, Any]:
    """What stands behind the exported rows, and what was left out.

    Args:
        con: in the transaction that the export reads in.
        source: the table.
        restricted: of it.
        selected: SQL condition of the rows asked for, before the restriction.

    Returns:
        rule, query (runs with ``eopv sql`` on the snapshot), sources (dataset, licence, commercial_use, observations, rows
        behind what was exported), left_out (the same for the restricted sources of rows that were left out), rows_left_out.

    Raises:
        PublishError: a restricted source stands behind a row after all; nothing may be written then.
    """
    exported = f"({selected}) AND ({restricted.condition})"
    query = _sources(source, restricted, exported)
    found = rows(con, query)
    if any(row["commercial_use"] != ALLOWED for row in found):
        raise PublishError(
            f"Rows of {source.name} that were to be exported have restricted sources.", remedy="Report this: it is a fault."
        )
    left_out = rows(
        con,
        f"SELECT * FROM ({_sources(source, restricted, f'({selected}) AND NOT coalesce({restricted.condition}, false)')})"
        f" WHERE commercial_use IS DISTINCT FROM '{ALLOWED}'",
    )
    (count,) = con.execute(
        f"SELECT count(*) FROM {source.sql} WHERE ({selected}) AND NOT coalesce({restricted.condition}, false)"
    ).fetchone() or (0,)
    return {
        "rule": f"Kept are rows of which all sources have commercial_use '{ALLOWED}' ({restricted.trace.how}).",
        "query": query,
        "sources": found,
        "rows_left_out": count,
        "left_out": left_out,
        "columns_left_out": sorted(name for name in restricted.without if source.has(name)),
    }


def _sources(source: Source, restricted: Restriction, condition: str) -> str:
    trace = restricted.trace
    return (
        "SELECT c.dataset, c.licence, c.commercial_use, count(DISTINCT c.observation_id) AS observations,"
        f" count(DISTINCT c.key) AS rows FROM (SELECT DISTINCT {trace.key} AS key FROM {source.sql} WHERE {condition})"
        f" AS exported JOIN ({trace.sql}) AS c USING (key) GROUP BY ALL ORDER BY ALL"
    )
