"""The true sites of the sample world: disjoint, of all sorts, with areas and capacities that hold up."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from dataflows.sample.region import BBOX_DEG
from dataflows.sample.world import GAP_M, true_sites

WGS84 = Geod(ellps="WGS84")


def crossing_pairs(geometry: np.ndarray) -> int:
    one, other = shapely.STRtree(geometry).query(geometry, predicate="intersects")
    return int((one < other).sum())


@pytest.fixture(scope="module")
def sites():
    return true_sites(400, seed=20261120).set_index("site_id", drop=False).to_crs("EPSG:4326")


def test_true_sites_cover_all_sorts(sites):
    assert len(sites) == 400
    assert sites.index.is_unique
    assert sites["area_m2"].min() < 30
    assert sites["area_m2"].max() > 1e6
    assert sites["installed_year"].between(2005, 2024).all()
    west, south, east, north = sites.total_bounds
    assert (west, south) > BBOX_DEG[:2]
    assert (east, north) < BBOX_DEG[2:]
    assert set(sites["level"]) == {"rooftop", "array", "plant"}
    assert (shapely.get_num_geometries(sites.geometry) > 1).any()
    assert shapely.get_num_interior_rings(shapely.get_parts(sites.geometry.to_numpy())).any()
    ground = sites[sites["level"] == "plant"]
    assert ground["capacity_mw_dc"].sum() / ground["area_m2"].sum() * 1e6 == pytest.approx(50, rel=0.2)
    assert (sites["capacity_mw"] < sites["capacity_mw_dc"]).all()


def test_areas_are_geodesic(sites):
    area_m2 = [abs(WGS84.geometry_area_perimeter(geometry)[0]) for geometry in sites.geometry]
    np.testing.assert_allclose(sites["area_m2"], area_m2, rtol=1e-5)


def test_phases_make_up_their_plant_and_neighbours_stay_apart(sites):
    phases = sites[sites["part_of"].notna()]
    for plant, members in phases.groupby("part_of"):
        assert sites.level[plant] == "plant"
        assert shapely.equals(sites.geometry[plant], shapely.union_all(members.geometry))
        assert sites.capacity_mw_dc[plant] == pytest.approx(members["capacity_mw_dc"].sum())
        assert sites.installed_year[plant] == members["installed_year"].min()
    plants = sites[sites["level"] == "plant"].to_crs("EPSG:3035")
    one, other = shapely.STRtree(plants.geometry).query(plants.geometry, predicate="dwithin", distance=2 * GAP_M[1])
    neighbours = [(a, b) for a, b in zip(one, other, strict=True) if a < b]
    assert len(neighbours) >= 5
    for a, b in neighbours:
        assert plants["operator"].iloc[a] != plants["operator"].iloc[b]
        assert plants.geometry.iloc[a].distance(plants.geometry.iloc[b]) > GAP_M[0] * 0.9


@settings(max_examples=25)
@given(seed=st.integers(0, 2**64), sites=st.integers(100, 300))
def test_any_world_has_valid_disjoint_sites(seed, sites):
    world = true_sites(sites, seed)
    assert len(world) == sites
    assert world.geometry.is_valid.all()
    assert (world["area_m2"] >= 9.99).all()
    assert crossing_pairs(world.geometry[~world["site_id"].isin(world["part_of"])].to_numpy()) == 0
    assert crossing_pairs(world.geometry[world["part_of"].isna()].to_numpy()) == 0
