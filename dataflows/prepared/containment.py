"""Which cluster is part of which: a forest of parts within wholes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataflows.prepared.graph import Edges, Vertices


def topmost(n: int, part: NDArray[np.int32], whole: NDArray[np.int32]) -> NDArray[np.int32]:
    """The outermost whole around each cluster.

    A part takes the first whole offered to it that is not, directly or not, a part of it.

    Args:
        n: number of labels.
        part: labels of clusters within another one, strongest relation first.
        whole: the other one.

    Returns:
        n labels; a label's own where it is part of nothing.
    """
    parent = np.arange(n, dtype=np.int32)
    parent[part[::-1]] = whole[::-1]  # of several assignments to one place the last one stays: the strongest
    top = _ends(parent)
    if (circular := parent[top] != top).any():
        # Only what leads into a circle gets anything but its first choice; a second choice may close another circle, so these
        # are taken one by one. No path from the others comes back to them.
        parent[circular] = np.flatnonzero(circular)
        chosen = circular[part]
        for lower, upper in zip(part[chosen].tolist(), whole[chosen].tolist(), strict=True):
            if parent[lower] == lower and _end(parent, upper) != lower:
                parent[lower] = upper
        top = _ends(parent)
    return top


def _ends(parent: NDArray[np.int32]) -> NDArray[np.int32]:
    """Where following ``parent`` leads from everywhere, by doubling the stride; no end where there is a circle."""
    end = parent
    for _ in range(len(parent).bit_length()):
        further = end[end]
        if np.array_equal(further, end):
            break
        end = further
    return end


def _end(parent: NDArray[np.int32], vertex: int) -> int:
    while parent[vertex] != vertex:
        vertex = int(parent[vertex])
    return vertex


def is_phase(vertices: Vertices, edges: Edges) -> NDArray[np.bool_]:
    """Edges between an outline and one of several within it that one source, of one row a site, lists at one level."""
    flags = np.zeros(len(edges), np.bool_)
    within = np.flatnonzero((edges.part >= 0) & edges.outlines)
    part = edges.part[within]
    within, part = within[vertices.exclusive[part]], part[vertices.exclusive[part]]
    whole = edges.a[within] + edges.b[within] - part
    _, listing, phases = np.unique(np.stack([whole, vertices.slot[part]]), axis=1, return_inverse=True, return_counts=True)
    flags[within] = phases[listing] > 1
    return flags
