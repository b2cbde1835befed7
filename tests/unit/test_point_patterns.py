"""Ripley's K against pointpats and plain pairs, and its windows."""

from __future__ import annotations

import numpy as np
import pointpats
import pyarrow as pa
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.prepared.statistics import point_patterns
from dataflows.prepared.statistics.point_patterns import chosen_pattern, k_of, uniform_points
from dataflows.prepared.statistics.tables import area_statistics
from db.errors import BuildError

NO_CELLS = pa.table(
    {
        name: pa.array([], kind)
        for name, kind in (
            ("area", pa.string()),
            ("resolution", pa.uint8()),
            ("cell", pa.uint64()),
            ("n_installations", pa.int64()),
            ("capacity_mw", pa.float64()),
            ("cell_area_km2", pa.float64()),
        )
    }
)


def places(points: list[tuple[float, float]], area: str = "XHE") -> pa.Table:
    lon, lat = zip(*points, strict=True)
    ids = [f"pv-{number:05}" for number in range(len(points))]
    return pa.table({"area": [area] * len(points), "installation_id": ids, "centroid_lon_deg": lon, "centroid_lat_deg": lat})


def area(
    window: shapely.Geometry, *, is_chosen: bool = True, name: str = "XHE", max_distance_m: float | None = None
) -> pa.Table:
    return pa.table(
        {
            "area": [name],
            "is_chosen": [is_chosen],
            "study_window": [shapely.to_wkb(window)],
            "random_patterns": [39],
            "seed": [1],
            "max_distance_m": pa.array([max_distance_m], pa.float64()),
        }
    )


def random_places(window: tuple[float, float, float, float], n: int, seed: int = 0) -> list[tuple[float, float]]:
    west, south, east, north = window
    random = np.random.default_rng(seed)
    # Uniform on the sphere
    sines = random.uniform(np.sin(np.radians(south)), np.sin(np.radians(north)), n)
    return list(zip(random.uniform(west, east, n).tolist(), np.degrees(np.arcsin(sines)).tolist(), strict=True))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=40), st.integers(1, 60))
def test_k_counts_pairs(points: list[tuple[int, int]], distance: int) -> None:
    n = len(points)
    near = sum((ax - bx) ** 2 + (ay - by) ** 2 <= distance**2 for ax, ay in points for bx, by in points) - n
    (found,) = k_of(np.array(points, float), 2500.0, np.array([float(distance)]))
    assert found == pytest.approx(near * 2500 / (n * (n - 1)))


def test_k_is_that_of_pointpats_within_the_hull_of_the_points() -> None:
    points = np.random.default_rng(2).uniform(0, 1000, (200, 2))
    distances = np.linspace(20, 200, 10)
    _, theirs = pointpats.k(points, support=distances)
    box = np.ptp(points, axis=0).prod()
    # pointpats divides by n², which is biased
    np.testing.assert_allclose(k_of(points, box, distances), theirs * 200 / 199)


def test_random_points_are_uniform_within_the_window() -> None:
    window = shapely.difference(shapely.box(0, 0, 10, 10), shapely.box(0, 0, 5, 5))
    points = uniform_points(window, 30_000, np.random.default_rng(1))
    assert len(points) == 30_000
    assert shapely.contains_xy(window, points).all()
    counts = np.histogram2d(*points.T, bins=2, range=((0, 10), (0, 10)))[0].ravel()
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:], 10_000, rtol=0.03)


BOX = (10.0, 50.0, 11.0, 50.7)


def test_a_pattern_without_order_stays_within_the_envelope_and_a_clustered_one_does_not() -> None:
    window = shapely.box(*BOX)
    random = random_places(BOX, 400)
    rows = area_statistics(NO_CELLS, places(random), area(window)).to_pylist()
    assert len(rows) == 20
    within = [row["simulated_low"] <= row["value"] <= row["simulated_high"] for row in rows]
    assert np.mean(within) > 0.7
    # What is missing beyond the edges, at a quarter of the shorter side
    assert 0.6 < rows[-1]["simulated_low"] / rows[-1]["expected"] < rows[-1]["simulated_high"] / rows[-1]["expected"] < 1

    clustered = [(10.5 + (lon - 10.5) / 8, 50.35 + (lat - 50.35) / 8) for lon, lat in random[:200]] + random[200:]
    rows = area_statistics(NO_CELLS, places(clustered), area(window)).to_pylist()
    assert all(row["value"] > row["simulated_high"] for row in rows)
    assert {row["p_simulated"] for row in rows} == {1 / 40}


def test_the_window_has_its_area_and_distances_are_metres() -> None:
    window = shapely.box(*BOX)
    pattern = chosen_pattern(places(random_places(BOX, 50)), area(window, max_distance_m=12_000.0))
    # Along parallels the box is wider than the geodesics between its corners: compare with many corners
    geodesic, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(shapely.segmentize(window, 0.01))
    assert pattern.window.area == pytest.approx(geodesic, rel=1e-5)
    lon, lat = random_places(BOX, 50)[0], random_places(BOX, 50)[1]
    _, _, metres = pyproj.Geod(ellps="WGS84").inv(*lon, *lat)
    assert np.hypot(*(pattern.points[0] - pattern.points[1])) == pytest.approx(metres, rel=1e-3)
    assert pattern.distances_m[-1] == 12_000
    assert len(pattern.distances_m) == 20


def test_an_area_across_the_antimeridian_is_one() -> None:
    here = random_places(BOX, 300)
    there = [(lon + 169.5 if lon < 10.5 else lon - 190.5, lat) for lon, lat in here]
    window = shapely.union_all([shapely.box(179.5, 50, 180, 50.7), shapely.box(-180, 50, -179.5, 50.7)])
    expected = area_statistics(NO_CELLS, places(here), area(shapely.box(*BOX)))
    found = area_statistics(NO_CELLS, places(there), area(window))
    for column in ("distance_m", "value"):
        np.testing.assert_allclose(found[column].to_numpy(), expected[column].to_numpy(), rtol=1e-4)
    assert found["n"].to_pylist() == [300] * 20


def test_sites_outside_the_window_do_not_count_and_those_that_span_it_do() -> None:
    points = [(10.0, 50.0), (11.0, 50.0), (11.0, 50.7), (10.0, 50.7), *random_places(BOX, 20), (12.5, 50.2)]
    pattern = chosen_pattern(places(points), area(shapely.box(*BOX)))
    assert len(pattern.points) == 24


def test_many_sites_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    points, window = places(random_places(BOX, 3000)), area(shapely.box(*BOX))
    whole = area_statistics(NO_CELLS, points, window)
    monkeypatch.setattr(point_patterns, "MAX_POINTS", 1500)
    thinned = area_statistics(NO_CELLS, points, window)
    assert thinned["n"].to_pylist() == [1500] * 20
    np.testing.assert_allclose(thinned["value"].to_numpy()[5:], whole["value"].to_numpy()[5:], rtol=0.05)
    assert thinned.equals(area_statistics(NO_CELLS, points, window))


def test_an_area_that_the_lake_has_not_is_an_error() -> None:
    with pytest.raises(BuildError, match="study_area"):
        area_statistics(NO_CELLS, places([(10.2, 50.2)]), area(shapely.box(*BOX), is_chosen=False))


@pytest.mark.parametrize("points", [[(10.2, 50.2)], [(20.0, 50.2), (20.0, 50.3)]], ids=["one site", "none within"])
def test_too_few_sites_are_no_pattern(points) -> None:
    assert len(area_statistics(NO_CELLS, places(points), area(shapely.box(*BOX)))) == 0
