"""Is a record a STAC item that can be used? If so, in the current version of STAC; if not, why not.

The core schema of the STAC version that pystac writes is bundled with pystac, so that nothing is fetched. Schemas of extensions
are on the internet and are not applied: what the lake uses of extensions is read with care in :mod:`dataflows.raw.stac_assets`.
"""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pystac
import shapely
from jsonschema import Draft7Validator, ValidationError
from pystac.serialization import identify_stac_object, migrate_to_latest
from pystac.validation.local_validator import VERSION, get_local_schema_cache
from referencing import Registry, Resource

from dataflows.raw.stac_identity import item_sha256
from ingest.antimeridian import unwrapped, within_the_world
from ingest.stac_policy import moment
from ingest.stac_record import Record

log = logging.getLogger(__name__)

ITEM_SCHEMA = f"https://schemas.stacspec.org/v{VERSION}/item-spec/json-schema/item.json"

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2201, 1, 1, tzinfo=UTC)
"""No image is older, and no climate projection goes further: what lies outside is a mistake."""

ROUNDING_DEG = 1e-6


@dataclass(frozen=True)
class CheckedItem:
    """An item that can be landed.

    Attributes:
        item: the JSON object in the current version of STAC.
        stac_version: the version it was published in.
        geometry: footprint, EPSG:4326, valid.
        at: ``datetime``; ``None`` where the item states a range only.
        start: start of the range, where stated.
        end: end of the range, where stated.
        updated: when the publisher changed the item, where stated.
        sha256: identity of the content, see :mod:`dataflows.raw.stac_identity`.
        record: where it came from.
    """

    item: dict[str, Any]
    stac_version: str
    geometry: shapely.Geometry
    at: datetime | None
    start: datetime | None
    end: datetime | None
    updated: datetime | None
    sha256: str
    record: Record


@dataclass(frozen=True)
class Refusal:
    """A record that cannot be landed, with the reason in one sentence."""

    record: Record
    reason: str


class _UnfitError(Exception):
    """Why a record is no usable item; never leaves this module."""


def checked(record: Record) -> CheckedItem | Refusal:
    """Check one record; whatever is wrong with it is a refusal, never an error."""
    try:
        return _checked(record)
    except _UnfitError as reason:
        return Refusal(record, str(reason))


def _checked(record: Record) -> CheckedItem:
    if record.item is None:
        raise _UnfitError(record.problem)
    version = record.item.get("stac_version")
    item = migrated(record.item)
    if not isinstance(item.get("collection"), str) or not item["collection"]:
        raise _UnfitError("it names no collection")
    geometry = _footprint(item.get("geometry"), item.get("bbox"))
    if problem := schema_problem(item):
        raise _UnfitError(problem)
    properties = item["properties"]
    at, start, end = (_time(properties, name) for name in ("datetime", "start_datetime", "end_datetime"))
    if at is None and (start is None or end is None):
        raise _UnfitError("it has no datetime, and no start_datetime and end_datetime in its place")
    if start is not None and end is not None and start > end:
        raise _UnfitError(f"its start_datetime {start.isoformat()} is after its end_datetime {end.isoformat()}")
    updated = _time(properties, "updated", bounded=False)
    try:
        sha256 = item_sha256(item)
    except ValueError as error:
        raise _UnfitError("it holds a number that is not finite, which JSON does not have") from error
    return CheckedItem(item, str(version), geometry, at, start, end, updated, sha256, record)


def migrated(item: dict[str, Any]) -> dict[str, Any]:
    """The item in the version of STAC that pystac writes; the argument is not changed.

    Raises:
        _UnfitError: it is no STAC item of any version.
    """
    if (
        item.get("type") != "Feature"
        or not isinstance(item.get("properties"), dict)
        or not isinstance(item.get("assets"), dict)
    ):
        raise _UnfitError("it is no STAC item: it needs type 'Feature', an object 'properties' and an object 'assets'")
    if not isinstance(item.get("stac_version"), str):
        raise _UnfitError("it is no STAC item: it has no stac_version")
    extensions = item.get("stac_extensions") or []
    try:
        # pystac tells of fields that it cannot move by warnings; they stay where they are
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            migrated = migrate_to_latest({**item, "stac_extensions": extensions}, identify_stac_object(item))
    except (pystac.STACError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _UnfitError(f"it cannot be brought to STAC {VERSION} ({type(error).__name__}: {error})") from error
    for warning in told:
        log.debug("%s: %s", item.get("id"), warning.message)
    return migrated


def schema_problem(item: dict[str, Any]) -> str | None:
    """What the core schema has against an item, in one line; ``None`` if nothing.

    Links are not looked at, but for there being a list of them: none is landed, and items that come out of a database or a
    Parquet file have lost theirs, also the one to their collection that the schema asks for.
    """
    if isinstance(item.get("links"), list):
        item = {**item, "links": [{"rel": "collection", "href": "./collection.json"}]}
    # Nearly all assets are like those of the item before, and checking them is nearly all of the work
    item = {**item, "assets": {key: asset for key, asset in item["assets"].items() if not _is_known_to_fit(asset)}}
    if _validator().is_valid(item):
        return None
    problems = [leaf for error in _validator().iter_errors(item) for leaf in _leaves(error)]
    # The schema has one branch for items with a footprint and one without: the other one's objections say nothing
    telling = [leaf for leaf in problems if not _of_other_branch(leaf)] or problems
    # The deepest says most; of equally deep ones always the same, because the quarantine compares reasons
    worst = min(telling, key=lambda leaf: (-len(leaf.absolute_path), _path(leaf), leaf.message))
    path = _path(worst)
    message = worst.message if len(worst.message) <= 200 else f"{worst.message[:200]}…"
    return f"STAC {VERSION} schema: {f'{path}: ' if path else ''}{message}"


def _path(leaf: ValidationError) -> str:
    return "/".join(str(part) for part in leaf.absolute_path)


def _is_known_to_fit(asset: object) -> bool:
    """Whether the schema has nothing against an asset, remembered for those that differ in nothing that the schema looks at."""
    if not isinstance(asset, dict):
        return False
    looked_at = {
        # Any text will do for these; fields of extensions have a colon in their names, and the core schema knows none of them
        name: "text" if name in ("href", "title", "description") and isinstance(value, str) and value else value
        for name, value in asset.items()
        if ":" not in name
    }
    return _fits(json.dumps(looked_at, sort_keys=True))


@lru_cache(maxsize=4096)
def _fits(asset: str) -> bool:
    return _validator().evolve(schema={"$ref": f"{ITEM_SCHEMA}#/definitions/asset"}).is_valid(json.loads(asset))


def _of_other_branch(leaf: ValidationError) -> bool:
    return leaf.absolute_path[0] == "geometry" if leaf.absolute_path else leaf.validator == "not"


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    if not error.context:
        yield error
    for part in error.context or []:
        yield from _leaves(part)


@lru_cache(maxsize=1)
def _validator() -> Draft7Validator:
    schemas = get_local_schema_cache()
    registry = Registry().with_resources([(uri, Resource.from_contents(schema)) for uri, schema in schemas.items()]).crawl()
    return Draft7Validator(schemas[ITEM_SCHEMA], registry=registry)


def _footprint(value: object, bbox: object) -> shapely.Geometry:
    """The geometry, if it is one that a search can rely on; split at the antimeridian where it goes on beyond it."""
    if value is None:
        raise _UnfitError("it has no geometry")
    try:
        geometry = shapely.geometry.shape(value)  # type: ignore[arg-type]
    except (shapely.errors.ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise _UnfitError(f"its geometry cannot be read ({type(error).__name__}: {error})") from error
    if geometry.is_empty:
        raise _UnfitError("its geometry is empty")
    west, south, east, north = geometry.bounds
    if not all(math.isfinite(bound) for bound in geometry.bounds):
        raise _UnfitError("its geometry has coordinates that are no numbers")
    if south < -90 - ROUNDING_DEG or north > 90 + ROUNDING_DEG:
        raise _UnfitError(f"its geometry has latitudes from {south:g} to {north:g}: axes swapped, or not EPSG:4326")
    if west < -540 or east > 540 or east - west > 360 + ROUNDING_DEG:
        raise _UnfitError(f"its geometry has longitudes from {west:g} to {east:g}: not EPSG:4326")
    flat = unwrapped(shapely.force_2d(geometry), bbox)
    if not flat.is_valid:
        raise _UnfitError(f"its geometry is not valid: {shapely.is_valid_reason(flat)}")
    return within_the_world(flat)


def _time(properties: dict[str, Any], name: str, *, bounded: bool = True) -> datetime | None:
    try:
        time = moment(properties.get(name))
    except ValueError as error:
        raise _UnfitError(f"its {name} cannot be read: {error}") from error
    if bounded and time is not None and not EARLIEST <= time < LATEST:
        raise _UnfitError(f"its {name} {time.isoformat()} is impossible")
    return time
