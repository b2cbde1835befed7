"""Scored links → clusters of observations of one site, under guards, and which cluster is part of which.

Most components meet no objection and are labelled as a whole; the contested ones are walked edge by edge (``walk``). Both ways
give the same clusters, and a component's result depends on nothing outside it.
Draw it with ``eopv dag clusters -o dag.svg``.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hamilton.function_modifiers import tag
from numpy.typing import NDArray

from dataflows.prepared import containment, guards, walk
from dataflows.prepared.graph import Edges, Vertices, edges_of, least_connected, vertices_of


@tag(layer="prepared")
def vertices(observations: pa.Table) -> Vertices:
    """Observations as arrays, in key order."""
    return vertices_of(observations)


@tag(layer="prepared")
def edges(links: pa.Table, vertices: Vertices) -> Edges:
    """Links as arrays, strongest first."""
    return edges_of(links, vertices)


@tag(layer="prepared")
def is_phase(vertices: Vertices, edges: Edges) -> NDArray[np.bool_]:
    """Edges between a whole and one of the phases that one source lists of it: no cluster may hold both."""
    return containment.is_phase(vertices, edges)


@tag(layer="prepared")
def same_site_edges(edges: Edges, is_phase: NDArray[np.bool_]) -> Edges:
    """Edges eligible to put two observations into one cluster."""
    return edges.where(edges.same_site & ~is_phase)


@tag(layer="prepared")
def phase_edges(edges: Edges, is_phase: NDArray[np.bool_]) -> Edges:
    """Edges whose ends stay in different clusters, whichever way around they might meet."""
    return edges.where(is_phase)


@tag(layer="prepared")
def component(vertices: Vertices, edges: Edges) -> NDArray[np.int32]:
    """For each observation the least one that it is connected to by any edge: what must be resolved together."""
    return least_connected(len(vertices), edges.a, edges.b)


@tag(layer="prepared")
def unguarded_cluster(vertices: Vertices, same_site_edges: Edges) -> NDArray[np.int32]:
    """What the clusters would be without guards: components of higher trust, and low trust attached to its strongest edge."""
    core = same_site_edges.where(same_site_edges.low_ends == 0)
    cluster = least_connected(len(vertices), core.a, core.b)
    support = same_site_edges.where(same_site_edges.low_ends == 1)
    low = np.flatnonzero(vertices.low)
    strongest = support.first_at(len(vertices), support.a, support.b)[low]
    low, strongest = low[strongest >= 0], strongest[strongest >= 0]
    other = support.a[strongest] + support.b[strongest] - low
    cluster[low] = cluster[other]
    return cluster


@tag(layer="prepared")
def contested(
    vertices: Vertices, same_site_edges: Edges, phase_edges: Edges, unguarded_cluster: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Observations in same-site components where a guard might object to any cluster."""
    doubt = guards.doubtful(vertices, same_site_edges, phase_edges, unguarded_cluster)[unguarded_cluster]
    site = least_connected(len(vertices), same_site_edges.a, same_site_edges.b)
    flags = np.zeros(len(vertices), np.bool_)
    flags[site[doubt]] = True
    return flags[site]


@tag(layer="prepared")
def cluster(
    vertices: Vertices,
    same_site_edges: Edges,
    phase_edges: Edges,
    unguarded_cluster: NDArray[np.int32],
    contested: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """For each observation a label of its cluster: an observation of it."""
    label = unguarded_cluster.copy()
    label[contested] = walk.guarded_clusters(vertices, same_site_edges, phase_edges, contested)
    return label


@tag(layer="prepared")
def least_member(cluster: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each observation the least one of its cluster, an attached one of low trust included."""
    least = np.full(len(cluster), len(cluster), np.int32)
    np.minimum.at(least, cluster, np.arange(len(cluster), dtype=np.int32))
    return least[cluster]


@tag(layer="prepared")
def strongest_neighbour(vertices: Vertices, same_site_edges: Edges, least_member: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each observation the other end of its strongest accepted edge, -1 where it is alone."""
    joint = least_member[same_site_edges.a] == least_member[same_site_edges.b]
    accepted = same_site_edges.where(joint & (same_site_edges.low_ends < 2))
    strongest = accepted.first_at(len(vertices), accepted.a, accepted.b)
    linked = np.flatnonzero(strongest >= 0)
    neighbour = np.full(len(vertices), -1, np.int32)
    neighbour[linked] = accepted.a[strongest[linked]] + accepted.b[strongest[linked]] - linked
    return neighbour


@tag(layer="prepared")
def creating(vertices: Vertices, least_member: NDArray[np.int32]) -> NDArray[np.bool_]:
    """For each observation whether its cluster has an observation of more than low trust."""
    flags = np.zeros(len(vertices), np.bool_)
    flags[least_member[~vertices.low]] = True
    return flags[least_member]


@tag(layer="prepared")
def topmost_whole(edges: Edges, least_member: NDArray[np.int32], creating: NDArray[np.bool_]) -> NDArray[np.int32]:
    """For each observation the least one of the outermost cluster around its own, or of its own."""
    apart = least_member[edges.a] != least_member[edges.b]
    relations = edges.where((edges.part >= 0) & apart & creating[edges.a] & creating[edges.b])
    whole = relations.a + relations.b - relations.part
    return containment.topmost(len(least_member), least_member[relations.part], least_member[whole])[least_member]


@tag(layer="prepared")
def clusters(
    vertices: Vertices,
    component: NDArray[np.int32],
    least_member: NDArray[np.int32],
    topmost_whole: NDArray[np.int32],
    strongest_neighbour: NDArray[np.int32],
    creating: NDArray[np.bool_],
) -> pa.Table:
    """One row an observation, in key order: its component, its cluster, the cluster around that, and what links it."""
    key = vertices.key
    return pa.table(
        {
            "observation_key": key,
            "component_key": key[component],
            "cluster_key": key[least_member],
            "parent_cluster_key": pa.array(key[topmost_whole], mask=topmost_whole == least_member),
            "link_key": pa.array(key[strongest_neighbour] if len(key) else key, mask=strongest_neighbour < 0),
            "creates_installation": creating,
        }
    )
