"""What a region is to be, as a caller asks for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import shapely
from rasterio.enums import Resampling

from dataflows.cubes.region.mosaic import Method
from dataflows.cubes.region.zone import Zone, zone_geometry
from db.errors import CubeError

# Another way of making the same region must not be taken for the region that is there
WAY = 1

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]*")


class Period(StrEnum):
    """What one mosaic is made of: the scenes of a month or a year (UTC), or all."""

    MONTH = "month"
    YEAR = "year"
    ALL = "all"


@dataclass(frozen=True)
class Region:
    """What a region is to be.

    Attributes:
        name: of the group: letters, digits, ``_``, ``-`` and ``.``.
        zone: an H3 cell (number or hexadecimal text), or a polygon in EPSG:4326, longitude before latitude.
        collection: STAC collection.
        since: scenes at or after this time; ``None`` for no bound.
        until: scenes before this time; ``None`` for no bound.
        bands: common names; where empty, those of blue, green, red, nir and swir16 that all scenes have.
        period: what a mosaic is made of.
        method: how.
        epsg: CRS; the UTM zone of the zone's centre where ``None``.
        resolution: edge of a pixel in units of the CRS; that of the finest band in metres where ``None``.
        resampling: rasterio's name of the method (``nearest``, ``bilinear``, ``cubic``, ``average``, …), of bands; the
            classification is always taken from the nearest pixel.
        most_cloud_pct: scenes that state more clouds are left out; ``None`` takes all.
    """

    name: str
    zone: Zone
    collection: str
    since: datetime | None = None
    until: datetime | None = None
    bands: tuple[str, ...] = ()
    period: Period = Period.MONTH
    method: Method = Method.MEDIAN
    epsg: int | None = None
    resolution: float | None = None
    resampling: str = "nearest"
    most_cloud_pct: float | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """What was asked for, as JSON."""
        return {
            "region": self.name,
            "zone": shapely.to_wkt(zone_geometry(self.zone), rounding_precision=9),
            "collection": self.collection,
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            "bands": list(self.bands),
            "period": str(Period(self.period)),
            "method": str(Method(self.method)),
            "epsg": self.epsg,
            "resolution": self.resolution,
            "resampling": self.resampling,
            "most_cloud_pct": self.most_cloud_pct,
            "way": WAY,
        }

    def checked_zone(self) -> shapely.Geometry:
        """The zone's geometry, of a region that is possible.

        Raises:
            CubeError: name, zone, resampling or a bound in time is not possible.
        """
        if not _NAME.fullmatch(self.name):
            raise CubeError(f"{self.name!r} is no name of a region.", remedy="Use letters, digits, '_', '-' and '.'.")
        if self.resampling not in Resampling.__members__:
            raise CubeError(
                f"There is no resampling {self.resampling!r}.", remedy=f"Known: {', '.join(Resampling.__members__)}."
            )
        for bound in (self.since, self.until):
            if bound is not None and bound.tzinfo is None:
                raise CubeError(f"{bound} has no time zone.", remedy="Say in which one: datetime(…, tzinfo=UTC).")
        return zone_geometry(self.zone)
