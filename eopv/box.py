"""Bounding boxes, as verbs take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.errors import SettingsError

if TYPE_CHECKING:
    from ingest.stac_policy import Area

Box = tuple[float, float, float, float]


def box_area(box: Box) -> Area:
    """The area of west, south, east, north in degrees; west > east crosses the antimeridian.

    Raises:
        SettingsError: it is no box.
    """
    from dataflows.raw import stac_areas

    west, south, east, north = box
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90 and west != east):
        raise SettingsError(f"{box} is no bounding box.", remedy="Give west, south (the lesser), east, north in degrees.")
    return stac_areas.box_area(*box)
