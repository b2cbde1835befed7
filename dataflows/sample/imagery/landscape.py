"""The ground of Helia as reflectance: parcels that green and wither with the seasons, and dark panels of flat spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

PARCEL_M = 350.0
"""Mean distance between the centres of neighbouring parcels."""

REACH_M = 6_000.0
"""Half the side of the square around the centre of interest that has parcels."""

SPECTRA = pd.DataFrame(
    {
        "blue": [0.030, 0.080, 0.052],
        "green": [0.070, 0.115, 0.056],
        "red": [0.035, 0.165, 0.058],
        "nir": [0.420, 0.245, 0.078],
        "swir16": [0.180, 0.310, 0.085],
    },
    index=["leaf", "soil", "panel"],
)
"""Surface reflectance 0–1 by band: of dense green vegetation, of dry soil, and of modules with the ground between them."""

COVERS = pd.DataFrame(
    {
        "share": [0.30, 0.20, 0.25, 0.15, 0.10],
        "least_green": [0.10, 0.05, 0.45, 0.75, 0.10],
        "most_green": [0.95, 0.90, 0.85, 0.95, 0.25],
        "peak_day": [140, 215, 160, 185, 180],
    },
    index=["winter cereal", "maize", "grass", "forest", "village"],
)
"""Land covers: share of the parcels, bounds of the green fraction over the year, and the day of the year of its peak."""

VEGETATED = 0.3
"""Green fraction from which on a pixel counts as vegetation."""


@dataclass(frozen=True)
class Landscape:
    """Parcels around a place: (n, 2) centres in ``LOCAL_CRS``, and by parcel its cover, delay in days and soil brightness."""

    tree: cKDTree
    cover: NDArray[np.int64]
    delay_days: NDArray[np.float64]
    brightness: NDArray[np.float64]

    def parcels(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.int64]:
        """The parcel at each place in ``LOCAL_CRS``, in the shape of the coordinates."""
        return self.tree.query(np.stack([x_m, y_m], axis=-1))[1]

    def green(self, day_of_year: int) -> NDArray[np.float64]:
        """Share of each parcel under green leaves, 0–1, on a day of the year."""
        covers = COVERS.iloc[self.cover]
        phase = 2 * np.pi * (day_of_year - covers["peak_day"].to_numpy() - self.delay_days) / 365.25
        height = np.clip(np.cos(phase), 0, None) ** 1.5
        least = covers["least_green"].to_numpy()
        return least + (covers["most_green"].to_numpy() - least) * height

    def reflectance(self, band: str, green: NDArray[np.float64]) -> NDArray[np.float64]:
        """Reflectance 0–1 of each parcel in a band, given its green fraction."""
        leaf, soil = SPECTRA.loc["leaf", band], SPECTRA.loc["soil", band]
        return green * leaf + (1 - green) * soil * self.brightness


def landscape_around(centre_m: NDArray[np.float64], rng: np.random.Generator) -> Landscape:
    """Parcels in the square of ``REACH_M`` around a place given in ``LOCAL_CRS``."""
    along = np.arange(-REACH_M, REACH_M + PARCEL_M, PARCEL_M)
    lattice = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    n = len(lattice)
    return Landscape(
        tree=cKDTree(centre_m + lattice + rng.uniform(-0.45, 0.45, (n, 2)) * PARCEL_M),
        cover=rng.choice(len(COVERS), size=n, p=COVERS["share"]),
        delay_days=rng.normal(0, 8, n),
        brightness=rng.uniform(0.75, 1.15, n),
    )
