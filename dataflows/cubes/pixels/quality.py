"""What a pixel of a chip is worth: one class each, from the scene's own classification.

========  ===========  =====================================================================================================
class     name         meaning
========  ===========  =====================================================================================================
0         missing      no scene, or one that could not be read: the pixel holds the fill value
1         nodata       the scene has no value here in at least one band, or ends before
2         clear        observed, and classified as neither cloud, shadow nor snow
3         cloud        cloud of medium or high probability, cirrus, or the rim around them
4         shadow       shadow of a cloud
5         snow         snow or ice
6         defective    saturated or defective detector
7         unclassified  observed; the collection has no classification (NAIP, orthophotos)
========  ===========  =====================================================================================================

0 is the fill value of the array: what was never written says so by itself.

Sentinel-2's scene classification (SCL): Sentinel-2 L2A Algorithm Theoretical Basis Document S2-PDGS-MPC-ATBD-L2A, issue 2.10,
table 3. Its class 2 ("dark area", cast shadow of the terrain) and class 6 ("water") count as clear: photovoltaic modules are
dark and flat in the spectrum, and are often taken for the one or the other. Its class 7 ("unclassified") counts as clear, too.

Landsat's QA_PIXEL bits: USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide LSDS-1619, version 6.0, table 6-3.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from db.errors import CubeError


class Quality(IntEnum):
    """Classes of the array ``quality``."""

    MISSING = 0
    NODATA = 1
    CLEAR = 2
    CLOUD = 3
    SHADOW = 4
    SNOW = 5
    DEFECTIVE = 6
    UNCLASSIFIED = 7


USABLE = (Quality.CLEAR, Quality.UNCLASSIFIED)

# CF conventions 1.12, section 3.5
ATTRIBUTES = {
    "long_name": "worth of the pixel",
    "standard_name": "quality_flag",
    "flag_values": [int(quality) for quality in Quality],
    "flag_meanings": " ".join(quality.name.lower() for quality in Quality),
}

_SCL = np.array(
    [
        Quality.NODATA,
        Quality.DEFECTIVE,
        Quality.CLEAR,  # dark area
        Quality.SHADOW,
        Quality.CLEAR,  # vegetation
        Quality.CLEAR,  # not vegetated
        Quality.CLEAR,  # water
        Quality.CLEAR,  # unclassified
        Quality.CLOUD,  # medium probability
        Quality.CLOUD,  # high probability
        Quality.CLOUD,  # thin cirrus
        Quality.SNOW,
    ],
    np.uint8,
)
_FILL_BIT = 0
_CLOUD_BITS = (1, 2, 3)  # dilated cloud, cirrus, cloud
_SHADOW_BIT = 4
_SNOW_BIT = 5

# Names of the assets, in the catalogs that exist, that classify every pixel
SCENE_CLASSIFICATION = ("scl", "SCL", "scl-20m", "SCL_20m")
QA_PIXEL = ("qa_pixel", "QA_PIXEL")


def classification_of(asset_keys: list[str]) -> str | None:
    """The asset that classifies an item's pixels, ``None`` where it has none."""
    return next((key for key in (*SCENE_CLASSIFICATION, *QA_PIXEL) if key in asset_keys), None)


def from_scl(scl: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Classes from a Sentinel-2 scene classification of any shape.

    Raises:
        CubeError: a value is no class of it, so that the raster is something else.
    """
    if scl.size and not 0 <= scl.min() <= scl.max() < len(_SCL):
        raise CubeError(f"{scl.max()} is no class of a Sentinel-2 scene classification.", remedy="Check the asset 'scl'.")
    return _SCL[scl]


def from_qa_pixel(qa: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Classes from Landsat's QA_PIXEL, of any shape; fill before cloud before shadow before snow."""
    found = np.full(qa.shape, Quality.CLEAR, np.uint8)
    found[_any_bit(qa, _SNOW_BIT)] = Quality.SNOW
    found[_any_bit(qa, _SHADOW_BIT)] = Quality.SHADOW
    found[_any_bit(qa, *_CLOUD_BITS)] = Quality.CLOUD
    found[_any_bit(qa, _FILL_BIT)] = Quality.NODATA
    return found


def _any_bit(values: NDArray[np.integer], *bits: int) -> NDArray[np.bool_]:
    return (values & sum(1 << bit for bit in bits)) != 0


def classify(classification: NDArray[np.integer] | None, key: str | None, nodata: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Classes of observed pixels.

    Args:
        classification: the classifying asset on the chip's grid, shape (…, y, x); ``None`` where the item has none.
        key: its asset key.
        nodata: where at least one band has no value, shape (…, y, x).

    Returns:
        Shape (…, y, x).
    """
    if classification is None:
        found = np.full(nodata.shape, Quality.UNCLASSIFIED, np.uint8)
    else:
        found = from_qa_pixel(classification) if key in QA_PIXEL else from_scl(classification)
    found[nodata] = Quality.NODATA
    return found


def usable(quality: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels whose values may be taken for the ground's: clear, or of a collection that classifies nothing."""
    # Many times as fast as np.isin, which sorts or builds a table
    return np.logical_or.reduce([quality == each for each in USABLE])
