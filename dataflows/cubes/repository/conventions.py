"""Metadata that CF and GeoZarr readers understand: grid mapping, axes, time, and the conventions of groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.xr import xr_coords
from pyproj import CRS

from dataflows.cubes.rasters.grid import Grid

CF = "CF-1.11"
SPATIAL_REF = "spatial_ref"

# What GeoZarr is made of: zarr-conventions/geo-proj and zarr-conventions/spatial, version 1
GEOZARR = (
    {
        "schema_url": "https://raw.githubusercontent.com/zarr-conventions/geo-proj/refs/tags/v1/schema.json",
        "spec_url": "https://github.com/zarr-conventions/geo-proj/blob/v1/README.md",
        "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "name": "proj:",
        "description": "Coordinate reference system information for geospatial data",
    },
    {
        "schema_url": "https://raw.githubusercontent.com/zarr-conventions/spatial/refs/tags/v1/schema.json",
        "spec_url": "https://github.com/zarr-conventions/spatial/blob/v1/README.md",
        "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
        "name": "spatial:",
        "description": "Spatial coordinate information",
    },
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME_ATTRIBUTES = {
    "standard_name": "time",
    "axis": "T",
    "units": "microseconds since 1970-01-01T00:00:00",
    "calendar": "proleptic_gregorian",
}


def group_attributes(grid: Grid) -> dict[str, Any]:
    """Attributes of a group whose arrays share one grid."""
    return {
        "Conventions": CF,
        "zarr_conventions": [dict(convention) for convention in GEOZARR],
        "proj:code": f"EPSG:{grid.epsg}",
        "spatial:dimensions": ["y", "x"],
        "spatial:transform": list(grid.transform[:6]),
        "spatial:shape": list(grid.shape),
        "spatial:bbox": list(grid.bounds.bbox),
    }


def grid_of(attributes: dict[str, Any]) -> Grid:
    """The grid that :func:`group_attributes` wrote."""
    epsg = int(attributes["proj:code"].removeprefix("EPSG:"))
    return Grid.of(epsg, attributes["spatial:transform"], attributes["spatial:shape"])


def grid_mapping_attributes(grid: Grid) -> dict[str, Any]:
    """Attributes of the scalar that arrays name as their ``grid_mapping``.

    Without one a tile server such as titiler takes an array for EPSG:4326.
    """
    return {name: _plain(value) for name, value in xr_coords(grid.geobox)[SPATIAL_REF].attrs.items()}


def axis_attributes(grid: Grid) -> dict[str, dict[str, str]]:
    """Attributes of the coordinates ``x`` and ``y`` (centres of pixels) after CF."""
    axes = {axis["axis"].lower(): axis for axis in CRS.from_epsg(grid.epsg).cs_to_cf()}
    return {name: axes[name] for name in ("x", "y")}


def encoded_times(times: Iterable[datetime]) -> NDArray[np.int64]:
    """Times as :data:`TIME_ATTRIBUTES` says; microseconds hold what STAC and Python can say."""
    return np.array([(time - EPOCH) // timedelta(microseconds=1) for time in times], dtype=np.int64)


def decoded_times(values: Sequence[int] | NDArray[np.int64]) -> list[datetime]:
    """The inverse of :func:`encoded_times`."""
    return [EPOCH + timedelta(microseconds=int(value)) for value in values]


def variable_name(asset_key: str, taken: Iterable[str] = ()) -> str:
    """An asset's key as the name of an array: letters, digits, ``_``, ``-`` and ``.``; none of those that are taken."""
    name = re.sub(r"[^0-9A-Za-z_.-]", "_", asset_key).strip(".") or "asset"
    return f"asset_{name}" if name in set(taken) else name


def _plain(value: Any) -> Any:
    """A value as JSON holds it."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
