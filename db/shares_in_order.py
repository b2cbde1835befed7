"""``shares_in_order`` in SQL: how much of a site each of several areas has, where the first that has a place keeps it.

Areas that share a site hardly ever overlap there: buildings stand beside one another, land is covered by one thing. For those
the areas that each shares with the site add up, and nothing is cut or united. Which ones overlap is found for all sites of a
batch at once: by their boxes, then by what convex polygons have in common. GEOS is asked only where one is not convex.

A query groups areas by site, in order:
``unnest(shares_in_order(st_aswkb(site)::blob, list(wkb ORDER BY …), list(shared ORDER BY …)))``.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import shapely
from duckdb import sqltypes as sql
from numpy.typing import NDArray

from db.arrow_functions import ArrowFunction
from db.convex_overlap import Rings, common_areas

NAME = "shares_in_order"

# First eccentricity of WGS 84, squared (NGA.STND.0036)
_E2 = 6.69437999014e-3
# A share less than that counts as none, and one so near to the whole as the whole
_NOTHING = 1e-9
# What a square degree is on the ellipsoid may differ by that much between the middle of a piece and its ends
_LEVEL = 1e-4
# Where more areas may overlap an earlier one, GEOS is asked
_MOST = 8
# Longitudes of one site and the next one are that far apart, so that one index serves all sites of a batch
_APART_DEG = 400.0

_POLYGON, _MULTIPOLYGON = 3, 6

type Geometries = NDArray[np.object_]
type Floats = NDArray[np.float64]
type Rows = NDArray[np.intp]


def shares_in_order(site: pa.ChunkedArray, areas: pa.ChunkedArray, shared: pa.ChunkedArray) -> pa.Array:
    """The share of each site that each area has after those before it in its list.

    Args:
        site: n geometries as WKB, EPSG:4326, valid.
        areas: n lists of polygons or multipolygons that meet their site, as WKB, EPSG:4326, valid.
        shared: n lists of what each area shares with its site, square degrees; each as long as its areas.

    Returns:
        n lists of shares of the site's area on the WGS 84 ellipsoid, 0 to 1, right to 1e-4 for sites up to 50 km, that add up
        to 1 at most; null where the site or a list is null. Of a site without an area, as a point, the first area has all.

    Raises:
        ValueError: areas and what they share differ in number.
    """
    known = np.asarray(site.is_valid()) & np.asarray(areas.is_valid()) & np.asarray(shared.is_valid())
    rows = pa.array(np.flatnonzero(known))
    lists, amounts = _combined(areas.take(rows)), _combined(shared.take(rows))
    lengths = np.asarray(lists.value_lengths(), np.int64)
    if not np.array_equal(lengths, np.asarray(amounts.value_lengths())):
        raise ValueError(f"{NAME}: areas and what they share with the site differ in number.")
    sites = shapely.from_wkb(site.take(rows).to_numpy())
    of = np.repeat(np.arange(len(sites)), lengths)
    shares = _shares(sites, of, lists.flatten(), np.asarray(amounts.flatten(), np.float64))

    every = np.zeros(len(known), np.int64)
    every[known] = lengths
    offsets = pa.array(np.concatenate([[0], np.cumsum(every)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(shares), mask=pa.array(~known))


def _shares(sites: Geometries, of: Rows, wkb: pa.Array, shared: Floats) -> Floats:
    """Shares by pair of a site (``of``, ascending) and an area; ``shared`` in square degrees."""
    outlined = shapely.get_dimensions(sites) == 2
    shares = np.zeros(len(of))
    first = np.flatnonzero(np.diff(of, prepend=-1))
    shares[first] = ~outlined[of[first]]
    pairs = np.flatnonzero(outlined[of] & (shared > 0))
    if len(pairs):
        shares[pairs] = _Overlay(sites, of[pairs], wkb.take(pa.array(pairs)), shared[pairs]).shares()
    return shares


class _Overlay:
    """Pairs of an outlined site and an area that it shares a piece with; of all sites at once."""

    def __init__(self, sites: Geometries, of: Rows, wkb: pa.Array, shared: Floats) -> None:
        self.sites, self.of, self.shared = sites, of, shared
        self.areas = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False))
        self.whole = shapely.area(sites)[of]
        self.covers = shared > (1 - _NOTHING) * self.whole
        self.rings = Rings(pa.chunked_array([wkb]))
        self.site_rings = Rings(pa.chunked_array([pa.array(shapely.to_wkb(sites), pa.binary())]))
        inner, outer = shapely.bounds(self.areas), shapely.bounds(sites)[of]
        self.boxes = np.hstack([np.maximum(inner[:, :2], outer[:, :2]), np.minimum(inner[:, 2:], outer[:, 2:])])

    def shares(self) -> Floats:
        groups = self._overlapping()
        # What covers the site leaves nothing to those after it
        gone = np.unique(groups[self.covers[groups[:, 0]], 1])
        groups = groups[~np.isin(groups[:, 1], gone)]
        pairs = groups[:0]
        left = self.shared.copy()
        left[gone] = 0
        weight, is_level = self._weights()
        unknown = np.zeros(len(left), np.bool_)
        # By inclusion and exclusion: less what two have in common; but what three have was then taken twice …
        while len(groups):
            size, last = groups.shape[1], groups[:, -1]
            common = self._common(groups)
            some = ~(common < _NOTHING * self.whole[last])
            groups, last, common = groups[some], last[some], common[some]
            np.add.at(left, last, common if size % 2 else -common)
            unknown[last[np.isnan(common)]] = True
            if size == 2:
                pairs = groups
                unknown[last[~is_level[last]]] = True
                unknown |= np.bincount(last, minlength=len(left)) > _MOST
            # What an unknown one has in common with others is unknown too
            while not unknown[after := pairs[unknown[pairs[:, 0]], 1]].all():
                unknown[after] = True
            groups = _larger(groups[~unknown[groups[:, -1]]])

        tall = np.flatnonzero(~is_level & ~unknown & ~self.covers & (left > 0))
        for rows, pieces in ((tall, self._pieces(tall)), (np.flatnonzero(unknown), self._left(unknown, pairs))):
            left[rows], weight[rows] = shapely.area(pieces), _weight(_latitude(pieces))
        shares = np.clip(left * weight / (self.whole * _weight(_latitude(self.sites))[self.of]), 0, 1)
        shares[self.covers & (left == self.shared)] = 1
        # Rounding may leave more than the whole
        starts = np.flatnonzero(np.diff(self.of, prepend=-1))
        before = np.cumsum(shares) - shares
        before -= np.repeat(before[starts], np.diff(np.append(starts, len(shares))))
        return np.minimum(shares, np.maximum(1 - before, 0))

    def _overlapping(self) -> Rows:
        """Rows (earlier, later) of areas of one site, the boxes of whose pieces meet; shape (pair, 2)."""
        west, south, east, north = self.boxes.T
        boxes = shapely.box(west + _APART_DEG * self.of, south, east + _APART_DEG * self.of, north)
        earlier, later = shapely.STRtree(boxes).query(boxes)
        return np.column_stack([earlier, later])[earlier < later]

    def _common(self, groups: Rows) -> Floats:
        """What the areas of each group and their site have in common, square degrees; NaN where it is not known."""
        return common_areas([(self.site_rings, self.of[groups[:, 0]]), *((self.rings, rows) for rows in groups.T)])

    def _weights(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Weight in the middle of each piece's box, and whether all of the box has it."""
        south, north = self.boxes[:, 1], self.boxes[:, 3]
        steep = np.tan(np.radians(np.minimum(np.maximum(np.abs(south), np.abs(north)), 89.9)))
        return _weight((south + north) / 2), np.radians(north - south) / 2 * steep < _LEVEL

    def _pieces(self, rows: Rows) -> Geometries:
        pieces = shapely.intersection(self.sites[self.of[rows]], self.areas[rows])
        # Where an area only touches the site along a part of it, there are lines and points too
        for mixed in np.flatnonzero(~np.isin(shapely.get_type_id(pieces), (_POLYGON, _MULTIPOLYGON))):
            parts = shapely.get_parts(pieces[mixed])
            pieces[mixed] = shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
        return pieces

    def _left(self, wanted: NDArray[np.bool_], pairs: Rows) -> Geometries:
        """What the earlier areas leave of the piece of each area wanted.

        Of all pieces their first earlier one is cut off, then their second …
        """
        rows = np.flatnonzero(wanted)
        left = self._pieces(rows)
        earlier, later = pairs[wanted[pairs[:, 1]]].T
        order = np.argsort(later, kind="stable")
        earlier, later = earlier[order], later[order]
        starts = np.flatnonzero(np.diff(later, prepend=-1))
        turn = np.arange(len(later)) - np.repeat(starts, np.diff(np.append(starts, len(later))))
        row = np.searchsorted(rows, later)
        for number in range(turn.max(initial=-1) + 1):
            now = turn == number
            left[row[now]] = shapely.difference(left[row[now]], self.areas[earlier[now]])
        return left


def _larger(groups: Rows) -> Rows:
    """Groups of one more, of those that differ in the last member alone; all that overlap are among them. Members ascend."""
    groups = groups[np.lexsort(groups.T[::-1])]
    larger = [np.empty((0, groups.shape[1] + 1), np.intp)]
    for step in range(1, len(groups)):
        first = np.flatnonzero((groups[:-step, :-1] == groups[step:, :-1]).all(axis=1))
        if not len(first):
            break
        larger.append(np.column_stack([groups[first], groups[first + step, -1]]))
    return np.concatenate(larger)


def _weight(latitude_deg: Floats) -> Floats:
    """What a square degree is at a latitude, in those of the equator, on the ellipsoid: of M N cos(latitude)."""
    sin = np.sin(np.radians(latitude_deg))
    return np.sqrt(1 - sin**2) / (1 - _E2 * sin**2) ** 2


def _latitude(geometries: Geometries) -> Floats:
    """Of centroids, degrees; 0 of what is empty."""
    latitude = np.zeros(len(geometries))
    some = ~shapely.is_empty(geometries)
    latitude[some] = shapely.get_y(shapely.centroid(geometries[some]))
    return latitude


def _combined(column: pa.ChunkedArray) -> pa.ListArray:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.ListArray) else combined.chunk(0)


_BLOBS, _DOUBLES = duckdb.list_type(sql.BLOB), duckdb.list_type(sql.DOUBLE)
FUNCTIONS = {NAME: ArrowFunction(shares_in_order, (sql.BLOB, _BLOBS, _DOUBLES), _DOUBLES)}
