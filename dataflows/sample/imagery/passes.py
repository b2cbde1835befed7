"""When the imagined satellite passed, and what it met: clouds, the edge of its swath, and the faults of the archive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

COLLECTION = "helia-s2-l2a"

OFFSET_BASELINE = "04.00"
"""From this processing baseline on, Sentinel-2's digital numbers carry an offset of 1,000 (ESA, Sentinel-2 Products
Specification Document, processing baseline 04.00)."""


@dataclass(frozen=True)
class Pass:
    """One overflight, seen in every grid.

    Args:
        datetime: of the recording, UTC.
        baseline: processing baseline; decides the offset of the digital numbers.
        cloud_share: share of the area seen that lies under clouds, roughly; the truth is counted from the pixels.
        off_nadir_deg: view angle.
        swath_edge: whether the swath ends within the area, so that the east of it has no data.
    """

    datetime: datetime
    baseline: str
    cloud_share: float
    off_nadir_deg: float
    swath_edge: bool = False

    @property
    def offset_dn(self) -> int:
        """Digital number of reflectance 0."""
        return 1000 if self.baseline >= OFFSET_BASELINE else 0

    @property
    def day(self) -> str:
        """The date as YYYYMMDD."""
        return f"{self.datetime:%Y%m%d}"


PASSES = (
    Pass(datetime(2025, 2, 12, 11, 33, 21, tzinfo=UTC), "03.01", 0.03, 2.4, swath_edge=True),
    Pass(datetime(2025, 4, 18, 11, 33, 24, tzinfo=UTC), "03.01", 0.12, 7.9),
    # two in a month: the selection of scenes has to choose
    Pass(datetime(2025, 6, 3, 11, 33, 19, tzinfo=UTC), "03.01", 0.06, 2.3),
    Pass(datetime(2025, 6, 23, 11, 33, 22, tzinfo=UTC), "04.00", 0.32, 8.1),
    Pass(datetime(2025, 8, 17, 11, 33, 20, tzinfo=UTC), "04.00", 0.09, 2.5),
    Pass(datetime(2025, 10, 26, 11, 33, 23, tzinfo=UTC), "05.11", 0.20, 7.8),
)
"""Six dates of 2025, when every site of the sample world stands; clouds, season and baseline differ."""

TRUNCATED_ASSET = ("27", "20251026", "swir16")
"""Grid, day and asset of the file that broke off on its way into the archive; its item has the size and checksum of the
whole file."""

SHIFTED_SCENE = ("28", "20250817")
"""Grid and day of the scene whose pixels lie between those of the other dates."""

SHIFT_M = (4.0, -6.0)
"""East and north displacement of that scene: 0.4 and 0.6 pixels."""


@dataclass(frozen=True)
class Sun:
    """Where the sun stands: elevation above the horizon and azimuth clockwise from north, in degrees."""

    elevation_deg: float
    azimuth_deg: float


def sun_at(moment: datetime, lon_deg: float, lat_deg: float) -> Sun:
    """The sun's position to about a degree, by the declination of Cooper (1969, 10.1016/0038-092X(69)90047-4) and mean time."""
    day_of_year = moment.timetuple().tm_yday
    declination = np.radians(23.45 * np.sin(np.radians(360 * (284 + day_of_year) / 365)))
    solar_hour = moment.hour + moment.minute / 60 + moment.second / 3600 + lon_deg / 15
    hour_angle, lat = np.radians(15 * (solar_hour - 12)), np.radians(lat_deg)
    east = -np.cos(declination) * np.sin(hour_angle)
    north = np.cos(lat) * np.sin(declination) - np.sin(lat) * np.cos(declination) * np.cos(hour_angle)
    up = np.sin(lat) * np.sin(declination) + np.cos(lat) * np.cos(declination) * np.cos(hour_angle)
    return Sun(float(np.degrees(np.arcsin(up))), float(np.degrees(np.arctan2(east, north)) % 360))
