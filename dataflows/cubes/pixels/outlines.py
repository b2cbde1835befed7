"""The outline of an installation in the CRS of a scene: its polygons, or a disc around what is known only as a place."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyproj
import shapely
import yaml
from numpy.typing import NDArray

from db.errors import CubeError
from db.settings import REPOSITORY_ROOT

PROJECT_FILE = REPOSITORY_ROOT / "eo-pv-elt" / "dbt_project.yml"

# Half a megawatt at 20,000 m²/MW. Where neither area nor capacity is known, a site is rather small: a large one has its
# capacity in the papers. It is an assumption, not a finding.
DEFAULT_AREA_M2 = 10_000.0

# A disc of 16 edges a quarter has 99.8 % of the circle's area
QUARTER_EDGES = 16


@lru_cache(maxsize=1)
def area_m2_per_mw() -> float:
    """Ground that a megawatt takes, in m²; the figure that entity resolution uses (``area_m2_per_mw`` in dbt_project.yml)."""
    return float(yaml.safe_load(PROJECT_FILE.read_text(encoding="utf-8"))["vars"]["area_m2_per_mw"])


@lru_cache(maxsize=64)
def _to(epsg: int) -> pyproj.Transformer:
    crs = pyproj.CRS.from_epsg(epsg)
    if not crs.is_projected or any(axis.unit_conversion_factor != 1 for axis in crs.axis_info):
        raise CubeError(
            f"EPSG:{epsg} does not measure in metres, so no chips of a size in metres can be cut from its scenes.",
            remedy="Build chips from collections on UTM or another projected grid; open_region reads any CRS.",
        )
    return pyproj.Transformer.from_crs(4326, crs, always_xy=True)


def projected(geometries: NDArray[np.object_], epsg: int) -> NDArray[np.object_]:
    """Geometries of EPSG:4326 (longitude, latitude) in another CRS.

    Raises:
        CubeError: the CRS does not measure in metres.
    """
    to = _to(epsg)
    return shapely.transform(geometries, lambda xy: np.stack(to.transform(xy[:, 0], xy[:, 1]), axis=1))


def disc_radius_m(area_m2: NDArray[np.float64], capacity_mw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Radius of the disc that stands for a site known only as a place.

    The disc has the area that is stated, else that which the capacity takes, else :data:`DEFAULT_AREA_M2`. Nothing, NaN and
    values that are not positive mean unknown.

    Args:
        area_m2: shape (n,).
        capacity_mw: shape (n,).

    Returns:
        Metres, shape (n,).
    """
    with np.errstate(invalid="ignore"):
        of_capacity = np.where(capacity_mw > 0, capacity_mw * area_m2_per_mw(), DEFAULT_AREA_M2)
        area = np.where(area_m2 > 0, area_m2, of_capacity)
    return np.sqrt(area / np.pi)


def outlines(
    geometries: NDArray[np.object_], area_m2: NDArray[np.float64], capacity_mw: NDArray[np.float64], epsg: int
) -> NDArray[np.object_]:
    """Outlines of installations, as valid polygons in the CRS of a scene.

    A geometry with an area is taken as it is, without its points and lines; any other one becomes the disc (or, for a line, the
    strip) of :func:`disc_radius_m` around it. One that is across the antimeridian is one again in its UTM zone.

    Args:
        geometries: shapely geometries in EPSG:4326, longitude before latitude; shape (n,).
        area_m2: stated ground area, NaN where unknown; shape (n,).
        capacity_mw: stated capacity, NaN where unknown; shape (n,).
        epsg: a projected CRS in metres.

    Returns:
        Polygons and MultiPolygons, shape (n,); an empty polygon where the geometry is empty, missing or outside the CRS.

    Raises:
        CubeError: the CRS does not measure in metres.
    """
    here = projected(geometries, epsg)
    here[shapely.is_missing(here) | ~np.isfinite(shapely.bounds(here)).all(axis=1)] = shapely.Polygon()
    invalid = ~shapely.is_valid(here)
    here[invalid] = shapely.make_valid(here[invalid])
    places = ~shapely.is_empty(here) & (shapely.area(here) == 0)
    here[places] = shapely.buffer(here[places], disc_radius_m(area_m2, capacity_mw)[places], quad_segs=QUARTER_EDGES)
    mixed = shapely.get_type_id(here) == shapely.GeometryType.GEOMETRYCOLLECTION
    # What validity repair leaves beside the polygons are lines and points without an area
    here[mixed] = [shapely.union_all([part for part in shapely.get_parts(each) if part.area > 0]) for each in here[mixed]]
    return here
