"""Geometries across the antimeridian, cut there: what GeoJSON asks for (RFC 7946, section 3.1.9) and maps need."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import shapely
from duckdb import sqltypes

from db.arrow_functions import ArrowFunction
from ingest.antimeridian import HALF_DEG, WORLD_DEG, within_the_world

log = logging.getLogger(__name__)

FUNCTION = "eopv_cut_at_antimeridian"


def cut(geometry: shapely.Geometry) -> shapely.Geometry:
    """A geometry in parts of which none crosses the antimeridian.

    A part that spans more than half the world, and less when its western longitudes are read as beyond 180°, is one whose
    longitudes jump from 180° to -180°. Others, such as Antarctica's, are left as they are.

    Args:
        geometry: EPSG:4326, longitude first; longitudes may go on beyond ±180°, up to ±540°.
    """
    parts = [within_the_world(_unwrapped(part)) for part in shapely.get_parts(geometry)]
    if len(parts) == 1:
        return parts[0]
    pieces = [piece for part in parts for piece in shapely.get_parts(part)]
    kinds = {piece.geom_type for piece in pieces}
    collections = {"Polygon": shapely.multipolygons, "LineString": shapely.multilinestrings, "Point": shapely.multipoints}
    return collections[kinds.pop()](pieces) if len(kinds) == 1 else shapely.geometrycollections(pieces)


def _unwrapped(part: shapely.Geometry) -> shapely.Geometry:
    west, _, east, _ = part.bounds
    if east - west <= HALF_DEG:
        return part

    def eastward(coordinates: np.ndarray) -> np.ndarray:
        lon, *others = coordinates.T
        return np.column_stack([np.where(lon < 0, lon + WORLD_DEG, lon), *others])

    moved = shapely.transform(part, eastward, include_z=part.has_z)
    return moved if moved.bounds[2] - moved.bounds[0] < HALF_DEG else part


def _cut_all(wkb: pa.ChunkedArray) -> pa.Array:
    shapes = [None if value is None else cut(shapely.from_wkb(value)) for value in wkb.to_pylist()]
    return pa.array([None if shape is None else shapely.to_wkb(shape) for shape in shapes], type=pa.binary())


FUNCTIONS = {FUNCTION: ArrowFunction(_cut_all, (sqltypes.BLOB,), sqltypes.BLOB)}


def expression(geometry: str) -> str:
    """SQL for a geometry that is cut if it has to be."""
    wide = f"ST_XMax({geometry}) - ST_XMin({geometry}) > {HALF_DEG}"
    beyond = f"ST_XMax({geometry}) > {HALF_DEG} OR ST_XMin({geometry}) < -{HALF_DEG}"
    cut_there = f"ST_GeomFromWKB({FUNCTION}(ST_AsWKB({geometry})::BLOB))"
    return f"CASE WHEN {wide} OR {beyond} THEN {cut_there} ELSE {geometry} END"
