"""Which observations, of which datasets, stand behind the rows of a table: the lineage that licences follow."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from dataflows.publish.source import Source
from db.lake import has_table
from db.sql import literal

MEMBERS = "lake.curated.pv_installation_observations"
OBSERVATIONS = "lake.curated.pv_observations"

_OBSERVATION_KEYS = ("observation_id", "observation_id_a", "observation_id_b")
_LAYER_PREFIXES = {"landing": "", "raw": "raw_", "staging": "stg_"}


@dataclass(frozen=True)
class Contributions:
    """How the rows of a table are traced.

    Attributes:
        sql: query of the pairs (key, dataset, licence, commercial_use, observation_id), one a contributing observation;
            ``None`` where rows cannot be traced.
        key: SQL of a row's key in the table.
        how: in words.
    """

    sql: str | None
    key: str
    how: str


def of(con: duckdb.DuckDBPyConnection, source: Source) -> Contributions:
    """How the rows of a table lead to observations: by installation, by observation, or all to one dataset."""
    if has_table(con, "curated", "pv_observations"):
        if source.has("installation_id") and has_table(con, "curated", "pv_installation_observations"):
            facts = (
                "coalesce(o.dataset, m.dataset) AS dataset, o.licence, coalesce(o.commercial_use, 'unknown') AS commercial_use"
            )
            sql = (
                f"SELECT m.installation_id AS key, {facts}, m.observation_id"
                f" FROM {MEMBERS} AS m LEFT JOIN {OBSERVATIONS} AS o USING (observation_id)"
            )
            return Contributions(sql, "installation_id", "each row's installation → its observations → their datasets")
        keys = [key for key in _OBSERVATION_KEYS if source.has(key)]
        if keys:
            own = "SELECT observation_id AS key, dataset, licence, commercial_use, observation_id"
            if len(keys) == 1:
                return Contributions(f"{own} FROM {OBSERVATIONS}", keys[0], "each row's observation → its dataset")
            listed = ", ".join(keys)
            sql = (
                f"SELECT pairs.key, o.dataset, o.licence, o.commercial_use, o.observation_id FROM"
                f" (SELECT [{listed}]::VARCHAR AS key, unnest([{listed}]) AS observation_id FROM {source.sql}) AS pairs"
                f" JOIN {OBSERVATIONS} AS o USING (observation_id)"
            )
            return Contributions(sql, f"[{listed}]::VARCHAR", "each row's observations → their datasets")
    if has_table(con, "landing", "dataset_versions"):
        versions = (
            "SELECT dataset, licence, commercial_use FROM lake.landing.dataset_versions"
            " QUALIFY row_number() OVER (PARTITION BY dataset ORDER BY ingested_at DESC) = 1"
        )
        if source.has("dataset"):
            sql = f"SELECT dataset AS key, dataset, licence, commercial_use, NULL::VARCHAR AS observation_id FROM ({versions})"
            return Contributions(sql, "dataset", "each row's dataset")
        if dataset := dataset_of(con, source):
            sql = (
                f"SELECT {literal(dataset)} AS key, dataset, licence, commercial_use, NULL::VARCHAR AS observation_id"
                f" FROM ({versions}) WHERE dataset = {literal(dataset)}"
            )
            return Contributions(sql, literal(dataset), f"all rows are of {dataset}")
    return Contributions(None, "", "rows are counts, sums or models of all observations, which cannot be told apart")


def dataset_of(con: duckdb.DuckDBPyConnection, source: Source) -> str | None:
    """The dataset whose landing, raw or staging table this is."""
    prefix = _LAYER_PREFIXES.get(source.schema)
    if prefix is None or not source.table.startswith(prefix) or not has_table(con, "landing", "dataset_versions"):
        return None
    name = source.table.removeprefix(prefix)
    known = con.execute("SELECT 1 FROM lake.landing.dataset_versions WHERE dataset = ? LIMIT 1", [name]).fetchone()
    return name if known else None
