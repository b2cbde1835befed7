"""What of a catalog is wanted, decided item by item on this machine.

Files and static catalogs are filtered by this alone. An API is asked for the same by its own means, and checked by this: some
servers ignore ``query`` or ``filter`` without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import shapely
from pystac.utils import str_to_datetime

from ingest.antimeridian import unwrapped, within_the_world
from ingest.stac_manifest import Catalog


@dataclass(frozen=True)
class Area:
    """Where to search.

    Attributes:
        key: stable name of the place: the same cells give the same key.
        geometry: polygon or multipolygon in EPSG:4326, longitude first, split at the antimeridian.
    """

    key: str
    geometry: shapely.Geometry


class Policy:
    """The policy of one catalog, with the areas that it is applied to (``None``: anywhere)."""

    def __init__(self, catalog: Catalog, areas: Sequence[Area] | None) -> None:
        self.catalog = catalog
        self._start, self._end = catalog.search.interval()
        parts = None if areas is None else [part for area in areas for part in shapely.get_parts(area.geometry)]
        self._areas = None if parts is None else shapely.STRtree(parts)

    def accepts(self, item: dict[str, Any]) -> bool:
        """Whether an item is wanted; one whose facts are missing or unreadable is, so that checking it can say so."""
        properties = item.get("properties")
        if not isinstance(properties, dict):
            return True
        collection = item.get("collection")
        known = not self.catalog.collections or not isinstance(collection, str) or collection in self.catalog.collections
        return (
            known
            and self._in_time(properties)
            and self._clear(collection, properties)
            and self._in_place(item.get("geometry"), item.get("bbox"))
        )

    def reaches(self, bbox: list[float] | None, start: datetime | None = None, end: datetime | None = None) -> bool:
        """Whether anything within these bounds can be wanted.

        Args:
            bbox: west, south, east, north in degrees; west > east crosses the antimeridian; ``None``: not known.
            start: earliest time; ``None``: open.
            end: latest time; ``None``: open.
        """
        if (self._start and end and end < self._start) or (self._end and start and start > self._end):
            return False
        if self._areas is None or bbox is None:
            return True
        west, south, east, north = bbox
        spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        return any(self._hits(shapely.box(low, south, high, north)) for low, high in spans)

    def _in_time(self, properties: dict[str, Any]) -> bool:
        try:
            start, end = span(properties)
        except ValueError:
            return True
        return not ((self._start and end and end < self._start) or (self._end and start and start > self._end))

    def _clear(self, collection: object, properties: dict[str, Any]) -> bool:
        limit = self.catalog.search.max_cloud_cover_pct
        name = self.catalog.cloud_property(collection if isinstance(collection, str) else None)
        cover = properties.get(name) if name else None
        return limit is None or not isinstance(cover, int | float) or cover <= limit

    def _in_place(self, geometry: object, bbox: object) -> bool:
        if self._areas is None:
            return True
        try:
            return self._hits(within_the_world(unwrapped(shapely.geometry.shape(geometry), bbox)))  # type: ignore[arg-type]
        except (shapely.errors.ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError):
            return True

    def _hits(self, geometry: shapely.Geometry) -> bool:
        assert self._areas is not None
        return len(self._areas.query(geometry, predicate="intersects")) > 0


def moment(value: object) -> datetime | None:
    """A time as STAC writes it, in UTC; ``None`` for ``None``.

    Raises:
        ValueError: it is not a time.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a time")  # noqa: TRY004 - the value is at fault, not the program
    try:
        parsed = str_to_datetime(value)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{value!r} is not a time") from error


def span(properties: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    """First and last moment of an item: its range where it has one, else its ``datetime`` twice.

    Raises:
        ValueError: one of them is not a time.
    """
    at = moment(properties.get("datetime"))
    return moment(properties.get("start_datetime")) or at, moment(properties.get("end_datetime")) or at
