"""Coordinate reference systems: asserted from the file and the manifest, never assumed."""

from __future__ import annotations

import duckdb
import pyproj
from pyproj.exceptions import CRSError as ProjError

from db.errors import CrsError
from db.sql import literal

GEOGRAPHIC = pyproj.CRS("EPSG:4326")


def parse(text: str, where: str) -> pyproj.CRS:
    """A CRS from an authority code, WKT or PROJJSON.

    Raises:
        CrsError: PROJ does not know it.
    """
    try:
        return pyproj.CRS(text)
    except ProjError as error:
        raise CrsError(
            f"{where}: {text[:80]!r} is not a CRS that PROJ knows.", remedy="Correct 'crs' in the manifest."
        ) from error


def asserted(in_file: str | None, in_manifest: str | None, file_name: str) -> str:
    """The CRS of a file, as ``AUTHORITY:CODE`` where it has one, else WKT.

    Args:
        in_file: what the file says; ``None`` when it says nothing.
        in_manifest: what the manifest says; needed only where the file says nothing.
        file_name: for messages.

    Raises:
        CrsError: neither says anything, they contradict each other, or PROJ does not know the CRS.
    """
    if in_file is None and in_manifest is None:
        raise CrsError(f"{file_name} has no CRS, and the manifest states none.", remedy="Add 'crs' to its distribution.")
    crs = parse(in_file or in_manifest or "", file_name)
    if in_file is not None and in_manifest is not None:
        stated = parse(in_manifest, "manifest")
        if not crs.equals(stated, ignore_axis_order=True):
            raise CrsError(
                f"{file_name} is in {crs.name!r}, but the manifest says {stated.name!r}.",
                remedy="Remove 'crs' from the manifest, or correct it.",
            )
    authority = crs.to_authority()
    return ":".join(authority) if authority else crs.to_wkt()


def is_geographic(crs: str) -> bool:
    """Whether coordinates are already longitude and latitude on WGS 84 (EPSG:4326 or OGC:CRS84, with or without height)."""
    horizontal = pyproj.CRS(crs).to_2d()
    return horizontal.equals(GEOGRAPHIC, ignore_axis_order=True) or horizontal.equals("OGC:CRS84", ignore_axis_order=True)


def to_geographic(table: duckdb.DuckDBPyRelation, crs: str, axis_order: str) -> duckdb.DuckDBPyRelation:
    """The table with ``geometry`` in EPSG:4326, longitude before latitude.

    Args:
        table: has a ``geometry`` column with coordinates in ``crs``.
        crs: as :func:`asserted` gives it.
        axis_order: ``xy``, or ``yx`` where the publisher wrote the axes the wrong way round.
    """
    # The cast drops the column's own CRS: DuckLake stores none, and ST_Transform is told explicitly
    geometry = "geometry::GEOMETRY"
    if axis_order == "yx":
        geometry = f"ST_FlipCoordinates({geometry})"
    if not is_geographic(crs):
        geometry = f"ST_Transform({geometry}, {literal(crs)}, 'EPSG:4326')"
    return table.project(f"* REPLACE ({geometry} AS geometry)")
