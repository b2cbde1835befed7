"""One scene: what one pass records of one tile, as digital numbers by band and a scene classification."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from dataflows.sample.imagery.grids import COARSE, Tile
from dataflows.sample.imagery.landscape import SPECTRA, VEGETATED, Landscape
from dataflows.sample.imagery.passes import Pass, Sun
from dataflows.sample.imagery.sky import CLOUDS, SHADOW, Sky, classes_of
from dataflows.sample.region import LOCAL_CRS

SCALE = 0.0001
"""Reflectance of a digital number, as Sentinel-2's."""

NODATA = 0

CLOUD_REFLECTANCE = 0.55
SHADE = 0.45
"""Share of the light that reaches the ground in a cloud's shadow."""

NOISE_DN = np.array([-12, 12, 0, 0, 0, 0, 0, 0])
"""Of a quarter of the pixels, up or down: more would not compress."""

SUBPIXELS = 5
"""Samples along a side of a pixel, by which the share of it that panels cover is counted."""

SWATH_EDGE_M = 2_600.0
SWATH_SLOPE = 0.2
"""The swath ends this far east of the centre, further west the further north."""


@dataclass(frozen=True)
class Ground:
    """A tile and what never changes in it.

    Attributes:
        tile: where.
        centre_m: the centre of interest, x and y in ``LOCAL_CRS``.
        landscape: the parcels.
        panels: true outlines of the sites, in ``LOCAL_CRS``.
    """

    tile: Tile
    centre_m: NDArray[np.float64]
    landscape: Landscape
    panels: gpd.GeoSeries

    @cached_property
    def coarse_m(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres of the coarse pixels: x and y in ``LOCAL_CRS``."""
        return self.tile.local_m(self.tile.coarse)

    @cached_property
    def parcels(self) -> NDArray[np.int64]:
        """The parcel of each fine pixel."""
        return self.landscape.parcels(*self.tile.local_m(self.tile.fine))

    @cached_property
    def covered(self) -> NDArray[np.float64]:
        """Share 0–1 of each fine pixel under panels."""
        return covered_share(self.panels.to_crs(self.tile.epsg), self.tile.fine)

    @cached_property
    def beyond_swath(self) -> shapely.Polygon:
        """What a pass with ``swath_edge`` does not see, in the CRS of the tile."""
        y = np.array([-1.0, 1.0]) * 20_000
        x = SWATH_EDGE_M - SWATH_SLOPE * y
        corners = [(x[0], y[0]), (x[1], y[1]), (40_000, y[1]), (40_000, y[0])]
        outline = shapely.Polygon(np.array(corners) + self.centre_m)
        return gpd.GeoSeries([outline.segmentize(500)], crs=LOCAL_CRS).to_crs(self.tile.epsg).iloc[0]


@dataclass(frozen=True)
class Scene:
    """One pass over one tile.

    Attributes:
        flight: the pass.
        ground: the tile.
        sky: the clouds of the pass.
        sun: over the tile at that time.
    """

    flight: Pass
    ground: Ground
    sky: Sky
    sun: Sun

    @property
    def tile(self) -> Tile:
        """Where it is."""
        return self.ground.tile

    @cached_property
    def footprint(self) -> shapely.Polygon:
        """Outline of what was recorded, in the CRS of the tile."""
        outline = self.tile.fine.extent.geom
        return outline.difference(self.ground.beyond_swath) if self.flight.swath_edge else outline

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Which coarse pixels have data."""
        if not self.flight.swath_edge:
            return np.ones(self.tile.coarse.shape, dtype=bool)
        return rasterize([self.footprint], self.tile.coarse.shape, transform=self.tile.coarse.affine).astype(bool)

    @cached_property
    def green(self) -> NDArray[np.float64]:
        """Green fraction by parcel."""
        return self.ground.landscape.green(self.flight.datetime.timetuple().tm_yday)

    @cached_property
    def thickness(self) -> NDArray[np.float64]:
        """Of clouds, by coarse pixel."""
        return self.sky.clouds(*self.ground.coarse_m)

    @cached_property
    def scl(self) -> NDArray[np.uint8]:
        """The scene classification, by coarse pixel."""
        green = (self.green[self.ground.parcels] * (1 - self.ground.covered)).reshape(
            self.tile.coarse.shape[0], COARSE, self.tile.coarse.shape[1], COARSE
        )
        vegetated = green.mean(axis=(1, 3)) >= VEGETATED
        return classes_of(self.thickness, self.sky.shade(*self.ground.coarse_m, self.sun), vegetated, self.seen)

    @property
    def cloud_cover_pct(self) -> float:
        """Share of the pixels with data that are of a cloud class."""
        return float(100 * np.isin(self.scl[self.seen], CLOUDS).mean())

    @property
    def nodata_pct(self) -> float:
        """Share of the pixels without data."""
        return float(100 * (1 - self.seen.mean()))

    @cached_property
    def opacity(self) -> NDArray[np.float64]:
        """Share 0–1 of the ground that clouds hide, by fine pixel; in steps, which compress well."""
        return _by_fine_pixel(np.clip(np.round(60 * self.thickness) / 20, 0, 1))

    @cached_property
    def light(self) -> NDArray[np.float64]:
        """Share of the light that reaches the ground and is seen from above, by fine pixel."""
        return _by_fine_pixel(np.where(self.scl == SHADOW, SHADE, 1.0)) * (1 - self.opacity)

    def digital_numbers(self, band: str, rng: np.random.Generator) -> NDArray[np.uint16]:
        """One band of the fine grid: ``NODATA`` where there is none, never elsewhere."""
        ground = self.ground.landscape.reflectance(band, self.green)[self.ground.parcels]
        ground += self.ground.covered * (SPECTRA.loc["panel", band] - ground)
        reflectance = ground * self.light + self.opacity * CLOUD_REFLECTANCE
        noise = NOISE_DN[rng.integers(len(NOISE_DN), size=reflectance.shape, dtype=np.uint8)]
        numbers = np.clip(np.round(reflectance / SCALE) + noise + self.flight.offset_dn, NODATA + 1, None).astype(np.uint16)
        return numbers if self.seen.all() else np.where(_by_fine_pixel(self.seen), numbers, np.uint16(NODATA))


def _by_fine_pixel(coarse: NDArray[np.generic]) -> NDArray[np.generic]:
    return coarse.repeat(COARSE, axis=0).repeat(COARSE, axis=1)


def covered_share(outlines: gpd.GeoSeries, grid: GeoBox) -> NDArray[np.float64]:
    """Share 0–1 of each pixel that lies under any of the outlines, in steps of 1/25; outlines in the grid's CRS."""
    near = outlines[outlines.intersects(grid.extent.geom)]
    rows, columns = grid.shape
    if near.empty:
        return np.zeros((rows, columns))
    fine = rasterize(
        near, (rows * SUBPIXELS, columns * SUBPIXELS), transform=grid.affine @ Affine.scale(1 / SUBPIXELS), dtype="uint8"
    )
    return fine.reshape(rows, SUBPIXELS, columns, SUBPIXELS).mean(axis=(1, 3))
