"""Small worlds of administrative areas, anywhere on the globe, and points on, near and off their borders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from hypothesis import strategies as st
from numpy.typing import NDArray
from resolution_sql import WORLD, cut_at_antimeridian
from shapely import affinity, ops

EACH = 100


@dataclass(frozen=True)
class AreaWorld:
    """Areas and points, EPSG:4326, within ±180° and ±90°.

    Attributes:
        polygons: neighbours with a common border, an enclave that is a hole in them and belongs to an area of islands.
        lon: of the points, degrees; many of them exactly on a border.
        lat: of the points.
        size_deg: of the whole.
    """

    polygons: list[shapely.Geometry]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    size_deg: float

    def covered(self) -> set[tuple[int, int]]:
        """Pairs of a point and an area that covers it, by Shapely's plain predicate: every point against every area."""
        points = shapely.points(self.lon, self.lat)
        return {
            (int(point), number)
            for number, polygon in enumerate(self.polygons)
            for point in np.flatnonzero(shapely.intersects(polygon, points))
        }


@st.composite
def area_worlds(draw: st.DrawFn) -> AreaWorld:
    """Worlds of 0.03° to 3°, at any place; across the antimeridian and the edge of the map at the poles they are cut."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    centre = np.array([draw(st.floats(-180, 180)), draw(st.floats(-90, 90))])
    size = 10 ** draw(st.floats(-1.5, 0.5))
    shapes = [affinity.scale(shape, size, size, origin=(0, 0)) for shape in _outlines(random, draw(st.integers(5, 60)))]
    polygons = [polygon for shape in shapes for polygon in _placed(affinity.translate(shape, *centre))]
    corners = shapely.get_coordinates(polygons)
    near = corners[random.integers(0, len(corners), EACH)]
    near = near + random.normal(0, size * 10 ** random.uniform(-9, -1, (EACH, 1)), (EACH, 2))
    scattered = centre + random.uniform(-1.6, 1.6, (EACH, 2)) * size
    points = np.concatenate([corners[:EACH], near, scattered])
    points[:, 0] = np.where(np.abs(points[:, 0]) > 180, (points[:, 0] + 180) % 360 - 180, points[:, 0])
    lon, lat = points[np.abs(points[:, 1]) <= 90].T
    return AreaWorld(polygons, lon, lat, size)


def _outlines(random: np.random.Generator, corners: int) -> list[shapely.Geometry]:
    """Around the origin, of radius 1."""
    angle = np.sort(random.uniform(0, 2 * np.pi, corners))
    rays = np.column_stack([np.cos(angle), np.sin(angle)])
    whole = shapely.make_valid(shapely.Polygon(rays * random.uniform(0.3, 1, (corners, 1))))
    border = shapely.LineString(np.column_stack([np.linspace(-2, 2, 9), random.uniform(-0.2, 0.2, 9)]))
    enclave = shapely.Point(random.uniform(-0.2, 0.2, 2)).buffer(0.15, quad_segs=3)
    islands = shapely.MultiPolygon([enclave, *(affinity.translate(enclave, step, 1.3) for step in (-0.5, 0.5))])
    return [*(part.difference(enclave) for part in ops.split(whole, border).geoms), islands]


def _placed(shape: shapely.Geometry) -> list[shapely.Geometry]:
    cut = cut_at_antimeridian(shape).intersection(WORLD)
    return [cut] if cut.geom_type in ("Polygon", "MultiPolygon") and not cut.is_empty and cut.is_valid else []
