"""Random observations where searching is hard, and the distances between them by brute force."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import h3
import numpy as np
import pyproj
import shapely
from hypothesis import strategies as st
from resolution_sql import FAR_OFF, GEOD, LISTED_OFTEN, LISTED_ONCE, WITHOUT_PROFILE, degrees_from, local_crs, observation
from shapely import MultiPolygon, Point, Polygon

PENTAGON = h3.cell_to_latlng(h3.get_pentagons(8)[3])[::-1]
CORNER = h3.cell_to_boundary(h3.latlng_to_cell(48.1, 11.6, 9))[0][::-1]
PLACES = {
    "ordinary": (10.3, 51.2),
    "origin": (0.0, 0.0),
    "antimeridian": (179.9999, -17.0),
    "antimeridian from the other side": (-179.998, 65.2),
    "antimeridian on the equator": (180.0, 0.0),
    "near the north pole": (25.0, 89.93),
    "near the south pole": (-179.99, -89.8),
    "arctic": (15.6, 78.2),
    "corner of an H3 cell": CORNER,
    "H3 pentagon": PENTAGON,
}
DATASETS = [LISTED_ONCE, LISTED_OFTEN, FAR_OFF, WITHOUT_PROFILE]

logarithmic = st.floats(0, 1)


@dataclass(frozen=True)
class Site:
    """One observation: its true geometry (longitudes may go on beyond ±180°) and the row of ``prep_pv_observations``."""

    geometry: shapely.Geometry
    row: dict[str, Any] = field(repr=False)


def rectangle(place: tuple[float, float], size_m: float, angle: float) -> Polygon:
    half = np.array([[-1, -0.5], [1, -0.5], [1, 0.5], [-1, 0.5]]) * size_m / 2
    turned = half @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return Polygon(degrees_from(*place, turned[:, 0], turned[:, 1]))


def holed(place: tuple[float, float], size_m: float, angle: float) -> Polygon:
    return rectangle(place, size_m, angle).difference(rectangle(place, 0.6 * size_m, angle))


def in_parts(place: tuple[float, float], size_m: float, angle: float) -> MultiPolygon:
    one, other = (rectangle(degrees_from(*place, [shift], [0])[0], 0.4 * size_m, angle) for shift in (-size_m / 2, size_m / 2))
    return MultiPolygon([one, other])


def wide(place: tuple[float, float], size_m: float, angle: float) -> Polygon:
    """Up to a degree, over many cells."""
    lon, lat = place
    reach = 0.1 + 0.4 * min(size_m / 3000, 1)
    return shapely.box(lon - reach, max(-90, lat - reach * angle / 7), lon + reach, min(90, lat + reach / 3))


def point(place: tuple[float, float], size_m: float, angle: float) -> Point:
    return Point(place)


def inside(other: Polygon) -> shapely.Geometry:
    return shapely.affinity.scale(other, 0.3, 0.3) if other.geom_type == "Polygon" and not other.interiors else other


def on_edge(other: shapely.Geometry) -> Point:
    return Point(shapely.get_coordinates(other)[:2].mean(axis=0)) if other.geom_type == "Polygon" else other.centroid


SHAPES = [point, point, rectangle, holed, in_parts, wide]
DERIVED = [lambda other: other, inside, on_edge]


@st.composite
def polar(draw: st.DrawFn) -> shapely.Geometry:
    """A point or a sector of 9° at a pole, at most 11 km from it."""
    lon, pole = draw(st.floats(-180, 180)), draw(st.sampled_from([-90.0, 90.0]))
    near = pole - np.sign(pole) * 10 ** (-6 + 5 * draw(logarithmic))
    return draw(
        st.sampled_from([Point(lon, pole), Point(lon, near), shapely.box(lon, min(near, pole), lon + 9, max(near, pole))])
    )


@st.composite
def worlds(draw: st.DrawFn) -> list[Site]:
    """Observations of four datasets around one or two places, from metres to kilometres apart, some on top of others."""
    anchors = draw(st.lists(st.sampled_from(sorted(PLACES)), min_size=1, max_size=2, unique=True))
    sites: list[Site] = []
    for _ in range(draw(st.integers(2, 14))):
        known = {"capacity_mw": draw(st.sampled_from([None, 0.01, 0.5, 5.0, 100.0]))}
        known["reported_area_m2"] = draw(st.sampled_from([None, 50.0, 4e4]))
        dataset, cut = draw(st.sampled_from(DATASETS)), draw(st.booleans())
        others = [site.geometry for site in sites if site.geometry.geom_type != "Point"]
        if others and draw(st.integers(0, 3)) == 0:
            geometry = draw(st.sampled_from(DERIVED))(draw(st.sampled_from(others)))
        elif draw(st.integers(0, 9)) == 0:
            geometry = draw(polar())
        else:
            bearing, distance_m = draw(st.floats(0, 2 * np.pi)), 4000 ** draw(logarithmic)
            anchor = PLACES[draw(st.sampled_from(anchors))]
            place = degrees_from(*anchor, [distance_m * np.sin(bearing)], [distance_m * np.cos(bearing)])[0]
            shape = draw(st.sampled_from(SHAPES if abs(place[1]) < 85 else SHAPES[:-1]))
            geometry = shape(place, 3000 ** draw(logarithmic), draw(st.floats(0, 7)))
        sites.append(Site(geometry, observation(geometry, dataset, cut=cut, **known)))
    return sites


def distances_m(sites: list[Site], within_m: float) -> dict[tuple[int, int], float]:
    """Distance of every pair of positions (i < j) whose centroids are no further apart: in a projection around each first."""
    outlines = np.array([site.geometry for site in sites])
    # Edges are straight in degrees: in the projection they are not
    dense = shapely.segmentize(outlines, 0.005)
    centroids = shapely.get_coordinates(shapely.centroid(outlines))
    found = {}
    for first, (lon, lat) in enumerate(centroids[:-1]):
        others = np.arange(first + 1, len(sites))
        lons, lats = np.full(len(others), lon), np.full(len(others), lat)
        others = others[GEOD.inv(lons, lats, *centroids[others].T)[2] <= within_m]
        around = pyproj.Transformer.from_crs("EPSG:4326", local_crs("aeqd", lon, lat), always_xy=True)
        projected = shapely.transform(dense[[first, *others]], around.transform, interleaved=False)
        apart = shapely.distance(projected[0], projected[1:])
        found |= {(first, int(other)): float(metres) for other, metres in zip(others, apart, strict=True)}
    return found
