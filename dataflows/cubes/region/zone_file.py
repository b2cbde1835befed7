"""A region's zone from a file of polygons, such as an administrative area's."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import shapely
from pyogrio.errors import DataSourceError

from db.errors import CubeError

POLYGONS = ("Polygon", "MultiPolygon")


def zone_of_file(file: Path) -> shapely.Geometry:
    """The union of a file's polygons in EPSG:4326, longitude before latitude.

    Args:
        file: GeoJSON, GeoPackage, Shapefile, KML or another format of GDAL that holds one layer, in any CRS that it names.

    Raises:
        CubeError: the file cannot be read, names no CRS, or has another geometry than valid polygons.
    """
    try:
        shapes = gpd.read_file(file, columns=[])
    except DataSourceError as error:
        raise CubeError(f"{file} cannot be read: {str(error).rstrip('.')}.", remedy="Give a file of polygons.") from error
    if not isinstance(shapes, gpd.GeoDataFrame) or shapes.empty or not shapes.geom_type.isin(POLYGONS).all():
        raise CubeError(f"{file} does not hold polygons, and nothing else.", remedy="Keep the polygons of the region only.")
    if shapes.crs is None:
        raise CubeError(f"{file} names no CRS.", remedy="Write it with its CRS: none is assumed.")
    if not shapes.is_valid.all():
        reason = shapely.is_valid_reason(shapes.geometry[~shapes.is_valid].iloc[0])
        raise CubeError(f"{file} has an invalid polygon: {reason}.", remedy="Repair it.")
    return shapes.to_crs(4326).union_all()
