"""How datasets see the true sites: which of them, and how far off. All geometry is in ``LOCAL_CRS``, so in metres."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from dataflows.sample.footprints import affine
from dataflows.sample.region import HALF_EXTENT_M

MIN_OVERLAP = 0.5
"""Every digitised outline shares at least this part of its own area with its true site."""

FALSE_POSITIVE_CLEARANCE_M = 2_000.0


def detect(sites: gpd.GeoDataFrame, eligible: pd.Series, share: float, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """An exact ``share`` of the eligible sites, in random order, without the all-knowing index."""
    rows = rng.permutation(np.flatnonzero(eligible))
    return sites.iloc[rows[: round(share * len(rows))]].reset_index(drop=True)


def is_whole(sites: gpd.GeoDataFrame) -> pd.Series:
    """Sites as a register of plants has them: not the phases, but the plants they are part of."""
    return sites["part_of"].isna()


def is_single(sites: gpd.GeoDataFrame) -> pd.Series:
    """Sites as a survey of arrays has them: the phases, but not the plants they are part of."""
    return ~sites["site_id"].isin(sites["part_of"])


def with_false_positives(
    seen: gpd.GeoDataFrame, sites: gpd.GeoDataFrame, share: float, rng: np.random.Generator
) -> gpd.GeoDataFrame:
    """``seen`` and some look-alikes (greenhouses, say) that are no site: ``site_id`` missing, far from every true site."""
    count = max(1, round(share * len(seen)))
    false = seen.iloc[rng.permutation(len(seen))[:count]].assign(site_id=None, name=None, operator=None)
    tree = shapely.STRtree(sites.geometry.to_numpy())
    home, shift = shapely.get_coordinates(shapely.centroid(false.geometry.to_numpy())), np.zeros((count, 2))
    reach = FALSE_POSITIVE_CLEARANCE_M + np.sqrt(false["area_m2"].to_numpy())
    pending = np.arange(count)
    while len(pending):
        trial = rng.uniform(-HALF_EXTENT_M, HALF_EXTENT_M, (len(pending), 2)) * 0.9
        shift[pending] = trial - home[pending]
        near = tree.query(shapely.points(trial), predicate="dwithin", distance=reach[pending])[0]
        pending = pending[np.unique(near)]
    false = false.set_geometry(affine(false.geometry.to_numpy(), shift=shift), crs=sites.crs)
    together = pd.concat([seen, false], ignore_index=True)
    return together.iloc[rng.permutation(len(together))].reset_index(drop=True)


def digitise(
    geometry: gpd.GeoSeries, *, max_shift_m: float, partial_share: float, rng: np.random.Generator
) -> NDArray[np.object_]:
    """Outlines as drawn from imagery: a little displaced, too large or small and turned; some of them only in part.

    Args:
        geometry: true outlines in ``LOCAL_CRS``.
        max_shift_m: largest displacement; small sites are displaced less (5 % of the square root of their area).
        partial_share: exact share of the outlines that stop short of one side.
        rng: the random stream.

    Returns:
        Valid polygons and multipolygons of which at least ``MIN_OVERLAP`` lies on the true site.
    """
    n = len(geometry)
    true = geometry.to_numpy()
    distance = np.minimum(max_shift_m, 0.05 * np.sqrt(shapely.area(true))) * np.sqrt(rng.random(n))
    drawn = affine(
        true,
        scale=rng.uniform(0.97, 1.03, (n, 1)),
        angle_rad=np.radians(rng.uniform(-0.5, 0.5, n)),
        shift=_towards(distance, rng),
        origin=shapely.get_coordinates(shapely.centroid(true)),
    )
    partial = rng.permutation(n)[: round(partial_share * n)]
    west, south, east, north = shapely.bounds(drawn[partial]).T
    drawn[partial] = shapely.intersection(
        drawn[partial], shapely.box(west, south, west + rng.uniform(0.6, 0.9, len(partial)) * (east - west), north)
    )
    return drawn


def scatter(
    geometry: gpd.GeoSeries, *, median_m: float, sigma: float, max_m: float, rng: np.random.Generator
) -> NDArray[np.object_]:
    """Points off the sites' centroids by log-normal distances.

    Args:
        geometry: true outlines in ``LOCAL_CRS``.
        median_m: median offset.
        sigma: standard deviation of the offset's natural logarithm.
        max_m: largest offset. One per cent of it and 10 m are kept in hand for the plane and for rounded coordinates.
        rng: the random stream.
    """
    n = len(geometry)
    distance = np.minimum(median_m * np.exp(sigma * rng.normal(size=n)), 0.99 * max_m - 10)
    centroid = shapely.get_coordinates(shapely.centroid(geometry.to_numpy()))
    return shapely.points(centroid + _towards(distance, rng))


def _towards(distance_m: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Displacements of given length in random directions: (n, 2)."""
    direction = rng.uniform(0, 2 * np.pi, len(distance_m))
    return distance_m[:, None] * np.column_stack([np.cos(direction), np.sin(direction)])
