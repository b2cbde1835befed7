"""Where a guard might object to a cluster, for all clusters at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataflows.prepared.graph import Edges, Vertices, squared_diagonal_m2


def doubtful(vertices: Vertices, edges: Edges, phases: Edges, cluster: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Clusters that a walk, edge by edge, might not arrive at.

    Where the answer is False no guard objects to any step of the walk, in whatever order. True says "walk and see".

    Args:
        vertices: n observations.
        edges: same-site edges.
        phases: edges whose ends no cluster may both hold.
        cluster: n labels, each the index of a vertex of the cluster: the clusters that there would be without guards.

    Returns:
        n flags, indexed by label.
    """
    inside = edges.where(cluster[edges.a] == cluster[edges.b])
    shared = np.flatnonzero(np.bincount(cluster, minlength=len(vertices))[cluster] > 1)
    flags = np.zeros(len(vertices), np.bool_)
    if not len(shared):
        return flags
    member = shared[np.argsort(cluster[shared], kind="stable")]
    flags[_crowded(vertices, inside, cluster, member)] = True
    flags[_stretched(vertices, inside, cluster, member)] = True
    flags[cluster[phases.a][cluster[phases.a] == cluster[phases.b]]] = True
    return flags


def _crowded(vertices: Vertices, inside: Edges, cluster: NDArray, member: NDArray) -> NDArray:
    """Labels of clusters with two observations in one slot that no edge, or no admissible one, joins directly."""
    slots = int(vertices.slot.max()) + 1
    place, occupants = np.unique(cluster[member].astype(np.int64) * slots + vertices.slot[member], return_counts=True)
    siblings = (vertices.slot[inside.a] == vertices.slot[inside.b]) & ~vertices.exclusive[inside.a]
    a = inside.a[siblings]
    joined, pairs = np.unique(cluster[a].astype(np.int64) * slots + vertices.slot[a], return_counts=True)
    joined_pairs = np.zeros(len(place), np.int64)
    joined_pairs[np.searchsorted(place, joined)] = pairs
    return place[occupants * (occupants - 1) // 2 > joined_pairs] // slots


def _stretched(vertices: Vertices, inside: Edges, cluster: NDArray, member: NDArray) -> NDArray:
    """Labels of clusters wider than what some edge in them grants when it is the first to unite.

    Every cluster on the way holds both ends of an edge, and is no wider than the whole.
    """
    label = cluster[member]
    start = np.flatnonzero(np.concatenate(([True], label[1:] != label[:-1])))

    def spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
        ordered = values[member]
        return np.maximum.reduceat(ordered, start) - np.minimum.reduceat(ordered, start)

    width_deg = np.minimum(spread(vertices.lon), spread(vertices.lon_east))
    cosine = np.maximum.reduceat(vertices.cosine[member], start)
    diagonal_m = np.sqrt(squared_diagonal_m2(width_deg, spread(vertices.lat), cosine))
    granted_m = np.full(len(vertices), np.inf)
    cap_m = np.maximum(vertices.extent_cap_m[inside.a], vertices.extent_cap_m[inside.b])
    np.minimum.at(granted_m, cluster[inside.a], cap_m + inside.exempt_m)
    return label[start][diagonal_m > granted_m[label[start]]]
