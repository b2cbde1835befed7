"""Where a region is: an H3 cell or a polygon, and the pixel grid that its mosaic is made on."""

from __future__ import annotations

import math

import h3.api.basic_int as h3
import numpy as np
import pyproj
import shapely
from affine import Affine
from h3 import H3BaseException
from numpy.typing import NDArray
from odc.geo import CRS
from shapely import affinity

from dataflows.cubes.pixels.zone_cells import cells_in
from dataflows.cubes.rasters.grid import Grid
from db.errors import CubeError
from ingest.antimeridian import HALF_DEG, WORLD_DEG, within_the_world

Zone = int | str | shapely.Geometry

# An edge curves between its corners in another CRS: within 1 % of an edge a chord stays within a pixel of it
_PARTS_OF_AN_EDGE = 100


def zone_geometry(zone: Zone) -> shapely.Geometry:
    """A zone as a polygon or multipolygon in EPSG:4326, longitude before latitude, split at the antimeridian.

    Args:
        zone: an H3 cell (number, or hexadecimal text), or a geometry with an area in EPSG:4326.

    Raises:
        CubeError: it is no cell, holds a pole, has no area, or is not valid.
    """
    if isinstance(zone, shapely.Geometry):
        return _checked(zone)
    try:
        cell = zone if isinstance(zone, int) else h3.str_to_int(zone)
        boundary = h3.cell_to_boundary(cell)
    except (H3BaseException, ValueError):
        raise CubeError(f"{zone!r} is no H3 cell.", remedy="Give a cell as a number or as hexadecimal text.") from None
    latitudes, longitudes = (np.array(values) for values in zip(*boundary, strict=True))
    if cell in {h3.latlng_to_cell(pole, 0.0, h3.get_resolution(cell)) for pole in (90.0, -90.0)}:
        raise CubeError(
            f"The cell {zone!r} holds a pole.", remedy="Give a polygon beside the pole, and the EPSG code of a CRS."
        )
    if np.ptp(longitudes) > HALF_DEG:
        longitudes = np.where(longitudes < 0, longitudes + WORLD_DEG, longitudes)
    return within_the_world(shapely.Polygon(np.stack([longitudes, latitudes], axis=1)))


def _checked(geometry: shapely.Geometry) -> shapely.Geometry:
    if not (geometry.area > 0 and geometry.is_valid and geometry.geom_type in ("Polygon", "MultiPolygon")):
        raise CubeError(
            f"A region needs a valid polygon, not {geometry.geom_type}: {shapely.is_valid_reason(geometry)}.",
            remedy="Repair it, or buffer it.",
        )
    west, south, east, north = geometry.bounds
    if not (west >= -HALF_DEG and east <= HALF_DEG and south >= -90 and north <= 90):
        raise CubeError(
            f"A region's bounds {geometry.bounds} are no degrees.", remedy="Give EPSG:4326, longitude before latitude."
        )
    return geometry


def utm_epsg(geometry: shapely.Geometry) -> int:
    """Code of the UTM zone (WGS 84) that holds the centre of a geometry in EPSG:4326.

    Raises:
        CubeError: the centre is beyond UTM, north of 84° or south of 80°.
    """
    centre = _together(geometry).centroid
    longitude = (centre.x + HALF_DEG) % WORLD_DEG - HALF_DEG
    try:
        epsg = CRS.utm(longitude, centre.y).epsg
    except ValueError:
        epsg = None
    if epsg is None:
        raise CubeError(f"There is no UTM zone at latitude {centre.y:.1f}.", remedy="Name a CRS by its EPSG code.")
    return epsg


def zone_in(geometry: shapely.Geometry, epsg: int) -> shapely.Geometry:
    """A geometry of EPSG:4326 in another CRS, its edges divided so that they stay where they are.

    Raises:
        CubeError: it does not lie in that CRS, or the code is not known.
    """
    try:
        to = pyproj.Transformer.from_crs(4326, epsg, always_xy=True)
    except pyproj.exceptions.CRSError:
        raise CubeError(f"EPSG:{epsg} is no CRS.", remedy="Name one that EPSG lists.") from None
    whole = _together(geometry)
    west, south, east, north = whole.bounds
    fine = shapely.segmentize(whole, max(east - west, north - south) / _PARTS_OF_AN_EDGE)
    found = shapely.transform(fine, lambda xy: np.stack(to.transform(xy[:, 0], xy[:, 1]), axis=1))
    if not np.isfinite(found.bounds).all():
        raise CubeError(f"The region does not lie within EPSG:{epsg}.", remedy="Name a CRS that is meant for the place.")
    return found if found.is_valid else shapely.make_valid(found)


def _together(geometry: shapely.Geometry) -> shapely.Geometry:
    """Parts on both sides of the antimeridian, next to each other."""
    west, _, east, _ = geometry.bounds
    if east - west <= HALF_DEG:
        return geometry
    parts = [affinity.translate(part, WORLD_DEG if part.bounds[2] < 0 else 0) for part in shapely.get_parts(geometry)]
    return shapely.union_all(parts)


def zone_grid(geometry: shapely.Geometry, epsg: int, resolution: float) -> Grid:
    """The smallest grid around a zone whose pixel corners are multiples of the resolution.

    Sentinel-2's and Landsat's own grids lie so in their UTM zones (Landsat's half a pixel off): what needs no warp is copied.

    Args:
        geometry: EPSG:4326.
        epsg: CRS of the grid.
        resolution: edge of a pixel in units of the CRS.

    Raises:
        CubeError: the resolution is not positive, or the zone does not lie in the CRS.
    """
    if not resolution > 0:
        raise CubeError(f"A resolution of {resolution} is not possible.", remedy="Give metres, or degrees.")
    west, south, east, north = zone_in(geometry, epsg).bounds
    left, top = math.floor(west / resolution), math.ceil(north / resolution)
    rows, columns = top - math.floor(south / resolution), math.ceil(east / resolution) - left
    return Grid(epsg, Affine(resolution, 0, left * resolution, 0, -resolution, top * resolution), (rows, columns))


def covered_share(geometry: shapely.Geometry, grid: Grid) -> NDArray[np.float32]:
    """The share of each pixel that a zone covers, exact to the polygon; shape of the grid."""
    cells = cells_in(grid, np.array([zone_in(geometry, grid.epsg)], object))
    share = np.zeros(grid.shape, np.float32)
    share[cells.row, cells.column] = cells.fraction
    return share
