"""Why two observations are, or are not, one installation.

Told from what the last resolution stored; only the distance of a pair that it never compared is measured here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import duckdb
import yaml

from dataflows.prepared import refusals, stored
from dataflows.prepared.refusals import Extent, Rival
from dataflows.prepared.stored import Link, Observation
from db.errors import LakeError
from db.settings import REPOSITORY_ROOT

PROJECT_FILE = REPOSITORY_ROOT / "eo-pv-elt" / "dbt_project.yml"

# What each comparison looked at: columns of curated.pv_links, and attributes that the two observations state
MEASURES = {
    "geometry": ("distance_m", "scaled_distance", "overlap", "iou", "intersection_m2"),
    "capacity": ("capacity_ratio", "area_ratio"),
    "year": ("year_gap",),
    "name": ("name_similarity",),
    "operator": ("operator_similarity",),
    "id": ("shared_ids",),
}
OF_TWO_POLYGONS = {"overlap", "iou", "intersection_m2"}
STATEMENTS = {"country": "country_iso3", "kind": "level"}


class Verdict(StrEnum):
    """What became of a pair."""

    ACCEPTED = "accepted"
    JOINED_BY_OTHERS = "joined_by_others"
    EXACT_DUPLICATES = "exact_duplicates"
    BELOW_THRESHOLD = "below_threshold"
    ONE_PER_SOURCE = "one_per_source"
    PHASE = "phase"
    EXTENT = "extent"
    LOW_TRUST = "low_trust"
    NO_GEOMETRY = "no_geometry"
    LISTED_ONCE = "listed_once"
    NO_CANDIDATE = "no_candidate"


@dataclass(frozen=True)
class Comparison:
    """One comparison: what was found, the level that makes (None: nothing to compare), and its weight in bits."""

    name: str
    found: dict[str, Any]
    level: str | None
    weight_bits: float


@dataclass(frozen=True)
class Evidence:
    """All comparisons of a pair; ``match_weight`` is the sum of the prior's and their bits."""

    comparisons: tuple[Comparison, ...]
    prior_bits: float
    match_weight: float
    match_probability: float
    threshold: float
    rule_id: str
    part_observation_id: str | None


@dataclass(frozen=True)
class Apart:
    """Why a pair was never compared: beyond the reach of positions and of names. All but the words in metres.

    ``centroid_distance_m`` is geodesic, on WGS 84.
    """

    centroid_distance_m: float
    search_radius_m: float
    shared_words: list[str]
    named_radius_m: float
    same_name_radius_m: float


@dataclass(frozen=True)
class Explanation:
    """What became of a pair, and why.

    Attributes:
        a: one observation.
        b: the other.
        verdict: what became of the pair.
        evidence: None where they were not compared.
        chain: for ``joined_by_others``: accepted links from a to b.
        rivals: for ``one_per_source``: observations of one source that stand on both sides.
        extent: for ``extent`` and ``low_trust``.
        attached: for ``low_trust``: the link that the observation of low trust has instead.
        apart: for ``no_candidate``.
    """

    a: Observation
    b: Observation
    verdict: Verdict
    evidence: Evidence | None = None
    chain: tuple[Link, ...] = ()
    rivals: tuple[Rival, ...] = ()
    extent: Extent | None = None
    attached: Link | None = None
    apart: Apart | None = None


def explain(con: duckdb.DuckDBPyConnection, observation_a: str, observation_b: str) -> Explanation:
    """What became of a pair of observations, and why.

    Args:
        con: a connection to a resolved lake.
        observation_a: an ``observation_id``, or the beginning of one.
        observation_b: another.

    Raises:
        LakeError: there is no such observation, or more than one, or both are the same; or the lake is not resolved.
    """
    a, b = (stored.observation(con, given) for given in (observation_a, observation_b))
    if a.observation_id == b.observation_id:
        raise LakeError(f"Both are observation {a.observation_id}.", remedy="Name two different ones.")
    if a.cluster_key is None or b.cluster_key is None:
        return Explanation(a, b, Verdict.NO_GEOMETRY)
    if a.compared_id == b.compared_id:
        return Explanation(a, b, Verdict.EXACT_DUPLICATES)
    link = stored.pair(con, a, b)
    evidence = None if link is None else _evidence(con, a, b, link)
    if a.cluster_key == b.cluster_key:
        if link and link["accepted"]:
            return Explanation(a, b, Verdict.ACCEPTED, evidence)
        chain = refusals.chain(con, a.cluster_key, a.compared_id, b.compared_id)
        return Explanation(a, b, Verdict.JOINED_BY_OTHERS, evidence, chain=chain)
    if link is None:
        if a.dataset == b.dataset and a.one_row_per_site:
            return Explanation(a, b, Verdict.LISTED_ONCE)
        return Explanation(a, b, Verdict.NO_CANDIDATE, apart=_apart(con, a, b))
    return _refused(con, a, b, Verdict(link["refusal"]), evidence)


def _refused(
    con: duckdb.DuckDBPyConnection, a: Observation, b: Observation, refusal: Verdict, evidence: Evidence | None
) -> Explanation:
    if refusal is Verdict.ONE_PER_SOURCE:
        if rivals := refusals.rivals(con, a, b):
            return Explanation(a, b, refusal, evidence, rivals=rivals)
        # Rows of one source that may be parts of a site: not they were in the way
        refusal = Verdict.EXTENT
    if refusal is Verdict.EXTENT:
        return Explanation(a, b, refusal, evidence, extent=refusals.extent(con, a, b))
    if refusal is Verdict.LOW_TRUST and a.trust != b.trust:
        if attached := refusals.attached(con, a if a.trust == "low" else b):
            return Explanation(a, b, refusal, evidence, attached=attached)
        return Explanation(a, b, refusal, evidence, extent=refusals.extent(con, a, b))
    return Explanation(a, b, refusal, evidence)


def _evidence(con: duckdb.DuckDBPyConnection, a: Observation, b: Observation, link: dict[str, Any]) -> Evidence:
    weights = {row["level"]: row["weight_bits"] for row in stored.rows(con, "FROM seeds.match_weights")}
    levels = {column.removesuffix("_level"): level for column, level in link.items() if column.endswith("_level")}
    comparisons = []
    for name, level in levels.items():
        measures = [column for column in MEASURES.get(name, ()) if link[column] not in (None, [])]
        if not link["geometry_level"].startswith("polygons"):
            measures = [column for column in measures if column not in OF_TWO_POLYGONS]
        found = {column: link[column] for column in measures}
        if level and (attribute := STATEMENTS.get(name)):
            found[attribute] = [getattr(a, attribute), getattr(b, attribute)]
        comparisons.append(Comparison(name, found, level, weights[level] if level else 0.0))
    return Evidence(
        tuple(comparisons),
        prior_bits=weights["prior"],
        match_weight=link["match_weight"],
        match_probability=link["match_probability"],
        threshold=_variables()["match_threshold"],
        rule_id=link["rule_id"],
        part_observation_id=link["part_observation_id"],
    )


def _apart(con: duckdb.DuckDBPyConnection, a: Observation, b: Observation) -> Apart:
    (found,) = stored.rows(
        con,
        """
        SELECT
            st_distance_spheroid(
                st_point(a.centroid_lon_deg, a.centroid_lat_deg)::POINT_2D,
                st_point(b.centroid_lon_deg, b.centroid_lat_deg)::POINT_2D
            ) AS centroid_distance_m,
            greatest(a.search_radius_m, b.search_radius_m) AS search_radius_m,
            list_sort(list_intersect(a.name_words, b.name_words)) AS shared_words
        FROM prepared.prep_pv_footprints AS a, prepared.prep_pv_footprints AS b
        WHERE a.observation_id = ? AND b.observation_id = ?
        """,
        (a.compared_id, b.compared_id),
    )
    declared = _variables()
    return Apart(**found, named_radius_m=declared["named_radius_m"], same_name_radius_m=declared["same_name_radius_m"])


@lru_cache(maxsize=1)
def _variables() -> dict[str, Any]:
    """The variables of the dbt project."""
    try:
        return yaml.safe_load(PROJECT_FILE.read_text(encoding="utf-8"))["vars"]
    except FileNotFoundError:
        raise LakeError(f"There is no {PROJECT_FILE}.", remedy="Work from a clone of the repository.") from None
