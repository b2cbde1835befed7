"""Shares of sites on kinds of areas: the macro against shapely in an equal-area projection, properties, and the plan."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from land_sql import Land, Row, box, site
from resolution_sql import local_crs

# What sites settled by degrees are right to
ERROR = 1e-4
KINDS = ["crop", "forest", "urban"]

pieces = st.tuples(
    st.floats(-400, 400), st.floats(-400, 400), st.floats(1, 600), st.floats(1, 600), st.sampled_from(KINDS), st.integers(0, 3)
)


@pytest.fixture(scope="module")
def land() -> Land:
    return Land()


def expected(shape: shapely.Geometry, areas: list[Row]) -> dict[str, float]:
    """Share by kind: one after the other, areas have what is left of the site; in a local equal-area projection."""
    lon, lat = shapely.get_coordinates(shape.centroid)[0]
    local = pyproj.Transformer.from_crs("EPSG:4326", local_crs("laea", lon, lat), always_xy=True)

    def projected(geometry: shapely.Geometry) -> shapely.Geometry:
        # edges are straight in degrees
        return shapely.transform(shapely.segmentize(geometry, 2e-4), local.transform, interleaved=False)

    left = whole = projected(shape)
    shares: dict[str, float] = defaultdict(float)
    for row in sorted(areas, key=lambda row: (row["area_rank"], row["kind"])):
        rest = left.difference(projected(row["geometry"]))
        shares[row["kind"]] += (left.area - rest.area) / whole.area
        left = rest
    return shares


def ranked(geometry: shapely.Geometry, kind: str, rank: float = 0.0, layer: int = 0) -> Row:
    return {"geometry": geometry, "kind": kind, "area_rank": rank, "layer": layer}


def star(random: np.random.Generator, place: tuple[float, float], size_m: float, corners: int) -> shapely.Polygon:
    """A polygon that is convex at times."""
    angle = np.sort(random.uniform(0, 2 * np.pi, corners))
    radius = size_m / 2 * random.uniform(0.3, 1, corners)
    north = radius * np.sin(angle) / 111_320
    east = radius * np.cos(angle) / 111_320 / np.cos(np.radians(place[1]))
    shape = shapely.Polygon(np.column_stack([place[0] + east, place[1] + north]))
    return shape if shape.is_valid else shape.convex_hull


@pytest.mark.parametrize("lon", [10.0, -179.999, 180.0])
def test_shares_are_those_in_an_equal_area_projection(land: Land, lon: float) -> None:
    random = np.random.default_rng(int(abs(lon)))
    shapes, around = [], []
    for _ in range(80):
        size_m = 10 ** random.uniform(1, 3.7)
        lat = float(random.uniform(-70, 70))
        shapes.append(star(random, (lon, lat), size_m, int(random.integers(4, 9))))
        offsets = random.uniform(-0.7, 0.7, (int(random.integers(1, 6)), 2)) * size_m / 111_320
        around.append(
            [
                ranked(
                    star(random, (lon + east / np.cos(np.radians(lat)), lat + north), size_m * random.uniform(0.3, 2), 7),
                    str(random.choice(KINDS)),
                    float(random.integers(0, 4)),
                )
                for east, north in offsets
            ]
        )
    for number in range(len(shapes)):
        land.place([site(shapes[number])])
        found = land.shares(around[number])
        reference = expected(shapes[number], around[number])
        for kind in KINDS:
            assert found.get(("s0", kind), 0.0) == pytest.approx(reference.get(kind, 0.0), abs=2 * ERROR)


@settings(max_examples=60)
@given(given_areas=st.lists(pieces, min_size=1, max_size=8), random=st.randoms(use_true_random=False))
def test_shares_add_up_and_know_nothing_of_parts_and_orders(land: Land, given_areas: list[tuple], random) -> None:
    shapes = [box(-100, -100, 200, 200), box(150, 0, 30, 30), box(-3000, -3000, 6000, 6000)]
    land.place([site(shape) for shape in shapes])
    areas = [ranked(box(*place), kind, float(rank)) for *place, kind, rank in given_areas]
    whole = land.shares(areas)
    total: dict[str, float] = defaultdict(float)
    for (site_id, _), share in whole.items():
        assert 0 <= share <= 1
        total[site_id] += share
    assert all(share <= 1 + 1e-9 for share in total.values())

    halves = []
    for area in areas:
        west, east, north_east, north_west = shapely.get_coordinates(area["geometry"])[:4]
        # Edges are straight in degrees, and so are they cut: half a kilometre bends by centimetres in metres
        at = random.uniform(0.2, 0.8)
        south, north = west + at * (east - west), north_west + at * (north_east - north_west)
        halves += [
            {**area, "geometry": shapely.Polygon([west, south, north, north_west])},
            {**area, "geometry": shapely.Polygon([south, east, north_east, north])},
        ]
    random.shuffle(halves)
    in_parts = land.shares(halves)
    for key in whole.keys() | in_parts.keys():
        assert in_parts.get(key, 0.0) == pytest.approx(whole.get(key, 0.0), abs=2 * ERROR)


def test_overlapping_areas_of_one_kind_count_once(land: Land) -> None:
    land.place([site(box(0, 0, 100, 100))])
    assert land.shares([ranked(box(0, 0, 60, 100), "crop"), ranked(box(40, 0, 30, 100), "crop")]) == {
        ("s0", "crop"): pytest.approx(0.7, abs=1e-5)
    }


def test_the_area_of_the_least_rank_has_the_place(land: Land) -> None:
    land.place([site(box(0, 0, 100, 100))])
    around = [ranked(box(-50, -50, 300, 300), "urban", 9), ranked(box(0, 0, 25, 100), "crop", 1)]
    found = land.shares(around)
    assert found == {("s0", "crop"): pytest.approx(0.25, abs=1e-5), ("s0", "urban"): pytest.approx(0.75, abs=1e-6)}


def test_what_covers_the_site_leaves_nothing_to_what_ranks_after_it(land: Land) -> None:
    land.place([site(box(0, 0, 100, 100))])
    assert land.shares([ranked(box(-1, -1, 102, 102), "crop", 1), ranked(box(0, 0, 50, 50), "urban", 2)]) == {
        ("s0", "crop"): 1.0
    }


def test_what_only_touches_a_site_is_not_under_it(land: Land) -> None:
    shape = shapely.box(10, 50, 10.001, 50.001)
    land.place([site(shape)])
    assert land.shares([ranked(shapely.box(10.001, 50, 10.002, 50.001), "crop")]) == {}


def test_the_finest_layer_that_a_site_meets_counts(land: Land) -> None:
    land.place([site(box(0, 0, 100, 100)), site(box(5000, 0, 100, 100))])
    coarse, fine = ranked(box(-100, -100, 9000, 300), "crop", layer=3), ranked(box(-100, -100, 300, 300), "urban", layer=8)
    assert land.shares([coarse, fine]) == {("s0", "urban"): 1.0, ("s1", "crop"): 1.0}


def test_a_point_is_on_one_area_alone(land: Land) -> None:
    corner = shapely.Point(10, 50)
    land.place([site(corner)])
    around = [ranked(shapely.box(10, 50, 10.1, 50.1), "urban"), ranked(shapely.box(9.9, 49.9, 10, 50), "crop")]
    assert land.shares(around) == {("s0", "crop"): 1.0} == land.shares(around[::-1])


# What is left of slow joins compares with a few dozen rules, one time, and the grids of a few rasters
@pytest.mark.parametrize(
    ("model", "spatial", "slow"),
    [
        ("prep_pv_land", 2, []),
        ("prep_pv_buildings", 3, ["BLOCKWISE_NL_JOIN", "NESTED_LOOP_JOIN"]),
        ("prep_pv_resource", 2, ["CROSS_PRODUCT", "CROSS_PRODUCT"]),
    ],
)
def test_the_joins_of_the_models_are_spatial(land: Land, model: str, spatial: int, slow: list[str]) -> None:
    land.place([site(box(0, 0, 100, 100))])
    land.build("prep_pv_land")
    ((_, plan),) = land.con.execute(f"EXPLAIN (FORMAT json) {land.sql(model)}").fetchall()
    joins = [name for name in operators(json.loads(plan)) if "JOIN" in name or "PRODUCT" in name]
    assert joins.count("SPATIAL_JOIN") == spatial
    assert sorted(name for name in joins if name not in ("SPATIAL_JOIN", "HASH_JOIN")) == slow


def operators(nodes: list[dict[str, Any]]) -> list[str]:
    return [name for node in nodes for name in (node["name"].strip(), *operators(node["children"]))]
