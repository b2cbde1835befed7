"""The coast of Helia: as it is, and as simplified boundaries have it."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

REACH_M, WAVES_M = 146_000.0, 1_000.0
"""The coast's distance from the origin along the farther axis, and the amplitude of each of its waves: beyond all sites."""

OFF_COAST_M = 200.0
"""How far the centroids of a few small sites lie off the simplified coastline."""

MAX_COASTAL_SITES = 3
SMALL_M2 = 10_000.0
"""Area up to which all of a site is 100–300 m off that coastline."""

MAX_ON_ISLET_M2 = 200_000.0
ISLET_MARGIN_M = 900.0
"""Land around the site on the islet."""

BAY_HALF_WIDTH_M, STRAIT_HALF_WIDTH_M = 1_200.0, 3_000.0
"""Half the width at their heads of bays that reach to a coastal site, and of the one that the islet lies in."""

MOUTH_SLOPE = 0.05
"""Growth of the half-width of a bay per metre towards the sea."""

CLEARANCE_M = 500.0
"""Least distance between a bay and any other site, and of bays from one another."""

OUTER_SEA_M = 300_000.0
DIRECTIONS = 32


@dataclass(frozen=True)
class Coast:
    """Land in ``LOCAL_CRS``.

    Args:
        land: what is dry: island, capes and islet.
        published: the island as boundaries have it, without the capes that simplification cut off and without the islet.
        islet: off the coast.
        beyond: ids of the sites on those capes: the centroid ``OFF_COAST_M`` off ``published``.
        on_islet: id of the site on the islet, if one stands where a strait can be.
    """

    land: shapely.Geometry
    published: shapely.Geometry
    islet: shapely.Polygon
    beyond: tuple[str, ...]
    on_islet: str | None


@dataclass(frozen=True)
class _Bay:
    """A bay from its head by a place out to the sea.

    ``seaward`` is its direction, a unit vector; ``head_m`` is how far landward of the place the head lies.
    """

    place_m: NDArray[np.float64]
    seaward: NDArray[np.float64]
    half_width_m: float
    head_m: float

    def at(self, along_m: float, across_m: float = 0.0) -> NDArray[np.float64]:
        """A point so far seaward of the place, and to the left."""
        east, north = self.seaward
        return self.place_m + along_m * self.seaward + across_m * np.array([-north, east])

    @property
    def water(self) -> shapely.Geometry:
        start, end = self.half_width_m - self.head_m, OUTER_SEA_M
        mouth = self.half_width_m + MOUTH_SLOPE * (end - start)
        funnel = [
            self.at(start, -self.half_width_m),
            self.at(end, -mouth),
            self.at(end, mouth),
            self.at(start, self.half_width_m),
        ]
        return shapely.union(shapely.Point(self.at(start)).buffer(self.half_width_m, quad_segs=16), shapely.Polygon(funnel))


def coast_around(sites: gpd.GeoDataFrame, rng: np.random.Generator) -> Coast:
    """An island that all sites are on, or on its capes or its islet.

    Bays are cut where they meet no other site, so that there are fewer of them where sites are dense.

    Args:
        sites: of ``true_sites``.
        rng: the random stream.
    """
    island = _outline(REACH_M, WAVES_M, rng)
    shape = sites.geometry.to_numpy()
    centroid, radius_m = shapely.get_coordinates(shapely.centroid(shape)), shapely.minimum_bounding_radius(shape)
    alone = (sites["level"] != "rooftop") & sites["part_of"].isna() & ~sites["site_id"].isin(sites["part_of"])
    outermost = np.argsort(-np.hypot(*centroid.T), kind="stable")
    free = _FreeWater(shape)

    islet, islet_row = shapely.Point(0, REACH_M + 5 * ISLET_MARGIN_M), None
    for row in outermost[(alone & sites["area_m2"].le(MAX_ON_ISLET_M2)).to_numpy()[outermost]]:
        if free.cut(row, centroid[row], STRAIT_HALF_WIDTH_M, 1.2 * STRAIT_HALF_WIDTH_M):
            islet, islet_row = shapely.Point(centroid[row]), row
            break
    islet_radius_m = ISLET_MARGIN_M + (0 if islet_row is None else radius_m[islet_row])
    islet_shape = shapely.transform(_outline(islet_radius_m, 0.03 * islet_radius_m, rng, 24), lambda xy: xy + islet.coords[0])

    beyond, capes = [], []
    for row in outermost[(alone & sites["area_m2"].le(SMALL_M2)).to_numpy()[outermost]]:
        if len(beyond) == MAX_COASTAL_SITES:
            break
        if row != islet_row and (bay := free.cut(row, centroid[row], BAY_HALF_WIDTH_M, OFF_COAST_M)):
            beyond.append(row)
            capes.append(shapely.LineString([bay.at(0), bay.at(-10 * OFF_COAST_M)]).buffer(150 + radius_m[row]))
    published = shapely.difference(island, shapely.union_all(free.waters))
    site_id = sites["site_id"].to_numpy()
    return Coast(
        land=shapely.union_all([published, islet_shape, *capes]),
        published=published,
        islet=islet_shape,
        beyond=tuple(site_id[beyond]),
        on_islet=None if islet_row is None else str(site_id[islet_row]),
    )


class _FreeWater:
    """Cuts bays that meet neither sites, but the one that each is cut for, nor one another."""

    def __init__(self, sites: NDArray[np.object_]) -> None:
        self._tree = shapely.STRtree(sites)
        self.waters: list[shapely.Geometry] = []

    def cut(self, row: int, place_m: NDArray[np.float64], half_width_m: float, head_m: float) -> _Bay | None:
        """A bay for a site, in the first of some directions that is free, from straight away from the island's middle on."""
        outward = np.arctan2(*place_m[::-1])
        for turn in sorted(np.arange(DIRECTIONS) - DIRECTIONS // 2, key=abs):
            angle = outward + turn * np.pi / DIRECTIONS
            bay = _Bay(place_m, np.array([np.cos(angle), np.sin(angle)]), half_width_m, head_m)
            water = bay.water
            met = self._tree.query(water, predicate="dwithin", distance=CLEARANCE_M)
            if set(met) <= {row} and all(shapely.distance(water, other) > CLEARANCE_M for other in self.waters):
                self.waters.append(water)
                return bay
        return None


def _outline(reach_m: float, wave_m: float, rng: np.random.Generator, corners: int = 240) -> shapely.Polygon:
    """A square with rounded corners and a wavy edge around the origin."""
    angle = np.arange(corners) * 2 * np.pi / corners
    waves = sum(
        wave_m * np.sin(number * angle + phase) for number, phase in zip((5, 11, 17), rng.uniform(0, 7, 3), strict=True)
    )
    cos, sin = np.cos(angle), np.sin(angle)
    # a norm of high order is a square with rounded corners, which still hold every site
    norm = (np.abs(cos) ** 40 + np.abs(sin) ** 40) ** (1 / 40)
    return shapely.Polygon(np.column_stack([cos, sin]) * ((reach_m + waves) / norm)[:, None])
