"""Spectral indices of reflectances, each with the paper it comes from.

Bands go by the common names of STAC's EO extension. A pixel where an index is not defined (a zero denominator, a missing band)
is NaN. Indices are computed in double precision: an integer digital number would wrap around in the subtraction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.errors import CubeError

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Index:
    """A spectral index.

    Attributes:
        name: short name.
        bands: common names of its bands, in the order of the formula's arguments.
        formula: from reflectances (shares of 1) to the index.
        reference: where it was published.
    """

    name: str
    bands: tuple[str, ...]
    formula: Callable[..., Array]
    reference: str


def _normalised_difference(one: Array, other: Array) -> Array:
    return (one - other) / (one + other)


def _evi(nir: Array, red: Array, blue: Array) -> Array:
    return 2.5 * (nir - red) / (nir + 6.0 * red - 7.5 * blue + 1.0)


def _savi(nir: Array, red: Array) -> Array:
    return 1.5 * (nir - red) / (nir + red + 0.5)


INDICES = {
    index.name: index
    for index in (
        Index("ndvi", ("nir", "red"), _normalised_difference, "Rouse et al. 1974, NASA SP-351, 309-317"),
        Index("ndwi", ("green", "nir"), _normalised_difference, "McFeeters 1996, 10.1080/01431169608948714"),
        Index("evi", ("nir", "red", "blue"), _evi, "Huete et al. 2002, 10.1016/S0034-4257(02)00096-2"),
        Index("savi", ("nir", "red"), _savi, "Huete 1988, 10.1016/0034-4257(88)90106-X, with L = 0.5"),
        Index("ndbi", ("swir16", "nir"), _normalised_difference, "Zha et al. 2003, 10.1080/01431160304987"),
    )
}


def computable(bands: list[str]) -> list[str]:
    """Names of the indices that can be computed from these bands."""
    return [name for name, index in INDICES.items() if set(index.bands) <= set(bands)]


def spectral_index(name: str, reflectance: Mapping[str, Array]) -> NDArray[np.float64]:
    """An index of reflectances.

    Args:
        name: a key of :data:`INDICES`.
        reflectance: shares of 1 by common name, all of one shape; NaN where there is none.

    Returns:
        The same shape; NaN where the index is not defined.

    Raises:
        CubeError: there is no such index, or a band of it is missing.
    """
    if name not in INDICES:
        raise CubeError(f"There is no index {name!r}.", remedy=f"Known: {', '.join(INDICES)}.")
    index = INDICES[name]
    if missing := [band for band in index.bands if band not in reflectance]:
        raise CubeError(f"{name} needs the bands {', '.join(index.bands)}; {', '.join(missing)} are missing.")
    with np.errstate(divide="ignore", invalid="ignore"):
        found = index.formula(*(np.asarray(reflectance[band], np.float64) for band in index.bands))
    found[~np.isfinite(found)] = np.nan
    return found
