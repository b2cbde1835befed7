"""What stood against a link that was strong enough: the rivals, the extent or the low trust that a guard objected to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Any

import duckdb
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from dataflows.prepared.graph import squared_diagonal_m2, vertices_of
from dataflows.prepared.stored import Link, Observation, links_among, members


@dataclass(frozen=True)
class Rival:
    """Two observations of one source that no installation may both have, and how each came to its side of the pair.

    Attributes:
        dataset: the source.
        observation_id_a: in the cluster of the pair's first observation; often that observation itself.
        observation_id_b: in the cluster of the second.
        chain_a: accepted links from the pair's first observation to ``observation_id_a``.
        chain_b: accepted links from the second to ``observation_id_b``.
    """

    dataset: str
    observation_id_a: str
    observation_id_b: str
    chain_a: tuple[Link, ...]
    chain_b: tuple[Link, ...]


@dataclass(frozen=True)
class Extent:
    """How far both clusters together would spread, and how far the sizes of their observations allow; metres."""

    united_m: float
    allowed_m: float


def chain(con: duckdb.DuckDBPyConnection, cluster_key: int, start: str, end: str) -> tuple[Link, ...]:
    """The way from one observation of a cluster to another along accepted links of which the weakest is strongest."""
    return strongest_chain(links_among(con, members(con, cluster_key)), start, end)


def strongest_chain(links: Sequence[Link], start: str, end: str) -> tuple[Link, ...]:
    """Of all ways from one observation to another that which has the strongest weakest link.

    Args:
        links: each pair once, strongest first; they connect both ends.
        start: an observation.
        end: another; the chain is empty where it is the same.
    """
    if start == end:
        return ()
    ids = sorted({observation_id for link in links for observation_id in link.ends})
    index = {observation_id: position for position, observation_id in enumerate(ids)}
    ends = tuple(np.array([[index[link.observation_id_a], index[link.observation_id_b]] for link in links]).T)
    tree = minimum_spanning_tree(coo_array((np.arange(1, len(links) + 1), ends), shape=(len(ids), len(ids))))
    _, before = breadth_first_order(tree, index[end], directed=False)
    path = [index[start]]
    while path[-1] != index[end]:
        path.append(int(before[path[-1]]))
    by_ends = {link.ends: link for link in links}
    return tuple(by_ends[frozenset((ids[one], ids[other]))] for one, other in pairwise(path))


def rivals(con: duckdb.DuckDBPyConnection, a: Observation, b: Observation) -> tuple[Rival, ...]:
    """Of each source that stands on both sides of a refused link, the two observations nearest to it.

    Sources that stood there when the link's turn came: by stronger links, that is.
    """
    sides = [members(con, observation.cluster_key) for observation in (a, b)]
    links = links_among(con, [row for side in sides for row in side])
    ids = [{row["observation_id"] for row in side} for side in sides]
    within = [[link for link in links if link.ends <= side] for side in ids]
    across = [link for link in links if not any(link.ends <= side for side in ids)]
    dataset_of = {row["observation_id"]: row["dataset"] for side in sides for row in side}
    # Rows of one source that lists parts of a site are no rivals where a link joins them
    joined = {dataset_of[link.observation_id_a] for link in across if len({dataset_of[end] for end in link.ends}) == 1}
    places = [_places(side) for side in sides]
    found = []
    for place in sorted(places[0].keys() & places[1].keys()):
        dataset, level = place
        if not level and dataset in joined:
            continue
        ways = [
            min(((strongest_chain(links, start, end), end) for end in held[place]), key=lambda way: _weakest(way[0]))
            for links, start, held in zip(within, (a.compared_id, b.compared_id), places, strict=True)
        ]
        found.append(Rival(dataset, ways[0][1], ways[1][1], ways[0][0], ways[1][0]))
    refused = next(link.rank for link in across if link.ends == {a.compared_id, b.compared_id})
    stronger = [rival for rival in found if _weakest(rival.chain_a + rival.chain_b) < refused]
    return tuple(stronger or found)


def attached(con: duckdb.DuckDBPyConnection, low: Observation) -> Link | None:
    """The link by which an observation of low trust supports an installation, if it does."""
    links = links_among(con, members(con, low.cluster_key))
    return next((link for link in links if low.compared_id in link.ends), None)


def extent(con: duckdb.DuckDBPyConnection, a: Observation, b: Observation) -> Extent:
    """How far two clusters would spread, as the guard measures it."""
    keys = [row["observation_key"] for row in members(con, a.cluster_key, b.cluster_key)]
    nodes = con.execute(
        "SELECT *, centroid_lon_deg AS lon_deg, centroid_lat_deg AS lat_deg FROM prepared.prep_pv_footprints"
        " WHERE observation_key IN (SELECT unnest(?::UBIGINT[]))",
        [keys],
    ).to_arrow_table()
    vertices = vertices_of(nodes)
    width_deg = min(np.ptp(vertices.lon), np.ptp(vertices.lon_east))
    diagonal_m2 = squared_diagonal_m2(width_deg, np.ptp(vertices.lat), vertices.cosine.max())
    return Extent(sqrt(diagonal_m2), float(vertices.extent_cap_m.max()))


def _places(side: Sequence[dict[str, Any]]) -> dict[tuple[str, str], list[str]]:
    """Observations by what a cluster has one place for: a source's level, or all of a source that lists parts of sites."""
    places = defaultdict(list)
    for row in side:
        places[row["dataset"], row["level"] if row["one_row_per_site"] else ""].append(row["observation_id"])
    return places


def _weakest(links: Sequence[Link]) -> tuple[Any, ...]:
    return max((link.rank for link in links), default=())
