"""Kruskal's walk over contested components: two clusters unite along the strongest edge unless a guard objects."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from dataflows.prepared.graph import Edges, Vertices, least_of_label, squared_diagonal_m2

type Box = tuple[float, float, float, float, float, float, float]


class _Clusters:
    """Disjoint sets of vertices with what the guards need to know about each; plain lists, because it is a hot loop."""

    def __init__(self, vertices: Vertices, chosen: NDArray, siblings: dict[int, list[int]], foes: dict[int, list[int]]) -> None:
        slots = vertices.slot[chosen].tolist()
        lon, east, lat, cosine = (x[chosen].tolist() for x in (vertices.lon, vertices.lon_east, vertices.lat, vertices.cosine))
        self.parent = list(range(len(chosen)))
        self.size = [1] * len(chosen)
        self.cap_m = vertices.extent_cap_m[chosen].tolist()
        self.exempt_m = [0.0] * len(chosen)
        self.members = [{slot: [index]} for index, slot in enumerate(slots)]
        self.box: list[Box] = list(zip(lon, lon, east, east, lat, lat, cosine, strict=True))
        self.siblings = siblings
        self.foes = foes
        self.phased: list[list[int]] = [[index] if index in foes else [] for index in range(len(chosen))]

    def find(self, vertex: int) -> int:
        """The set's representative, halving the path to it."""
        parent = self.parent
        while (above := parent[vertex]) != vertex:
            parent[vertex] = vertex = parent[above]
        return vertex

    def unite(self, a: int, b: int, exempt_m: float) -> bool:
        """Unite the sets of two vertices along an edge; False when a guard objects.

        An edge inside one set is accepted too: what it is exempt from, its cluster is from then on.
        """
        a, b = self.find(a), self.find(b)
        exempt_m = max(exempt_m, self.exempt_m[a], self.exempt_m[b])
        if a != b:
            if self.size[a] < self.size[b]:
                a, b = b, a
            if self._crowded(a, b) or self._phased(a, b):
                return False
            box = _hull(self.box[a], self.box[b])
            cap_m = max(self.cap_m[a], self.cap_m[b])
            if _diagonal_m(box) > cap_m + exempt_m:
                return False
            self.parent[b] = a
            self.size[a] += self.size[b]
            self.box[a], self.cap_m[a] = box, cap_m
            held = self.members[a]
            for slot, newcomers in self.members[b].items():
                held.setdefault(slot, []).extend(newcomers)
            self.members[b] = {}
            self.phased[a] += self.phased[b]
        self.exempt_m[a] = exempt_m
        return True

    def _crowded(self, a: int, b: int) -> bool:
        """Whether both hold observations of one slot without an edge between the two that lets them share it."""
        few, many = self.members[a], self.members[b]
        if len(few) > len(many):
            few, many = many, few
        return any(slot in many and not self._joined(members, many[slot]) for slot, members in few.items())

    def _phased(self, a: int, b: int) -> bool:
        """Whether one holds a phase of a whole that is in the other."""
        if len(self.phased[a]) > len(self.phased[b]):
            a, b = b, a
        return any(self.find(foe) == b for vertex in self.phased[a] for foe in self.foes[vertex])

    def _joined(self, left: list[int], right: list[int]) -> bool:
        few, many = (left, right) if len(left) <= len(right) else (right, left)
        target = self.find(many[0])
        return any(self.find(sibling) == target for vertex in few for sibling in self.siblings.get(vertex, ()))


def guarded_clusters(vertices: Vertices, edges: Edges, phases: Edges, contested: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Clusters of contested components.

    Edges between observations of higher trust come first; then each observation of low trust attaches to one cluster.

    Args:
        vertices: n observations.
        edges: same-site edges, strongest first.
        phases: edges whose ends no cluster may both hold.
        contested: n flags, equal throughout a component.

    Returns:
        For each contested observation, in ascending order, the index of the least observation of its cluster.
    """
    chosen = np.flatnonzero(contested)
    local = np.full(len(vertices), -1, np.int32)
    local[chosen] = np.arange(len(chosen), dtype=np.int32)
    edges = edges.where(contested[edges.a])
    a, b = local[edges.a], local[edges.b]
    phases = phases.where(contested[phases.a] & contested[phases.b])
    foes = _neighbours(local[phases.a], local[phases.b])
    clusters = _Clusters(vertices, chosen, _siblings(vertices, edges, a, b), foes)
    core, leaf = edges.low_ends == 0, edges.low_ends == 1
    for edge in zip(a[core].tolist(), b[core].tolist(), edges.exempt_m[core].tolist(), strict=True):
        clusters.unite(*edge)
    low_first = vertices.low[edges.a][leaf]
    low, high = np.where(low_first, a[leaf], b[leaf]), np.where(low_first, b[leaf], a[leaf])
    attached: set[int] = set()
    for vertex, support, exempt_m in zip(low.tolist(), high.tolist(), edges.exempt_m[leaf].tolist(), strict=True):
        # Attached already: a weaker edge must not bridge to a second cluster
        if vertex in attached and clusters.find(vertex) != clusters.find(support):
            continue
        if clusters.unite(vertex, support, exempt_m):
            attached.add(vertex)
    root = np.fromiter(map(clusters.find, range(len(chosen))), np.int32, len(chosen))
    return chosen[least_of_label(root, len(chosen))].astype(np.int32)


def _siblings(vertices: Vertices, edges: Edges, a: NDArray, b: NDArray) -> dict[int, list[int]]:
    """For each vertex those that an edge of its own dataset joins it to, where that dataset may have several rows a site."""
    of_one_slot = (vertices.slot[edges.a] == vertices.slot[edges.b]) & ~vertices.exclusive[edges.a]
    return _neighbours(a[of_one_slot], b[of_one_slot])


def _neighbours(a: NDArray, b: NDArray) -> dict[int, list[int]]:
    neighbours: dict[int, list[int]] = {}
    for left, right in zip(a.tolist(), b.tolist(), strict=True):
        neighbours.setdefault(left, []).append(right)
        neighbours.setdefault(right, []).append(left)
    return neighbours


def _hull(a: Box, b: Box) -> Box:
    return (
        min(a[0], b[0]),
        max(a[1], b[1]),
        min(a[2], b[2]),
        max(a[3], b[3]),
        min(a[4], b[4]),
        max(a[5], b[5]),
        max(a[6], b[6]),
    )


def _diagonal_m(box: Box) -> float:
    west, east, west_east, east_east, south, north, cosine = box
    return sqrt(squared_diagonal_m2(min(east - west, east_east - west_east), north - south, cosine))
