"""Points that no area covers → the areas near them, with geodesic distances.

The nearest point of an area is sought in a local plane (metres east and north by the ellipsoid's radii at the point's
latitude), and the distance to it measured on the ellipsoid. The plane's error grows with distance and latitude: it lengthens a
distance of 25 km by less than 0.1 % up to 70° and 1 % up to 84° of latitude (tests/unit/test_nearest_areas.py).
Draw it with ``eopv dag nearest_areas -o dag.svg``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyproj
import shapely
from hamilton.function_modifiers import tag
from numpy.typing import NDArray

from dataflows.prepared.polygons import polygons_of

WGS84 = pyproj.Geod(ellps="WGS84")
# No degree of latitude is shorter (it is at the equator), so that a reach in degrees is never too small
LEAST_METRES_PER_DEGREE = 110_574.0

type Floats = NDArray[np.float64]


class Pairs(NamedTuple):
    """Pairs of a point and an area of its level (their rows)."""

    point: NDArray[np.intp]
    area: NDArray[np.intp]


@tag(layer="prepared")
def polygons(areas: pa.Table) -> NDArray[np.object_]:
    """Geometries of the areas."""
    return polygons_of(areas)


@tag(layer="prepared")
def within_reach(points: pa.Table, areas: pa.Table, polygons: NDArray[np.object_], max_distance_m: float) -> Pairs:
    """Pairs whose bounding boxes are near enough, also across the antimeridian."""
    lon, lat = (points[name].to_numpy() for name in ("lon_deg", "lat_deg"))
    north, east = _reach_deg(lat, max_distance_m)
    boxes = shapely.box(*shapely.bounds(polygons).T)
    tree = shapely.STRtree(boxes)
    pairs = [tree.query(shapely.box(lon + turn - east, lat - north, lon + turn + east, lat + north)) for turn in (-360, 0, 360)]
    point, area = np.unique(np.concatenate(pairs, axis=1), axis=1).astype(np.intp)
    same_level = points["level"].take(pa.array(point)).to_numpy() == areas["level"].take(pa.array(area)).to_numpy()
    return Pairs(point[same_level], area[same_level])


@tag(layer="prepared")
def distances(points: pa.Table, polygons: NDArray[np.object_], within_reach: Pairs, max_distance_m: float) -> Floats:
    """Of each pair the distance in metres, infinite beyond the greatest one."""
    lon, lat = (points[name].to_numpy() for name in ("lon_deg", "lat_deg"))
    found = np.full(len(within_reach.point), np.inf)
    for area in np.unique(within_reach.area):
        pairs = np.flatnonzero(within_reach.area == area)
        edges = _edges(polygons[area])
        for pair in pairs:
            point = within_reach.point[pair]
            found[pair] = _distance_m(lon[point], lat[point], edges, max_distance_m)
    return np.where(found <= max_distance_m, found, np.inf)


@tag(layer="prepared")
def nearby(points: pa.Table, areas: pa.Table, within_reach: Pairs, distances: Floats) -> pa.Table:
    """A row a point and area near it: ``installation_id``, ``area_id``, ``distance_m``."""
    near = np.isfinite(distances)
    return pa.table(
        {
            "installation_id": points["installation_id"].take(pa.array(within_reach.point[near])),
            "area_id": areas["area_id"].take(pa.array(within_reach.area[near])),
            "distance_m": distances[near],
        }
    )


def _reach_deg(lat: Floats, distance_m: float) -> tuple[float, Floats]:
    """Degrees of latitude and of longitude that hold everything so near; near a pole all longitudes."""
    north = distance_m / LEAST_METRES_PER_DEGREE
    slenderness = np.sin(np.radians(north)) / np.maximum(np.cos(np.radians(lat)), 1e-12)
    return north, np.where(np.abs(lat) + north >= 90, 180, np.degrees(np.arcsin(np.minimum(slenderness, 1))))


def _edges(polygon: shapely.Geometry) -> tuple[Floats, Floats]:
    """Beginnings and ends of all edges, degrees; each of shape (edge, 2)."""
    rings = shapely.get_rings(shapely.get_parts(polygon))
    places, ring = shapely.get_coordinates(rings, return_index=True)
    inside = ring[1:] == ring[:-1]
    return places[:-1][inside], places[1:][inside]


def _distance_m(lon: float, lat: float, edges: tuple[Floats, Floats], max_distance_m: float) -> float:
    """Metres from a place to the nearest of the edges within reach, infinite where none is."""
    north, east = _reach_deg(np.array(lat), max_distance_m)
    begin, end = edges
    near = np.flatnonzero(
        (np.minimum(begin[:, 1], end[:, 1]) <= lat + north) & (np.maximum(begin[:, 1], end[:, 1]) >= lat - north)
    )
    begin, end = begin[near], end[near]
    # Longitudes as seen from the place; an edge is shorter than half the globe, and keeps its direction
    from_lon = (begin[:, 0] - lon + 180) % 360 - 180
    to_lon = from_lon + (end[:, 0] - begin[:, 0])
    near = np.flatnonzero((np.minimum(from_lon, to_lon) <= east) & (np.maximum(from_lon, to_lon) >= -east))
    if not len(near):
        return np.inf
    metres = np.array(_metres_per_degree(lat))
    start = np.column_stack([from_lon[near], begin[near, 1] - lat]) * metres
    step = np.column_stack([to_lon[near], end[near, 1] - lat]) * metres - start
    length = np.maximum((step**2).sum(axis=1), 1e-300)
    along = np.clip(-(start * step).sum(axis=1) / length, 0, 1)
    closest = start + along[:, None] * step
    best = closest[np.argmin((closest**2).sum(axis=1))] / np.where(metres > 0, metres, 1)
    return float(WGS84.inv(lon, lat, lon + best[0], lat + best[1])[2])


def _metres_per_degree(lat: float) -> tuple[float, float]:
    """Metres of a degree east and north, by the radii of curvature of the prime vertical and the meridian (WGS 84)."""
    sine = np.sin(np.radians(lat))
    curvature = 1 - WGS84.es * sine**2
    vertical, meridian = WGS84.a / np.sqrt(curvature), WGS84.a * (1 - WGS84.es) / curvature**1.5
    return np.radians(vertical) * np.sqrt(max(1 - sine**2, 0)), np.radians(meridian)
