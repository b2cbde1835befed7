"""The pixel grids of the sample's imagery: one window in each of two UTM zones, overlapping, where most sites stand."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo import wh_
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from dataflows.sample.region import LOCAL_CRS

PIXEL_M = 10.0
COARSE = 2
"""Fine pixels along a side of a pixel of the scene classification."""

SIZE = 480
"""Fine pixels along a side: with blocks of 256, the last ones are partial."""

HALF_SPACING_M = 1_500.0
"""Half the distance between the centres of the two windows."""

ZONES = {"27": 32627, "28": 32628}
"""UTM zone → EPSG. Real archives deliver places near a zone's border in both zones too."""

VISIBLE_M2 = 2_000.0
"""Area from which on a site fills pixels of its own."""


@dataclass(frozen=True)
class Tile:
    """One window of one zone: fine pixels of 10 m, and the same window in coarse ones of 20 m."""

    zone: str
    fine: GeoBox

    @property
    def epsg(self) -> int:
        """Its CRS."""
        return ZONES[self.zone]

    @property
    def coarse(self) -> GeoBox:
        """The grid of the scene classification."""
        return self.fine.zoom_out(COARSE)

    def shifted(self, east_m: float, north_m: float) -> Tile:
        """The same window elsewhere, its pixels between those of this one unless the shift is whole pixels."""
        moved = GeoBox(self.fine.shape, Affine.translation(east_m, north_m) @ self.fine.affine, self.fine.crs)
        return Tile(self.zone, moved)

    def local_m(self, grid: GeoBox) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres of the pixels of one of its grids: x and y in ``LOCAL_CRS``, each of the grid's shape."""
        columns, rows = np.meshgrid(np.arange(grid.shape[1]) + 0.5, np.arange(grid.shape[0]) + 0.5)
        to_local = Transformer.from_crs(self.epsg, LOCAL_CRS, always_xy=True)
        return to_local.transform(*(grid.affine @ (columns, rows)))


def centre_of_interest(sites: gpd.GeoDataFrame) -> NDArray[np.float64]:
    """The centroid of the site around which both windows together hold most sites that can be seen: x, y in ``LOCAL_CRS``."""
    visible = sites[(sites["level"] != "rooftop") & (sites["area_m2"] >= VISIBLE_M2)]
    reach = np.array([HALF_SPACING_M, 0.0]) + SIZE * PIXEL_M / 2
    west, south, east, north = shapely.bounds(visible.geometry.to_numpy()).T
    centroids = shapely.get_coordinates(shapely.centroid(visible.geometry.to_numpy()))
    x, y = centroids[:, :1], centroids[:, 1:]
    whole = (west > x - reach[0]) & (east < x + reach[0]) & (south > y - reach[1]) & (north < y + reach[1])
    return centroids[np.argmax(whole.sum(axis=1))]


def tiles_around(centre_m: NDArray[np.float64]) -> tuple[Tile, ...]:
    """A tile a zone, west and east of a place given in ``LOCAL_CRS``, snapped to multiples of the coarse pixel."""
    tiles = []
    for (zone, epsg), side in zip(ZONES.items(), (-1, 1), strict=True):
        to_utm = Transformer.from_crs(LOCAL_CRS, epsg, always_xy=True)
        middle = np.array(to_utm.transform(centre_m[0] + side * HALF_SPACING_M, centre_m[1]))
        step = COARSE * PIXEL_M
        west, north = np.round((middle + np.array([-1, 1]) * SIZE * PIXEL_M / 2) / step) * step
        affine = Affine(PIXEL_M, 0, west, 0, -PIXEL_M, north)
        tiles.append(Tile(zone, GeoBox(wh_(SIZE, SIZE), affine, f"EPSG:{epsg}")))
    return tuple(tiles)
