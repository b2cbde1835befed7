"""Distances to areas against pyproj: the least over places so close together on the border that none can be missed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity

from dataflows.prepared.locate import nearby

GEOD = pyproj.Geod(ellps="WGS84")
MAX_M = 25_000.0


def found(
    points: list[tuple[float, float]], areas: list[shapely.Geometry], levels: list[str] | None = None
) -> dict[tuple[str, str], float]:
    """Distances by (installation_id, area_id); both are positions."""
    lon, lat = np.array(points, float).T
    ids = [str(number) for number in range(len(areas))]
    rows = nearby(
        pa.table(
            {
                "installation_id": list(map(str, range(len(lon)))),
                "level": ["country"] * len(lon),
                "lon_deg": lon,
                "lat_deg": lat,
            }
        ),
        pa.table(
            {"area_id": ids, "level": levels or ["country"] * len(ids), "geometry": shapely.to_wkb(np.array(areas, object))}
        ),
        MAX_M,
    ).to_pylist()
    return {(row["installation_id"], row["area_id"]): row["distance_m"] for row in rows}


def least_m(lon: float, lat: float, area: shapely.Geometry, step_deg: float = 1e-4) -> float:
    """Least geodesic distance to places at most a step apart on the border (straight in degrees)."""
    places = shapely.get_coordinates(shapely.segmentize(area.boundary, step_deg))
    return float(GEOD.inv(np.full(len(places), lon), np.full(len(places), lat), *places.T)[2].min())


@given(st.floats(-179, 178), st.floats(-84, 84), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_equals_the_least_distance(lon: float, lat: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    angle = np.sort(random.uniform(0, 2 * np.pi, 12))
    coast = shapely.make_valid(
        shapely.Polygon(np.column_stack([np.cos(angle), np.sin(angle)]) * random.uniform(0.03, 0.15, (12, 1)))
    )
    wide = 1 / np.cos(np.radians(lat))
    coast = affinity.translate(affinity.scale(coast, wide, 1, origin=(0, 0)), lon, lat).intersection(
        shapely.box(-180, -90, 180, 90)
    )
    point = (float(np.clip(lon + random.uniform(-0.3, 0.3) * wide, -180, 180)), lat + random.uniform(-0.3, 0.3))
    expected = least_m(*point, coast)
    error = 1e-3 if abs(lat) < 70 else 1e-2
    if expected > MAX_M * (1 - error):
        return
    (distance,) = found([point], [coast]).values()
    # places on the border are up to half a step (6 m) off the nearest one; ours is on the border, so never too near
    assert expected - 7 <= distance <= expected * (1 + error) + 7


def test_200_m_off_a_coast() -> None:
    coast = shapely.Polygon([(-0.5, 50), (0, 50), (0, 51), (-0.5, 51)])
    lon, lat, _ = GEOD.fwd(0, 50.5, 90, 200)
    assert found([(lon, lat)], [coast])[("0", "0")] == pytest.approx(200, abs=0.01)


def test_across_the_antimeridian() -> None:
    east, west = shapely.box(179, -17, 179.99, -16), shapely.box(-179.95, -17, -179, -16)
    distances = found([(-179.99, -16.5), (180.0, -16.5), (-180.0, -16.5)], [east, west])
    degree = GEOD.inv(0, -16.5, 1, -16.5)[2]
    assert distances[("0", "0")] == pytest.approx(0.02 * degree, rel=1e-4)
    assert distances[("0", "1")] == pytest.approx(0.04 * degree, rel=1e-4)
    assert distances[("1", "0")] == pytest.approx(distances[("2", "0")]) == pytest.approx(0.01 * degree, rel=1e-4)


def test_at_the_pole() -> None:
    cap = shapely.box(-180, 89.9, 180, 90)
    assert found([(0, 90)], [cap])[("0", "0")] == pytest.approx(0, abs=0.01)
    ring = shapely.box(-180, 89, 180, 89.9)
    assert found([(123, 90)], [ring])[("0", "0")] == pytest.approx(GEOD.inv(0, 90, 0, 89.9)[2], rel=1e-6)


def test_only_what_is_within_reach_and_of_the_level() -> None:
    # 25 km are 0.2245° of latitude at 50°
    near, far, region = shapely.box(0, 50.224, 1, 51), shapely.box(0, 50.226, 1, 51), shapely.box(0, 50.1, 1, 51)
    distances = found([(0.5, 50)], [near, far, region], ["country", "country", "region"])
    assert set(distances) == {("0", "0")}


def test_every_area_within_reach_is_told() -> None:
    south, north = shapely.box(0, 49, 1, 49.9), shapely.box(0, 50.1, 1, 51)
    distances = found([(0.5, 49.99), (10, 50)], [south, north])
    assert set(distances) == {("0", "0"), ("0", "1")}
    assert distances[("0", "0")] < distances[("0", "1")]


def test_nothing_to_ask() -> None:
    empty = pa.table({"installation_id": pa.array([], pa.string()), "level": pa.array([], pa.string())})
    empty = empty.append_column("lon_deg", pa.array([], pa.float64())).append_column("lat_deg", pa.array([], pa.float64()))
    areas = pa.table({"area_id": ["0"], "level": ["country"], "geometry": [shapely.to_wkb(shapely.box(0, 0, 1, 1))]})
    assert nearby(empty, areas, MAX_M).num_rows == 0
    no_areas = areas.slice(0, 0)
    points = pa.table({"installation_id": ["0"], "level": ["country"], "lon_deg": [0.0], "lat_deg": [0.0]})
    assert nearby(points, no_areas, MAX_M).num_rows == 0
