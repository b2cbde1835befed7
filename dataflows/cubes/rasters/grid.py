"""The pixel grid of a raster: CRS, affine transform and shape, and when two of them are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo import CRS
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox

from db.errors import CubeError

# Published transforms carry rounding noise of about 1e-9 px; a real shift is at least a thousandth of a pixel
TOLERANCE_PX = 1e-6


@dataclass(frozen=True)
class Grid:
    """A north-up or rotated pixel grid.

    Attributes:
        epsg: code of the CRS.
        transform: pixel corner (column, row) → (x, y) in units of the CRS, x and y being east and north, or longitude and
            latitude.
        shape: rows and columns.
    """

    epsg: int
    transform: Affine
    shape: tuple[int, int]

    @classmethod
    def of(cls, epsg: int, transform: Sequence[float], shape: Sequence[int]) -> Self:
        """A grid from STAC's ``proj:`` fields.

        Args:
            epsg: code of the CRS.
            transform: six numbers in affine order (a, b, c, d, e, f), or the nine of the whole matrix.
            shape: rows and columns.

        Raises:
            CubeError: there are fewer than six numbers, or no pixel has an area.
        """
        if len(transform) not in (6, 9) or len(shape) != 2 or min(shape) < 1:
            raise CubeError(
                f"A grid needs a transform of 6 or 9 numbers and two positive sizes: {list(transform)}, {list(shape)}.",
                remedy="Check proj:transform and proj:shape of the item.",
            )
        affine = Affine(*transform[:6])
        if affine.is_degenerate:
            raise CubeError(f"The transform {list(transform)} has no inverse.", remedy="Check proj:transform of the item.")
        return cls(int(epsg), affine, (int(shape[0]), int(shape[1])))

    @property
    def is_north_up(self) -> bool:
        """Whether rows go south and columns go east, without rotation."""
        a, b, _, d, e, _ = self.transform[:6]
        return b == 0 and d == 0 and a > 0 and e < 0

    @property
    def resolution(self) -> tuple[float, float]:
        """Height and width of a pixel in units of the CRS, both positive."""
        a, b, _, d, e, _ = self.transform[:6]
        return float(np.hypot(b, e)), float(np.hypot(a, d))

    @property
    def geobox(self) -> GeoBox:
        """The same grid for odc-geo and odc-stac."""
        return GeoBox(self.shape, self.transform, CRS(f"EPSG:{self.epsg}"))

    @property
    def bounds(self) -> BoundingBox:
        """West, south, east and north edge in units of the CRS."""
        return self.geobox.boundingbox

    @property
    def x(self) -> NDArray[np.float64]:
        """Centres of the columns, for a grid that is not rotated; shape (columns,)."""
        return self.transform.c + self.transform.a * (np.arange(self.shape[1]) + 0.5)

    @property
    def y(self) -> NDArray[np.float64]:
        """Centres of the rows, for a grid that is not rotated; shape (rows,)."""
        return self.transform.f + self.transform.e * (np.arange(self.shape[0]) + 0.5)

    @property
    def label(self) -> str:
        """A name that equal grids share: CRS, resolution, and a hash of origin and shape."""
        height, _ = self.resolution
        # Rounded to a thousandth of a pixel: noise below the tolerance must not change the name
        facts = [round(value / height * 1e3) for value in (self.transform.c, self.transform.f)]
        digest = hashlib.sha256(repr((self.epsg, facts, self.shape)).encode()).hexdigest()[:8]
        return f"epsg-{self.epsg}/{height:g}-{digest}"

    def misfit_px(self, other: Grid) -> float:
        """The farthest that a corner of this grid lies from the same corner of another one of the same CRS, in pixels."""
        rows, columns = self.shape
        to_other = ~other.transform @ self.transform
        corners = [(0, 0), (columns, 0), (0, rows), (columns, rows)]
        return max(float(np.hypot(*np.subtract(to_other @ corner, corner))) for corner in corners)

    def disagreement(self, other: Grid) -> str | None:
        """Why two grids are not the same, ``None`` where they are (:data:`TOLERANCE_PX`)."""
        if self.epsg != other.epsg:
            return f"EPSG:{self.epsg} is not EPSG:{other.epsg}"
        if self.shape != other.shape:
            return f"{self.shape[0]} × {self.shape[1]} pixels are not {other.shape[0]} × {other.shape[1]}"
        if not (misfit := self.misfit_px(other)) <= TOLERANCE_PX:
            return f"the grids are {misfit:.3g} pixels apart"
        return None

    def same(self, other: Grid) -> bool:
        """Whether the two grids agree in CRS, shape and, to :data:`TOLERANCE_PX`, in transform."""
        return self.disagreement(other) is None

    def offset_in(self, other: Grid) -> tuple[int, int] | None:
        """Row and column of this grid's first pixel in another grid's; ``None`` unless pixels coincide all over this grid."""
        if self.epsg != other.epsg:
            return None
        column, row = ~other.transform @ (self.transform.c, self.transform.f)
        whole = other.transform @ Affine.translation(round(column), round(row))
        if Grid(self.epsg, whole, self.shape).same(self):
            return round(row), round(column)
        return None

    def window(self, row: int, column: int, rows: int, columns: int) -> Grid:
        """A part of this grid, which may reach beyond its edges; first pixel and size in pixels."""
        return Grid(self.epsg, self.transform @ Affine.translation(column, row), (rows, columns))
