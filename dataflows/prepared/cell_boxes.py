"""Boxes of longitude and latitude around whatever is filed under H3 cells."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import shapely
from h3ronpy.vector import cells_to_coordinates, cells_to_wkb_polygons
from numpy.typing import NDArray

# Cells of finer resolutions stick out of the cell that they descend from: they reach up to 1.063 times as far from its centre
# as its farthest corner does (tests/unit/test_cell_boxes.py measures it, pentagons included). The rest is for rounding.
REACH = 1.1


def cell_boxes(cells: NDArray[np.uint64]) -> NDArray[np.object_]:
    """Boxes that hold every point whose cell, at any finer resolution, descends from a given one.

    Args:
        cells: n H3 cells.

    Returns:
        n polygons in degrees (EPSG:4326) with sides along meridians and parallels, or multipolygons of two where the
        antimeridian runs through; around a pole, the cap north or south of a parallel.
    """
    lon, lat, radius = _caps(cells)
    # A cap is widest where meridians touch it: sin(width) = sin(radius) / cos(latitude)
    reaches_pole = np.abs(lat) + radius >= np.pi / 2
    slenderness = np.sin(radius) / np.where(reaches_pole, 1, np.cos(lat))
    width = np.where(reaches_pole, np.pi, np.arcsin(np.minimum(slenderness, 1)))
    lon = np.where(reaches_pole, 0, lon)
    west, east = np.degrees(lon - width), np.degrees(lon + width)
    south, north = np.maximum(np.degrees(lat - radius), -90), np.minimum(np.degrees(lat + radius), 90)
    boxes = shapely.box(np.maximum(west, -180), south, np.minimum(east, 180), north)
    for (cut,) in np.argwhere((west < -180) | (east > 180)):
        beyond = (west[cut] + 360, 180) if west[cut] < -180 else (-180, east[cut] - 360)
        boxes[cut] = shapely.multipolygons([boxes[cut], shapely.box(beyond[0], south[cut], beyond[1], north[cut])])
    return boxes


def _caps(cells: NDArray[np.uint64]) -> tuple[NDArray[np.float64], ...]:
    """Longitude and latitude of the cells' centres and the radius of the caps around them; n radians each, on the sphere."""
    centres = cells_to_coordinates(pa.array(cells))
    lon, lat = (np.radians(np.asarray(centres[name])) for name in ("lng", "lat"))
    outlines = shapely.from_wkb(pa.array(cells_to_wkb_polygons(pa.array(cells))).to_numpy(zero_copy_only=False))
    corners, cell = shapely.get_coordinates(outlines, return_index=True)
    corner_lon, corner_lat = np.radians(corners.T)
    haversine = (
        np.sin((corner_lat - lat[cell]) / 2) ** 2
        + np.cos(corner_lat) * np.cos(lat[cell]) * np.sin((corner_lon - lon[cell]) / 2) ** 2
    )
    farthest = np.zeros(len(cells))
    np.maximum.at(farthest, cell, 2 * np.arcsin(np.sqrt(np.minimum(haversine, 1))))
    return lon, lat, REACH * farthest
