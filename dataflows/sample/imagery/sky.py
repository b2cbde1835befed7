"""Clouds over Helia and the shadows they cast, as classes of Sentinel-2's scene classification."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dataflows.sample.imagery.passes import Sun

NO_DATA, SHADOW, VEGETATION, BARE, CLOUD_MEDIUM, CLOUD_HIGH, CIRRUS = 0, 3, 4, 5, 8, 9, 10
"""Classes of the SCL band (ESA, Sentinel-2 Level-2A Algorithm Theoretical Basis Document)."""

CLOUDS = (CLOUD_MEDIUM, CLOUD_HIGH, CIRRUS)

CELL_M = 20.0
REACH_M = 6_000.0
CLOUD_SIZE_M = 350.0
CLOUD_HEIGHT_M = 400.0


@dataclass(frozen=True)
class Sky:
    """Cloud thickness around a place: cells of 20 m in ``LOCAL_CRS``, 0 where it is clear, 1 at the thickest."""

    south_west_m: NDArray[np.float64]
    thickness: NDArray[np.float64]

    def clouds(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Thickness 0–1 at places in ``LOCAL_CRS``; those beyond the cells get the nearest one's."""
        last = len(self.thickness) - 1
        column, row = (
            np.clip(((along - origin) // CELL_M).astype(int), 0, last)
            for along, origin in zip((x_m, y_m), self.south_west_m, strict=True)
        )
        return self.thickness[row, column]

    def shade(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64], sun: Sun) -> NDArray[np.bool_]:
        """Whether a cloud stands between each place and the sun."""
        away_m = CLOUD_HEIGHT_M / np.tan(np.radians(sun.elevation_deg))
        azimuth = np.radians(sun.azimuth_deg)
        return self.clouds(x_m + away_m * np.sin(azimuth), y_m + away_m * np.cos(azimuth)) > 0


def sky_around(centre_m: NDArray[np.float64], cloud_share: float, rng: np.random.Generator) -> Sky:
    """Clouds over a share of the square of ``REACH_M`` around a place given in ``LOCAL_CRS``."""
    cells = round(2 * REACH_M / CELL_M)
    density = gaussian_filter(rng.normal(size=(cells, cells)), CLOUD_SIZE_M / CELL_M, mode="wrap", truncate=3)
    rim = np.quantile(density, 1 - cloud_share)
    return Sky(centre_m - REACH_M, np.clip((density - rim) / (density.max() - rim), 0, None))


def classes_of(
    thickness: NDArray[np.float64], shaded: NDArray[np.bool_], vegetated: NDArray[np.bool_], seen: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Scene classification of pixels from what is above and below them; all of one shape."""
    return np.select(
        [~seen, thickness > 0.35, thickness > 0.12, thickness > 0, shaded, vegetated],
        [NO_DATA, CLOUD_HIGH, CLOUD_MEDIUM, CIRRUS, SHADOW, VEGETATION],
        BARE,
    ).astype(np.uint8)
