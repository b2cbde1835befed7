"""Candidate pairs by position, with both spatial methods, against brute force; the plan; the constants of the H3 method."""

from __future__ import annotations

from itertools import combinations, product

import h3
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from resolution_sql import (
    FAR_OFF,
    GEOD,
    LISTED_OFTEN,
    LISTED_ONCE,
    WITHOUT_PROFILE,
    Resolution,
    observation,
    with_an_end_in,
)
from resolution_worlds import DATASETS, Site, distances_m, worlds
from shapely import Point

METHODS = ["envelope_pairs_by_spatial_join", "envelope_pairs_by_h3"]
QUADRATIC = ["NESTED_LOOP", "BLOCKWISE_NL", "PIECEWISE_MERGE", "CROSS_PRODUCT", "IE_JOIN"]


@pytest.fixture(scope="module")
def resolution() -> Resolution:
    return Resolution()


def ordered(keys: list[int], one: int, other: int) -> tuple[int, int]:
    return min(keys[one], keys[other]), max(keys[one], keys[other])


def may_be_one_site(one: Site, other: Site) -> bool:
    return one.row["dataset"] != other.row["dataset"] or one.row["dataset"] == LISTED_OFTEN


class TestByPosition:
    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(world=worlds(), data=st.data())
    def test_no_pair_within_the_search_radius_is_missed(
        self, resolution: Resolution, world: list[Site], data: st.DataObject
    ) -> None:
        keys = resolution.observe([site.row for site in world])
        radii = dict(resolution.con.sql("SELECT observation_key, search_radius_m FROM prep_pv_footprints").fetchall())
        near = {
            ordered(keys, one, other)
            for (one, other), metres in distances_m(world, within_m=5e5).items()
            if metres <= 0.99 * max(radii[keys[one]], radii[keys[other]]) and may_be_one_site(world[one], world[other])
        }
        never = {ordered(keys, a, b) for a, b in combinations(range(len(world)), 2) if not may_be_one_site(world[a], world[b])}
        chosen = data.draw(st.sets(st.sampled_from(keys)))
        resolution.choose(chosen)
        for method in METHODS:
            whole = resolution.pairs_by(method)
            assert near - whole == set(), method
            assert whole & never == set(), method
            assert resolution.pairs_by(method, some="chosen") == with_an_end_in(chosen, whole), method

    @pytest.mark.parametrize("method", METHODS)
    def test_points_just_within_reach_in_every_direction_at_every_latitude(self, resolution: Resolution, method: str) -> None:
        random = np.random.default_rng(7)
        lats = np.concatenate([np.linspace(-89.5, 89.5, 120), [-90, -89.99, -89.9, 89.85, 89.899, 89.95, 90]])
        lons = random.choice([-180, -179.999, 0, 30.5, 179.999, 180], len(lats))
        rows = []
        for lat, lon, radius_m in zip(lats, lons, random.choice([20, 190, 1500], len(lats)), strict=True):
            known = {20: {"reported_area_m2": 100.0}, 1500: {"capacity_mw": 1000.0}}.get(radius_m, {})
            bearings = np.arange(12) * 30.0 + random.uniform(0, 30)
            around = GEOD.fwd(np.full(12, lon), np.full(12, lat), bearings, np.full(12, 0.99 * radius_m))
            rows += [observation(Point(lon, lat), LISTED_ONCE, **known)]
            rows += [
                observation(Point(place), WITHOUT_PROFILE, reported_area_m2=1.0) for place in zip(*around[:2], strict=True)
            ]
        keys = resolution.observe(rows)
        expected = {ordered(keys, centre, centre + 1 + way) for centre in range(0, len(rows), 13) for way in range(12)}
        assert expected - resolution.pairs_by(method) == set()

    @pytest.mark.parametrize("method", METHODS)
    def test_points_just_within_reach_of_the_corners_of_outlines(self, resolution: Resolution, method: str) -> None:
        rows = []
        for lat, lon, width in product([-75.0, -20.0, 0.1, 60.0, 84.0], [179.99999, 12.0], [1e-4, 3e-3, 0.02, 1.0, 4.0]):
            outline = shapely.box(lon - width, lat, lon, lat + width)
            rows.append(observation(outline, LISTED_ONCE))
            radius_m = min(25.0, max(1.0, 0.1 * rows[-1]["area_m2"] ** 0.5))
            for bearing, west, south in product([0, 45, 90], [False, True], [False, True]):
                # Away from the outline, of which the corner is the nearest place
                away = (180 - bearing if south else bearing) * (-1 if west else 1)
                corner = lon - width * west, lat + width * (not south)
                beside = GEOD.fwd(*corner, away, 0.97 * radius_m)[:2]
                rows.append(observation(Point(beside), WITHOUT_PROFILE, reported_area_m2=1.0))
        keys = resolution.observe(rows)
        expected = {ordered(keys, whole, whole + 1 + way) for whole in range(0, len(rows), 13) for way in range(12)}
        assert expected - resolution.pairs_by(method) == set()

    def test_the_search_radius_follows_the_size(self, resolution: Resolution) -> None:
        square = shapely.box(10, 50, 10.001, 50.001)
        known = [
            (190, Point(1, 1), LISTED_ONCE, {}),  # of no known size
            (190, square, "chn_med_res_pv_2024", {}),  # a sample plot: not the site's outline
            (632.4555, Point(1, 1), LISTED_ONCE, {"capacity_mw": 5.0}),  # 2 √(5 × 20,000 m²)
            (10, Point(1, 1), LISTED_ONCE, {"reported_area_m2": 9.0}),
            (1500, Point(1, 1), LISTED_ONCE, {"capacity_mw": 1000.0, "reported_area_m2": 0.0}),
            (1500, Point(1, 1), FAR_OFF, {"capacity_mw": 5.0}),  # its profile's
            (8.93, square, LISTED_ONCE, {}),  # a tenth of √7975 m²
            (1, shapely.box(10, 50, 10.00005, 50.00005), LISTED_ONCE, {"capacity_mw": 5.0}),
            (25, shapely.box(10, 50, 10.1, 50.1), LISTED_ONCE, {}),
        ]
        keys = resolution.observe([observation(shape, dataset, **more) for _, shape, dataset, more in known])
        found = {row["observation_key"]: row["search_radius_m"] for row in resolution.rows("FROM prep_pv_footprints")}
        assert [found[key] for key in keys] == pytest.approx([metres for metres, *_ in known], rel=2e-5)


class TestPlan:
    @pytest.mark.parametrize("replaces_part", [False, True], ids=["whole", "part"])
    def test_no_join_is_quadratic(self, resolution: Resolution, replaces_part: bool) -> None:
        random = np.random.default_rng(1)
        rows = [
            observation(shapely.box(lon, lat, lon + 0.001, lat + 0.001), dataset, name=f"Alpha {lon}", country_iso3="DEU")
            for (lon, lat), dataset in zip(random.uniform(45, 46, (4000, 2)), random.choice(DATASETS, 4000), strict=True)
        ]
        resolution.observe(rows)
        with resolution.project.having(replaces_part=replaces_part):
            model = resolution.project.model("prep_pv_candidates")
        for query in (
            model,
            resolution.project.render("{{ envelope_pairs_by_spatial_join('prep_pv_footprints', 'prep_pv_footprints') }}"),
        ):
            plan = resolution.con.execute(f"EXPLAIN {query}").fetchall()[0][1]
            assert "SPATIAL_JOIN" in plan
            assert [operator for operator in QUADRATIC if operator in plan] == []


class TestHexagons:
    def test_edges_are_those_of_h3(self, resolution: Resolution) -> None:
        edges = resolution.project.render("{{ h3_edges_m() | join(' ') }}").split()
        expected = [h3.average_hexagon_edge_length(res, unit="m") for res in range(12, -1, -1)]
        assert [float(edge) for edge in edges] == pytest.approx(expected, rel=1e-8)

    @pytest.mark.parametrize("res", range(13))
    def test_cells_that_are_no_neighbours_are_further_apart_than_reach(self, resolution: Resolution, res: int) -> None:
        """All cells up to resolution 2; beyond, the pentagons' surroundings, where cells are smallest, and others at random."""
        random = np.random.default_rng(res)
        if res <= 2:
            cells = {cell for base in h3.get_res0_cells() for cell in h3.cell_to_children(base, res)}
        else:
            places = zip(np.degrees(np.arcsin(random.uniform(-1, 1, 150))), random.uniform(-180, 180, 150), strict=True)
            cells = {h3.latlng_to_cell(lat, lon, res) for lat, lon in places}
            cells |= {near for pentagon in h3.get_pentagons(res)[:6] for near in h3.grid_disk(pentagon, 3)}
        # Whatever is no neighbour is at least as far as the next ring but one
        apart = [(cell, other) for cell in cells for other in set(h3.grid_disk(cell, 2)) - set(h3.grid_disk(cell, 1))]
        least = min(least_distance_m(apart[first : first + 20_000]) for first in range(0, len(apart), 20_000))
        reach = float(resolution.project.render("{{ h3_reach() }}"))
        assert least / h3.average_hexagon_edge_length(res, unit="m") >= reach


def least_distance_m(apart: list[tuple[str, str]]) -> float:
    """Least distance between the outlines of pairs of cells on the sphere; edges are arcs of great circles."""
    corners = {cell: on_sphere(cell) for cell in {cell for pair in apart for cell in pair}}
    most = max(len(places) for places in corners.values())
    # The last one repeated where there are fewer
    filled = {cell: np.pad(places, ((0, most - len(places)), (0, 0)), mode="edge") for cell, places in corners.items()}
    ones, others = (np.stack([filled[pair[end]] for pair in apart]) for end in (0, 1))
    starts, ends = others, np.roll(others, -1, axis=1)
    to_corners = np.linalg.norm(ones[:, :, None] - starts[:, None], axis=-1)
    # A corner's distance from an arc is that from its great circle where its foot is on the arc
    normals = np.cross(starts, ends)
    lengths = np.linalg.norm(normals, axis=-1)
    normals = normals / np.where(lengths > 1e-15, lengths, np.inf)[..., None]
    height = np.abs(np.einsum("pik,pjk->pij", ones, normals))
    after = np.einsum("pik,pjk->pij", ones, np.cross(normals, starts)) > 0
    before = np.einsum("pik,pjk->pij", ones, np.cross(ends, normals)) > 0
    to_arcs = np.where(after & before & (lengths > 1e-15)[:, None], height, np.inf)
    chord = min(to_corners.min(), 2 * np.sin(np.arcsin(min(1.0, to_arcs.min())) / 2))
    return 6_371_007.18 * 2 * np.arcsin(chord / 2)


def on_sphere(cell: str) -> np.ndarray:
    """Corners of a cell as unit vectors."""
    lat, lon = np.radians(h3.cell_to_boundary(cell)).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
