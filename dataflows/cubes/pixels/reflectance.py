"""From digital numbers to reflectance: value = scale × number + offset, by collection and processing baseline.

Sources of the constants:

- Sentinel-2 L2A and L1C: quantification value 10,000; since processing baseline 04.00 (25 January 2022) numbers are 1,000
  higher (``BOA_ADD_OFFSET`` / ``RADIO_ADD_OFFSET``): Sentinel-2 Products Specification Document S2-PDGS-TAS-DI-PSD, issue
  14.9, and https://sentinels.copernicus.eu/web/sentinel/-/copernicus-sentinel-2-major-products-upgrade-upcoming.
- ``earthsearch:boa_offset_applied``: earth-search's collection ``sentinel-2-l2a`` has subtracted the 1,000 from the pixels, yet
  some of its assets still state ``offset: -0.1``: https://github.com/Element84/earth-search#sentinel-2.
- Landsat Collection 2 level-2 surface reflectance: 0.0000275 and −0.2, surface temperature 0.00341802 K and 149 K: USGS,
  Landsat 8-9 Collection 2 Level 2 Science Product Guide LSDS-1619, version 6.0, table 6-1.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SENTINEL2_SCALE = 1e-4
SENTINEL2_OFFSET = -0.1
SENTINEL2_OFFSET_SINCE = (4, 0)
SENTINEL2_BANDS = frozenset(
    {"coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "rededge071", "rededge075", "rededge078"}
    | {"nir", "nir08", "nir09", "cirrus", "swir16", "swir22"}
)
LANDSAT_SCALE = 2.75e-5
LANDSAT_OFFSET = -0.2
LANDSAT_BANDS = frozenset(("coastal", "blue", "green", "red", "nir", "nir08", "swir16", "swir22"))
LANDSAT_TEMPERATURE = frozenset(("lwir", "lwir11"))
LANDSAT_TEMPERATURE_SCALE = 0.00341802
LANDSAT_TEMPERATURE_OFFSET = 149.0

_SENTINEL2 = re.compile(r"sentinel-?2.*l(1c|2a)|s2[-_]?msi", re.IGNORECASE)
_LANDSAT = re.compile(r"landsat.*c2.*l2", re.IGNORECASE)
_SENTINEL2_BAND = re.compile(r"B(0?[1-9]|8A|1[0-2])", re.IGNORECASE)


class Coefficients(NamedTuple):
    """Linear calibration of a band; ``Coefficients(1.0, 0.0)`` where its numbers are given as they are."""

    scale: float
    offset: float


def calibrated(
    numbers: NDArray[np.generic], scale: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.floating[Any]]:
    """``scale × number + offset``; NaN stays NaN.

    Args:
        numbers: digital numbers, shape (…, band, pixels), where pixels may have several dimensions.
        scale: of each band (or scene, where that is the axis), shape (band,).
        offset: one a scene and band, shape (…, band).

    Returns:
        Double precision, shape of ``numbers``.
    """
    of_pixels = (1,) * (numbers.ndim - offset.ndim)
    found = numbers * scale.reshape(*scale.shape, *of_pixels)
    found += offset.reshape(*offset.shape, *of_pixels)
    return found


def baseline(text: str | None) -> tuple[int, int] | None:
    """A processing baseline such as ``05.09`` or ``N0509`` as numbers that compare; ``None`` where there is none."""
    found = re.fullmatch(r"N?(\d{2})\.?(\d{2})", (text or "").strip())
    return (int(found[1]), int(found[2])) if found else None


def is_sentinel2(collection: str, constellation: str | None = None) -> bool:
    """Whether Sentinel-2's conventions hold, by the names that catalogs give the collection, or by its constellation."""
    named = (constellation or "").lower().replace(" ", "-")
    return bool(_SENTINEL2.search(collection)) or named == "sentinel-2"


def is_landsat_c2(collection: str) -> bool:
    """Whether the collection is Landsat Collection 2 level 2."""
    return bool(_LANDSAT.search(collection))


def coefficients(
    collection: str,
    band: str,
    *,
    processing_baseline: str | None = None,
    boa_offset_applied: bool | None = None,
    stated_scale: float | None = None,
    stated_offset: float | None = None,
) -> Coefficients:
    """Scale and offset of one band of one item.

    What the asset states (``raster:scale``, ``raster:offset``) counts, with two exceptions. A Sentinel-2 offset is 0 where the
    item says that it was applied already, whatever the asset states. Where the asset states nothing, the product's
    specification counts: Sentinel-2 (by processing baseline) and Landsat Collection 2.

    Args:
        collection: STAC collection id.
        band: common name of the band, or its own.
        processing_baseline: ``s2:processing_baseline`` or ``processing:version``.
        boa_offset_applied: ``earthsearch:boa_offset_applied``.
        stated_scale: of the asset; ``None`` where it says nothing.
        stated_offset: of the asset; ``None`` where it says nothing.

    Returns:
        For reflectance, a share of 1; for Landsat's surface temperature, kelvin; numbers as they are for any other product.
    """
    default = _specified(collection, band, processing_baseline)
    scale = default.scale if stated_scale is None else stated_scale
    offset = default.offset if stated_offset is None else stated_offset
    if boa_offset_applied and _is_sentinel2_band(collection, band):
        offset = 0.0
    return Coefficients(float(scale), float(offset))


def _specified(collection: str, band: str, processing_baseline: str | None) -> Coefficients:
    if _is_sentinel2_band(collection, band):
        since = baseline(processing_baseline)
        return Coefficients(SENTINEL2_SCALE, SENTINEL2_OFFSET if since and since >= SENTINEL2_OFFSET_SINCE else 0.0)
    if is_landsat_c2(collection) and band in LANDSAT_BANDS:
        return Coefficients(LANDSAT_SCALE, LANDSAT_OFFSET)
    if is_landsat_c2(collection) and band in LANDSAT_TEMPERATURE:
        return Coefficients(LANDSAT_TEMPERATURE_SCALE, LANDSAT_TEMPERATURE_OFFSET)
    return Coefficients(1.0, 0.0)


def _is_sentinel2_band(collection: str, band: str) -> bool:
    return is_sentinel2(collection) and (band in SENTINEL2_BANDS or bool(_SENTINEL2_BAND.fullmatch(band)))
