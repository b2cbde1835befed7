"""Bounding boxes around places of interest, and which other boxes meet one of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely

CHUNK = 4096
WIDE_DEG = 2.0
"""Boxes beyond this size meet so many others that they are asked one by one, lest their pairs fill the memory."""


@dataclass(frozen=True)
class Surroundings:
    """Places of interest as bounding boxes.

    Attributes:
        boxes: float64 (n, 4): west, south, east, north in degrees (EPSG:4326); none crosses the antimeridian.
        name: identity of the places, wherever they were taken from; short text for file names and fingerprints.
    """

    boxes: np.ndarray
    name: str

    @classmethod
    def of(cls, boxes: np.ndarray) -> Surroundings:
        """Boxes that are known by what they are."""
        ordered = boxes[np.lexsort(boxes.T)] if len(boxes) else boxes.reshape(0, 4)
        return cls(ordered, hashlib.sha256(np.ascontiguousarray(ordered).tobytes()).hexdigest()[:16])

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(shapely.box(*self.boxes.T))

    def meets(self, boxes: np.ndarray) -> np.ndarray:
        """Whether each box meets one of the surroundings, touching included.

        Args:
            boxes: float (m, 4): west, south, east, north; one whose west is beyond its east goes round the world, and one
                with a NaN is not known; it is taken to meet.

        Returns:
            bool (m,).
        """
        boxes = np.array(boxes, dtype=np.float64).reshape(-1, 4)
        unknown = np.isnan(boxes).any(axis=1)
        around = boxes[:, 0] > boxes[:, 2]
        boxes[around, 0], boxes[around, 2] = -180.0, 180.0
        found = unknown.copy()
        if not len(self.boxes):
            return np.zeros(len(boxes), dtype=bool)
        wide = ~unknown & ((boxes[:, 2] - boxes[:, 0] > WIDE_DEG) | (boxes[:, 3] - boxes[:, 1] > WIDE_DEG))
        for row in np.flatnonzero(wide):
            found[row] = len(self._tree.query(shapely.box(*boxes[row]))) > 0
        small = np.flatnonzero(~unknown & ~wide)
        for start in range(0, len(small), CHUNK):
            rows = small[start : start + CHUNK]
            hits, _ = self._tree.query(shapely.box(*boxes[rows].T))
            found[rows[np.unique(hits)]] = True
        return found
