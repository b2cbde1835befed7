"""Evidence of pairs: geometry against Shapely and pyproj, and capacities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from resolution_sql import (
    AC,
    DC,
    GEOD,
    LISTED_ONCE,
    MODELLED,
    STATED,
    WITHOUT_PROFILE,
    Resolution,
    Rows,
    degrees_from,
    local_crs,
    observation,
)
from shapely import Point, Polygon


@pytest.fixture(scope="module")
def resolution() -> Resolution:
    return Resolution()


def outline(random: np.random.Generator, place: tuple[float, float], size_m: float) -> shapely.Geometry:
    """A star-shaped outline, in part with a hole or in two parts."""
    angles = (np.arange(12) + random.uniform(0, 0.6, 12)) * np.pi / 6
    radii = size_m / 2 * random.uniform(0.5, 1, 12)
    shape = Polygon(degrees_from(*place, radii * np.cos(angles), radii * np.sin(angles)))
    if (kind := random.integers(4)) == 0:
        return shape.difference(shapely.affinity.scale(shape, 0.3, 0.3))
    if kind == 1:
        return shapely.MultiPolygon([shape, shapely.affinity.translate(shape, 2.2 * (shape.bounds[2] - shape.bounds[0]))])
    return shape


def projected(projection: str, shapes: list[shapely.Geometry]) -> list[shapely.Geometry]:
    """Shapes of one neighbourhood in metres; edges are straight in degrees."""
    lon, lat = shapely.get_coordinates(shapes[0].centroid)[0]
    local = pyproj.Transformer.from_crs("EPSG:4326", local_crs(projection, lon, lat), always_xy=True)
    dense = shapely.segmentize(shapes, 2e-4)
    return list(shapely.transform(dense, local.transform, interleaved=False))


def neighbours(random: np.random.Generator, apart: float) -> tuple[shapely.Geometry, shapely.Geometry]:
    """Two outlines of 10 m to 2 km, their centres ``apart`` sizes from each other, 80° S to 80° N; some beyond 180°."""
    size_m = 10 ** random.uniform(1, 3.3)
    lon = random.choice([random.uniform(-170, 170), 180 + random.uniform(-1, 1) * size_m / 2e5])
    place, bearing = (float(lon), random.uniform(-80, 80)), random.uniform(0, 2 * np.pi)
    shift = apart * size_m * random.uniform(0.5, 1)
    beside = degrees_from(*place, [shift * np.cos(bearing)], [shift * np.sin(bearing)])[0]
    return outline(random, place, size_m), outline(random, beside, size_m * 10 ** random.uniform(-0.5, 0.2))


def described(shapes: tuple[shapely.Geometry, shapely.Geometry], random: np.random.Generator) -> Rows:
    one, other = (observation(shape, LISTED_ONCE, cut=bool(random.integers(2))) for shape in shapes)
    return one, other


class TestGeometry:
    def test_overlaps_are_those_in_an_equal_area_projection(self, resolution: Resolution) -> None:
        random = np.random.default_rng(11)
        shapes = [neighbours(random, apart=0.5) for _ in range(250)]
        found = resolution.evidence([described(pair, random) for pair in shapes])
        met = 0
        for pair, row in zip(shapes, found, strict=True):
            one, other = projected("laea", list(pair))
            shared = one.intersection(other).area
            met += shared > 0
            smaller, united = min(one.area, other.area), one.area + other.area - shared
            # A sliver's own share is no better known than the whole
            assert row["overlap"] == pytest.approx(shared / smaller, rel=1e-3, abs=1e-5)
            assert row["iou"] == pytest.approx(shared / united, rel=1e-3, abs=1e-5)
            assert row["intersection_m2"] == pytest.approx(shared, rel=1e-3, abs=1e-5 * smaller)
        assert met > 200

    def test_distances_are_those_in_an_equidistant_projection(self, resolution: Resolution) -> None:
        random = np.random.default_rng(12)
        shapes = [neighbours(random, apart=10 ** random.uniform(0, 1.5)) for _ in range(250)]
        shapes = [(one, other if random.random() < 0.5 else other.centroid) for one, other in shapes]
        found = resolution.evidence([described(pair, random) for pair in shapes])
        for pair, row in zip(shapes, found, strict=True):
            one, other = projected("aeqd", list(pair))
            assert row["distance_m"] == pytest.approx(one.distance(other), rel=5e-3, abs=0.01)
        assert sum(row["distance_m"] > 0 for row in found) > 150

    def test_distances_between_points_are_geodesics(self, resolution: Resolution) -> None:
        random = np.random.default_rng(13)
        lons, lats = random.choice([0, 179.99, -180, 77.7], 300), np.degrees(np.arcsin(random.uniform(-1, 1, 300)))
        lats[:6], metres = [90, -90, 89.999, 0, 0, -89.99], 10 ** random.uniform(0, 6, 300)
        ends = GEOD.fwd(lons, lats, random.uniform(0, 360, 300), metres)[:2]
        pairs = [
            (observation(Point(lon, lat), LISTED_ONCE), observation(Point(end), LISTED_ONCE))
            for lon, lat, *end in zip(lons, lats, *ends, strict=True)
        ]
        found = np.array([row["distance_m"] for row in resolution.evidence(pairs)])
        # The sphere is wrong by up to 0.56 %, on meridians at the equator
        np.testing.assert_allclose(found, metres, rtol=5.7e-3, atol=1e-3)

    def test_near_the_poles(self, resolution: Resolution) -> None:
        random = np.random.default_rng(14)
        shapes = []
        for lat in (86, 89, 89.9, -89.5, -88):
            place = float(random.uniform(-180, 180)), lat
            shapes.append((outline(random, place, 500), Point(degrees_from(*place, [1800], [700])[0])))
        rows = resolution.evidence([described(pair, random) for pair in shapes])
        for pair, row in zip(shapes, rows, strict=True):
            one, other = projected("aeqd", list(pair))
            assert row["distance_m"] == pytest.approx(one.distance(other), rel=5e-3)

    def test_a_touching_edge_is_no_distance_and_no_overlap(self, resolution: Resolution) -> None:
        square, beside = shapely.box(10, 50, 10.01, 50.01), shapely.box(10.01, 50, 10.02, 50.01)
        corner, edge = Point(10, 50), Point(10, 50.005)
        pairs = [(square, beside), (square, corner), (square, edge), (square, square)]
        found = resolution.evidence([(observation(a, AC), observation(b, DC)) for a, b in pairs])
        assert [row["distance_m"] for row in found] == [0] * 4
        assert [row["overlap"] for row in found] == [0, 0, 0, 1]
        assert [row["geometry_level"] for row in found] == [
            "polygons: touch",
            "point in polygon",
            "point in polygon",
            "polygons: iou ≥ 0.8",
        ]


CAPACITIES: dict[str, tuple[dict[str, Any], dict[str, Any], float | None]] = {
    "AC and AC": ({"dataset": AC, "capacity_mw": 10.0}, {"dataset": AC, "capacity_mw": 20.0}, 2),
    "DC says more than AC": (
        {"dataset": AC, "capacity_mw": 10.0, "capacity_mw_dc": 13.0},
        {"dataset": AC, "capacity_mw": 11.0, "capacity_mw_dc": 13.0},
        1,
    ),
    "DC only, as such": ({"dataset": DC, "capacity_mw": 13.0}, {"dataset": DC, "capacity_mw_dc": 13.0}, 1),
    "AC against DC is converted": ({"dataset": AC, "capacity_mw": 10.0}, {"dataset": DC, "capacity_mw": 13.0}, 1),
    "DC against AC is converted": ({"dataset": DC, "capacity_mw": 26.0}, {"dataset": AC, "capacity_mw": 10.0}, 2),
    "stated may be DC": (
        {"dataset": STATED, "capacity_mw": 13.0},
        {"dataset": AC, "capacity_mw": 10.0, "capacity_mw_dc": 13.0},
        1,
    ),
    "stated may be AC": (
        {"dataset": AC, "capacity_mw": 10.0, "capacity_mw_dc": 13.0},
        {"dataset": STATED, "capacity_mw": 10.0},
        1,
    ),
    "stated, where the other is DC only": ({"dataset": STATED, "capacity_mw": 13.0}, {"dataset": DC, "capacity_mw": 13.0}, 1),
    "a source without a profile states": (
        {"dataset": WITHOUT_PROFILE, "capacity_mw": 13.0},
        {"dataset": AC, "capacity_mw": 10.0, "capacity_mw_dc": 13.0},
        1,
    ),
    "none known": ({"dataset": AC}, {"dataset": AC, "capacity_mw": 10.0}, None),
    "nought is unknown": ({"dataset": AC, "capacity_mw": 0.0}, {"dataset": AC, "capacity_mw": 10.0}, None),
    "what was modelled from the area": ({"dataset": MODELLED, "capacity_mw": 10.0}, {"dataset": AC, "capacity_mw": 10.0}, None),
}


class TestCapacity:
    @pytest.mark.parametrize("case", CAPACITIES)
    def test_like_is_compared_with_like(self, resolution: Resolution, case: str) -> None:
        one, other, ratio = CAPACITIES[case]
        pair = observation(Point(0, 0), **one), observation(Point(0, 0), **other)
        for ends in (pair, pair[::-1]):
            with resolution.project.having(dc_ac_ratio=1.3):
                (found,) = resolution.evidence([ends])
            assert found["capacity_ratio"] == (None if ratio is None else pytest.approx(ratio))


class TestPairsCompared:
    @pytest.mark.parametrize(("metres", "suggested", "compared"), [(189, False, True), (191, False, False), (9000, True, True)])
    def test_lie_within_the_search_radius_or_are_suggested(
        self, resolution: Resolution, metres: float, suggested: bool, compared: bool
    ) -> None:
        ends = [Point(10, 50), Point(degrees_from(10, 50, [metres], [0])[0])]
        (found,) = resolution.evidence([tuple(observation(end, LISTED_ONCE) for end in ends)], suggested=suggested)
        assert ("distance_m" in found) == compared
