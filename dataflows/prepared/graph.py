"""Observations and links as arrays: vertices in key order, edges strongest first, so that row order has no say."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from db.errors import BuildError

# On the sphere of the mean Earth radius, 6,371,008.8 m
METRES_PER_DEGREE = 111_195.08


@dataclass(frozen=True)
class Vertices:
    """Observations, each array of length n, in ascending key order: an index compares as its key does.

    Attributes:
        key: ``observation_key``.
        slot: what a cluster has one place for: a dataset's level, or a dataset that has several rows a site.
        exclusive: the slot takes one observation, whatever the links say.
        low: trust is low.
        lon: longitude of the centroid, degrees, [-180, 180].
        lon_east: the same in [0, 360): near the antimeridian it is the one without a jump.
        lat: latitude of the centroid, degrees.
        cosine: of the latitude.
        extent_cap_m: how far a cluster may spread around this observation, metres.
    """

    key: NDArray[np.uint64]
    slot: NDArray[np.int32]
    exclusive: NDArray[np.bool_]
    low: NDArray[np.bool_]
    lon: NDArray[np.float64]
    lon_east: NDArray[np.float64]
    lat: NDArray[np.float64]
    cosine: NDArray[np.float64]
    extent_cap_m: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True)
class Edges:
    """Links, each array of length m, by probability and IoU descending, distance, key_a and key_b ascending.

    Attributes:
        a: index of the vertex with the lesser key.
        b: index of the other one.
        same_site: eligible to put both into one cluster.
        low_ends: how many of the two have low trust.
        exempt_m: length of a link by name or id, which the extent guard grants on top of its cap; 0 for any other link.
        part: index of the end that lies within the other one, -1 where none does.
        outlines: both ends are polygons that share an area.
    """

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    same_site: NDArray[np.bool_]
    low_ends: NDArray[np.int8]
    exempt_m: NDArray[np.float64]
    part: NDArray[np.int32]
    outlines: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.a)

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """The chosen edges, in the same order."""
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def first_at(self, n: int, *ends: NDArray[np.int32]) -> NDArray[np.int32]:
        """For each of n vertices the first (strongest) edge that has it among ``ends``, -1 where none has."""
        first = np.full(n, len(self), np.int32)
        for end in ends:
            np.minimum.at(first, end, np.arange(len(self), dtype=np.int32))
        first[first == len(self)] = -1
        return first


def vertices_of(observations: pa.Table) -> Vertices:
    """Arrays of the observations.

    Raises:
        BuildError: a column or a value is missing, a key occurs twice, or a coordinate is not finite.
    """
    where = "observations"
    key = _values(observations, "observation_key", where)
    order = np.argsort(key, kind="stable")
    key = key[order]
    if (key[1:] == key[:-1]).any():
        raise BuildError(
            f"{where}: observation_key {key[1:][key[1:] == key[:-1]][0]} occurs twice.",
            remedy="Keys are the first half of observation_id: drop duplicates of an observation upstream.",
        )
    exclusive = _values(observations, "one_row_per_site", where)[order]
    level, levels = _codes(observations, "level", where)
    dataset, _ = _codes(observations, "dataset", where)
    slot = dataset[order] * (levels + 1) + np.where(exclusive, level[order] + 1, 0)
    lon, lat, cap = (_values(observations, name, where)[order] for name in ("lon_deg", "lat_deg", "extent_cap_m"))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all() and (cap >= 0).all()):
        raise BuildError(
            f"{where}: lon_deg and lat_deg must be finite, extent_cap_m at least 0.",
            remedy="Leave observations without a usable geometry out of prep_pv_footprints.",
        )
    return Vertices(
        key=key,
        slot=slot.astype(np.int32),
        exclusive=exclusive,
        low=pc.equal(_column(observations, "trust", where), "low").to_numpy()[order],
        lon=lon,
        lon_east=np.mod(lon, 360.0),
        lat=lat,
        cosine=np.cos(np.radians(lat)),
        extent_cap_m=cap,
    )


def edges_of(links: pa.Table, vertices: Vertices) -> Edges:
    """Arrays of the links that say anything: same site, or part of.

    Raises:
        BuildError: a column or a value is missing, a pair occurs twice or in descending order, or an end is no observation.
    """
    where = "links"
    part_key = _column(links, "part_key", where, nullable=True)
    has_part = part_key.is_valid().to_numpy()
    same_site = _values(links, "same_site", where)
    kept = same_site | has_part
    a, b = (_positions(vertices, _values(links, name, where)[kept], name) for name in ("key_a", "key_b"))
    part = np.full(len(a), -1, np.int32)
    parts = has_part[kept]
    part[parts] = _positions(vertices, part_key.fill_null(0).to_numpy()[kept][parts], "part_key")
    if (a >= b).any() or not ((part == a) | (part == b) | ~parts).all():
        raise BuildError(
            f"{where}: key_a must be less than key_b, and part_key one of the two.",
            remedy="Correct prep_pv_evidence: a pair is written once, the lesser key first.",
        )
    probability, iou, distance_m = (_values(links, name, where)[kept] for name in ("match_probability", "iou", "distance_m"))
    if np.isnan(probability).any() or np.isnan(iou).any() or np.isnan(distance_m).any():
        raise BuildError(f"{where}: match_probability, iou and distance_m must be numbers.", remedy="Correct prep_pv_evidence.")
    pair = a.astype(np.int64) * len(vertices) + b
    order = np.lexsort((pair, distance_m, -iou, -probability))
    in_order = np.sort(pair)
    if (in_order[1:] == in_order[:-1]).any():
        raise BuildError(f"{where}: a pair occurs twice.", remedy="prep_pv_evidence has one row a pair: remove the duplicates.")
    exempt_m = np.where(_values(links, "by_attribute", where)[kept], np.maximum(distance_m, _length_m(vertices, a, b)), 0.0)
    low_ends = vertices.low[a].astype(np.int8) + vertices.low[b]
    return Edges(a, b, same_site[kept], low_ends, exempt_m, part, iou > 0).where(order)


def squared_diagonal_m2(width_deg: float, height_deg: float, cosine: float) -> float:
    """Square of the diagonal of a box of longitudes and latitudes, for scalars and arrays alike, with equal rounding.

    Args:
        width_deg: difference of longitudes, degrees.
        height_deg: difference of latitudes, degrees.
        cosine: the largest of any latitude in the box. So the diagonal never shrinks when the box grows, which the guards'
            vectorised form rests on; around a pole it is too long, by a factor of less than pi.
    """
    width_m = width_deg * cosine * METRES_PER_DEGREE
    height_m = height_deg * METRES_PER_DEGREE
    return width_m * width_m + height_m * height_m


def least_connected(n: int, a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each of n vertices the least vertex that edges a–b connect it to; itself where there is no edge."""
    if not len(a):
        return np.arange(n, dtype=np.int32)
    graph = coo_array((np.ones(len(a), np.int32), (a, b)), shape=(n, n))
    count, label = connected_components(graph, directed=False)
    return least_of_label(label, count)


def least_of_label(label: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """For each vertex the least vertex of the same label; labels are 0 … count - 1."""
    least = np.empty(count, np.int32)
    # Of several assignments to one place the last one stays
    least[label[::-1]] = np.arange(len(label), dtype=np.int32)[::-1]
    return least[label]


def _length_m(vertices: Vertices, a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.float64]:
    """Lengths of edges between centroids as the extent guard measures them."""
    lon, lon_east, lat = (np.abs(x[a] - x[b]) for x in (vertices.lon, vertices.lon_east, vertices.lat))
    cosine = np.maximum(vertices.cosine[a], vertices.cosine[b])
    return np.sqrt(squared_diagonal_m2(np.minimum(lon, lon_east), lat, cosine))


def _column(table: pa.Table, name: str, where: str, *, nullable: bool = False) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise BuildError(
            f"{where}: no column {name!r}; there are {', '.join(table.column_names)}.",
            remedy="Select it in prep_pv_clusters's input.",
        )
    column = table.column(name)
    if column.null_count and not nullable:
        raise BuildError(f"{where}: {name} is null in {column.null_count} rows.", remedy="Every row needs a value.")
    return column


def _values(table: pa.Table, name: str, where: str) -> NDArray:
    return _column(table, name, where).to_numpy()


def _codes(table: pa.Table, name: str, where: str) -> tuple[NDArray[np.int64], int]:
    """A text column as integers, and how many different ones there are."""
    column = pc.unique(values := _column(table, name, where))
    return pc.index_in(values, column).to_numpy().astype(np.int64), len(column)


def _positions(vertices: Vertices, key: NDArray[np.uint64], name: str) -> NDArray[np.int32]:
    """Indices of vertices by their keys."""
    position = np.searchsorted(vertices.key, key).astype(np.int32)
    known = position < len(vertices)
    known[known] = vertices.key[position[known]] == key[known]
    if not known.all():
        raise BuildError(
            f"links: {name} {key[~known][0]} is no observation, as {np.count_nonzero(~known)} others may be.",
            remedy="Resolve links only together with the observations at both ends.",
        )
    return position
