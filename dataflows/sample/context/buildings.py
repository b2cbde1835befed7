"""Buildings of Helia: under modules, beside plants, and where there is no PV at all."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from dataflows.sample.footprints import RECTANGLE, affine
from dataflows.sample.region import HALF_EXTENT_M, LOCAL_CRS

NEIGHBOURS = 3
"""Houses beside each roof with modules. They carry none."""

NEIGHBOUR_GAP_M = 8.0

CANOPIES, CANOPY_M2 = 8, (100.0, 5_000.0)
"""Roofs that are those of carports: how many, and the areas of their arrays."""

PARKED = 4
"""Further such arrays that stand over a car park, and of whose roofs nobody has mapped anything."""

BURIED = 2
"""Plants above buildings that are wholly underground, and so carry nothing."""

PLANT_M2, PLANT_M2_PER_HOUSE = 20_000.0, 400_000.0
"""Area from which on a plant has inverter houses, and how much more it takes for each further one."""

MIN_ON_BUILDING = 0.5
"""Share of a site on buildings above the ground from which on it is mounted on them."""

VILLAGES, HOUSES = 8, 60
VILLAGE_RADIUS_M = 600.0
"""Villages without PV, in the outskirts of the island."""

OUTSKIRTS_M = 100_000.0

KINDS = pd.DataFrame(
    {
        "subtype": ["residential", "commercial", "industrial", "service", "outbuilding", "transportation"],
        "class": ["house", "warehouse", "industrial", "service", "carport", "parking"],
        "height": [7.5, 9.0, 11.0, 3.0, 4.0, None],
        "num_floors": [2, 1, 1, None, None, None],
    },
    index=["house", "shop", "works", "inverters", "canopy", "underground"],
)
"""Overture's subtypes and classes."""

UNCLASSIFIED = 0.4
"""Share of houses and works whose subtype and class nobody has mapped."""


@dataclass(frozen=True)
class Buildings:
    """Buildings and car parks to publish, and how each site is truly mounted.

    Args:
        buildings: in EPSG:4326, columns ``subtype``, ``class``, ``height`` (m), ``num_floors``, ``is_underground`` and
            ``geometry``.
        infrastructure: in EPSG:4326, columns ``subtype``, ``class``, ``level`` and ``geometry``: car parks, some of them
            underground, and racks for bicycles.
        truth: one row a site: ``site_id``, ``mount`` (rooftop|canopy|ground) and ``building_share``, the part of the true
            outline's area that lies on buildings above the ground.
    """

    buildings: gpd.GeoDataFrame
    infrastructure: gpd.GeoDataFrame
    truth: pd.DataFrame


def build(sites: gpd.GeoDataFrame, rng: np.random.Generator) -> Buildings:
    """Build Helia.

    Args:
        sites: of ``true_sites``.
        rng: the random stream.
    """
    roofs, arrays = sites[sites["level"] == "rooftop"], sites[(sites["level"] == "array") & sites["part_of"].isna()]
    sized = roofs[roofs["area_m2"].between(*CANOPY_M2)]
    canopies, parked = sized[:CANOPIES], sized[CANOPIES : CANOPIES + PARKED]
    buried = arrays[:BURIED]
    is_canopy = roofs["site_id"].isin(canopies["site_id"])
    small, middling = roofs["area_m2"] < 200, roofs["area_m2"] < 800
    roof_kind = np.select([is_canopy, small, middling], ["canopy", "house", "shop"], "works")
    beneath = _under(roofs.geometry.to_numpy(), rng)
    is_parked = roofs["site_id"].isin(parked["site_id"]).to_numpy()
    layers = [
        (beneath[~is_parked], roof_kind[~is_parked]),
        (_under(buried.geometry.to_numpy(), rng), "underground"),
        (_beside(roofs.geometry.to_numpy(), rng), "house"),
        (_inverter_houses(sites[sites["area_m2"] >= PLANT_M2], rng), "inverters"),
        (_villages(sites, rng), "house"),
    ]
    geometry = np.concatenate([shapes for shapes, _ in layers])
    kind = np.concatenate([np.broadcast_to(np.asarray(kind, dtype=object), len(shapes)) for shapes, kind in layers])
    table = KINDS.loc[kind].reset_index(names="kind").assign(is_underground=kind == "underground")
    unknown = np.isin(kind, ["house", "shop", "works"]) & (rng.random(len(kind)) < UNCLASSIFIED)
    table.loc[unknown, ["subtype", "class"]] = None
    buildings = gpd.GeoDataFrame(table.drop(columns="kind"), geometry=geometry, crs=LOCAL_CRS)
    car_parks = _car_parks(parked.geometry.to_numpy(), buried.geometry.to_numpy(), geometry, rng)
    share = _share_on(sites.geometry.to_numpy(), geometry[kind != "underground"])
    on_canopy = sites["site_id"].isin([*canopies["site_id"], *parked["site_id"]])
    truth = pd.DataFrame(
        {
            "site_id": sites["site_id"],
            "mount": np.select([on_canopy, share >= MIN_ON_BUILDING], ["canopy", "rooftop"], "ground"),
            "building_share": share,
        }
    )
    return Buildings(buildings.to_crs("EPSG:4326"), car_parks.to_crs("EPSG:4326"), truth)


def _under(arrays: NDArray[np.object_], rng: np.random.Generator) -> NDArray[np.object_]:
    """A rectangular building under each array: mostly larger, a fifth of them smaller, all a little off."""
    n = len(arrays)
    stretch = np.where(rng.random(n) < 0.2, rng.uniform(0.85, 0.97, n), rng.uniform(1.1, 1.7, n))
    off_m = 0.03 * np.sqrt(shapely.area(arrays))[:, None] * rng.normal(size=(n, 2))
    rectangles = shapely.oriented_envelope(arrays)
    centre = shapely.get_coordinates(shapely.centroid(rectangles))
    return affine(rectangles, scale=np.repeat(stretch[:, None], 2, axis=1), shift=off_m, origin=centre)


def _car_parks(
    parked: NDArray[np.object_], buried: NDArray[np.object_], buildings: NDArray[np.object_], rng: np.random.Generator
) -> gpd.GeoDataFrame:
    """Car parks around canopies, beside some of the buildings, and under ground-mounted arrays; racks for bicycles."""
    around = shapely.buffer(shapely.oriented_envelope(parked), rng.uniform(15, 40, len(parked)), join_style="mitre")
    beside = _rectangles(
        shapely.get_coordinates(shapely.centroid(buildings[::50])) + 60,
        rng.uniform(20, 40, len(buildings[::50])),
        rng.uniform(10, 20, len(buildings[::50])),
        rng.uniform(0, np.pi, len(buildings[::50])),
    )
    # of a car park, the places too: they overlap it
    places = shapely.buffer(shapely.centroid(parked), 6, quad_segs=1)
    racks = shapely.buffer(shapely.centroid(buildings[::80]), 3, quad_segs=1)
    layers = [
        (around, "parking", None),
        (beside, "parking", None),
        (places, "parking_space", None),
        (shapely.oriented_envelope(buried), "parking", -1),
        (racks, "bicycle_parking", None),
    ]
    return gpd.GeoDataFrame(
        {
            "subtype": "transit",
            "class": [kind for shapes, kind, _ in layers for _ in shapes],
            "level": pd.array([level for shapes, _, level in layers for _ in shapes], "Int32"),
        },
        geometry=np.concatenate([shapes for shapes, *_ in layers]),
        crs=LOCAL_CRS,
    )


def _rectangles(
    centre_m: NDArray[np.float64], length_m: NDArray[np.float64], width_m: NDArray[np.float64], angle_rad: NDArray[np.float64]
) -> NDArray[np.object_]:
    plan = np.full(len(centre_m), RECTANGLE)
    return affine(plan, scale=np.column_stack([length_m, width_m]), angle_rad=angle_rad, shift=centre_m)


def _houses(centre_m: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.object_]:
    n = len(centre_m)
    return _rectangles(centre_m, rng.uniform(9, 14, n), rng.uniform(7, 10, n), rng.uniform(0, np.pi, n))


def _beside(roofs: NDArray[np.object_], rng: np.random.Generator) -> NDArray[np.object_]:
    """Houses around each roof, clear of it."""
    centre = np.repeat(shapely.get_coordinates(shapely.centroid(roofs)), NEIGHBOURS, axis=0)
    reach_m = np.repeat(shapely.minimum_bounding_radius(roofs), NEIGHBOURS) + NEIGHBOUR_GAP_M + rng.uniform(8, 14, len(centre))
    start = np.repeat(rng.uniform(0, 2 * np.pi, len(roofs)), NEIGHBOURS)
    angle = start + np.tile(np.arange(NEIGHBOURS) * 2 * np.pi / NEIGHBOURS, len(roofs))
    houses = _houses(centre + reach_m[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]), rng)
    tree = shapely.STRtree(roofs)
    touching = np.unique(tree.query(houses, predicate="dwithin", distance=NEIGHBOUR_GAP_M / 2)[0])
    return np.delete(houses, touching)


def _inverter_houses(plants: gpd.GeoDataFrame, rng: np.random.Generator) -> NDArray[np.object_]:
    """Small houses at the edge of each plant, half of each on its ground."""
    count = 1 + (plants["area_m2"].to_numpy() / PLANT_M2_PER_HOUSE).astype(int)
    # of a plant with holes or in parts, the first ring
    edge = np.repeat(shapely.get_geometry(shapely.boundary(plants.geometry.to_numpy()), 0), count)
    n = len(edge)
    spot = shapely.line_interpolate_point(edge, rng.random(n), normalized=True)
    return _rectangles(shapely.get_coordinates(spot), np.full(n, 12.0), np.full(n, 3.0), rng.uniform(0, np.pi, n))


def _villages(sites: gpd.GeoDataFrame, rng: np.random.Generator) -> NDArray[np.object_]:
    """Houses in the outskirts, none of them on a site."""
    angle = (np.arange(VILLAGES) + rng.uniform(0.2, 0.8, VILLAGES)) * 2 * np.pi / VILLAGES
    direction = np.column_stack([np.cos(angle), np.sin(angle)])
    farther = np.abs(direction).max(axis=1)
    middle = direction * (rng.uniform(OUTSKIRTS_M, HALF_EXTENT_M, VILLAGES) / farther)[:, None]
    centre = np.repeat(middle, HOUSES, axis=0)
    houses = _houses(centre + rng.normal(size=centre.shape) * VILLAGE_RADIUS_M / 2, rng)
    tree = shapely.STRtree(sites.geometry.to_numpy())
    near = np.unique(tree.query(houses, predicate="dwithin", distance=VILLAGE_RADIUS_M)[0])
    return np.delete(houses, near)


def _share_on(outlines: NDArray[np.object_], buildings: NDArray[np.object_]) -> NDArray[np.float64]:
    """The part of each outline's area that buildings cover."""
    one, other = shapely.STRtree(buildings).query(outlines, predicate="intersects")
    covered = pd.Series(buildings[other]).groupby(one).agg(lambda shapes: shapely.union_all(shapes.to_numpy()))
    rows = covered.index.to_numpy()
    on_m2 = shapely.area(shapely.intersection(outlines[rows], covered.to_numpy(dtype=object)))
    share = np.zeros(len(outlines))
    share[rows] = np.minimum(on_m2 / shapely.area(outlines[rows]), 1.0)
    return share
