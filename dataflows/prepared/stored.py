"""What the last resolution stored about observations and the links between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from db.errors import LakeError

AMBIGUOUS_SHOWN = 5


@dataclass(frozen=True)
class Observation:
    """An observation as it was resolved; from ``cluster_key`` on, None where it has no geometry."""

    observation_id: str
    dataset: str
    source_feature_id: str | None
    name: str | None
    operator: str | None
    capacity_mw: float | None
    capacity_mw_dc: float | None
    installed_year: int | None
    area_m2: float | None
    level: str
    trust: str
    country_iso3: str | None
    duplicate_of: str | None
    installation_id: str | None
    part_of: str | None
    cluster_key: int | None
    one_row_per_site: bool | None
    search_radius_m: float | None
    name_words: list[str] | None

    @property
    def compared_id(self) -> str:
        """The observation that stands for it in links: of exact duplicates, the first."""
        return self.duplicate_of or self.observation_id


@dataclass(frozen=True)
class Link:
    """A link that speaks for one site, between two observations of which at most one has low trust."""

    observation_id_a: str
    observation_id_b: str
    rule_id: str
    match_probability: float
    iou: float
    distance_m: float
    n_low_trust: int

    @property
    def ends(self) -> frozenset[str]:
        """Both observations."""
        return frozenset((self.observation_id_a, self.observation_id_b))

    @property
    def rank(self) -> tuple[Any, ...]:
        """Ascending: the order in which the graph takes links, strongest first."""
        keys = (self.observation_id_a, self.observation_id_b)
        return (self.n_low_trust, -self.match_probability, -self.iou, self.distance_m, keys)


def rows(con: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """A query's rows by column.

    Raises:
        LakeError: the lake does not have the tables of a resolution.
    """
    try:
        result = con.execute(query, list(parameters))
    except duckdb.CatalogException:
        raise LakeError("The observations of this lake have not been resolved.", remedy="Run 'eopv build'.") from None
    names = [column[0] for column in result.description]
    return [dict(zip(names, values, strict=True)) for values in result.fetchall()]


def observation(con: duckdb.DuckDBPyConnection, prefix: str) -> Observation:
    """The one observation whose id begins so.

    Raises:
        LakeError: there is none, there are several (the message names them), or it has not been resolved yet.
    """
    found = rows(
        con,
        """
        SELECT observation_id, dataset, source_feature_id, name, operator, capacity_mw, capacity_mw_dc, installed_year,
            coalesce(known_area_m2, area_m2, reported_area_m2) AS area_m2, level, trust, country_iso3, duplicate_of,
            installation_id, part_of, cluster_key, one_row_per_site, search_radius_m, name_words,
            geometry IS NOT NULL AND cluster_key IS NULL AS is_new
        FROM prepared.prep_pv_observations
        LEFT JOIN (
            SELECT observation_id, observation_key, duplicate_key, known_area_m2, one_row_per_site, search_radius_m, name_words
            FROM prepared.prep_pv_footprints
        ) AS footprints USING (observation_id)
        LEFT JOIN prepared.prep_pv_clusters AS clusters
            ON clusters.observation_key = coalesce(footprints.duplicate_key, footprints.observation_key)
        LEFT JOIN (SELECT observation_id, installation_id FROM curated.pv_installation_observations) USING (observation_id)
        LEFT JOIN (SELECT installation_id, part_of FROM prepared.prep_pv_installations) USING (installation_id)
        WHERE starts_with(observation_id, ?)
        ORDER BY observation_id
        LIMIT ?
        """,
        (prefix.lower(), AMBIGUOUS_SHOWN + 1),
    )
    if not found:
        raise LakeError(
            f"There is no observation {prefix!r}.",
            remedy="Give an observation_id of curated.pv_observations, or its first digits.",
        )
    if len(found) > 1:
        ids = ", ".join(f"{row['observation_id']} ({row['dataset']})" for row in found[:AMBIGUOUS_SHOWN])
        more = ", …" if len(found) > AMBIGUOUS_SHOWN else ""
        raise LakeError(f"{prefix!r} is the beginning of several observations: {ids}{more}.", remedy="Give more digits.")
    if found[0].pop("is_new"):
        raise LakeError(f"Observation {found[0]['observation_id']} has not been resolved yet.", remedy="Run 'eopv build'.")
    return Observation(**found[0])


def pair(con: duckdb.DuckDBPyConnection, a: Observation, b: Observation) -> dict[str, Any] | None:
    """The row of ``curated.pv_links`` of two observations, if they were compared."""
    ids = sorted((a.compared_id, b.compared_id))
    found = rows(con, "FROM curated.pv_links WHERE observation_id_a = ? AND observation_id_b = ?", ids)
    return found[0] if found else None


def members(con: duckdb.DuckDBPyConnection, *cluster_keys: int) -> list[dict[str, Any]]:
    """Observations of clusters: observation_id, observation_key, cluster_key, dataset, level, trust, one_row_per_site."""
    return rows(
        con,
        """
        SELECT observation_id, observation_key, cluster_key, dataset, level, trust, one_row_per_site
        FROM prepared.prep_pv_clusters
        JOIN prepared.prep_pv_footprints USING (observation_key)
        WHERE cluster_key IN (SELECT unnest(?::UBIGINT[]))
        ORDER BY observation_id
        """,
        [list(cluster_keys)],
    )


def links_among(con: duckdb.DuckDBPyConnection, observations: Sequence[dict[str, Any]]) -> list[Link]:
    """Links above the threshold between rows of :func:`members`, accepted or not, strongest first."""
    low = {row["observation_id"] for row in observations if row["trust"] == "low"}
    found = rows(
        con,
        """
        WITH ends AS (SELECT unnest(?) AS observation_id)
        SELECT observation_id_a, observation_id_b, rule_id, match_probability, iou, distance_m
        FROM curated.pv_links
        WHERE refusal IS DISTINCT FROM 'below_threshold'
            AND observation_id_a IN (FROM ends)
            AND observation_id_b IN (FROM ends)
        """,
        [[row["observation_id"] for row in observations]],
    )
    links = (Link(**row, n_low_trust=(row["observation_id_a"] in low) + (row["observation_id_b"] in low)) for row in found)
    return sorted((link for link in links if link.n_low_trust < 2), key=lambda link: link.rank)
