"""Chips as an xarray dataset, as they are now or were at any version."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dataflows.cubes import store
from dataflows.cubes.opening import dataset_of, named_group
from dataflows.cubes.storage import CubeName
from dataflows.cubes.store import AsOf
from db.settings import Settings


def open_chips(group: str, *, chunks: Any = None, as_of: AsOf | None = None, lake: Settings | None = None) -> xr.Dataset:
    """Chips of installations on one collection and CRS, read when values are asked for.

    Args:
        group: path of the group (``sentinel-2-l2a/epsg-32613``), or a collection that has only one.
        chunks: as in :func:`xarray.open_zarr`: ``None`` for NumPy, ``{}`` for Dask arrays of the stored chunks.
        as_of: tag, branch, snapshot id or time; ``main`` as it is now when omitted.
        lake: settings; those of the process when omitted.

    Returns:
        ``pixels`` (chip, time, band, y, x) in digital numbers as published, ``quality`` (chip, time, y, x), ``mask`` and
        ``own_mask`` (chip, y, x), with the coordinates that :mod:`dataflows.cubes.chip_group` lists. Scale and offset are never
        applied: reflectance is ``pixels * reflectance_scale + reflectance_offset`` where ``quality`` is clear or unclassified.

    Raises:
        CubeNotFoundError: no group, or more than one, has that name: the message lists those that there are.
        SnapshotNotFoundError: there is no such version.
    """
    session = store.open_readonly(CubeName.CHIPS, as_of, lake=lake)
    path = named_group(session, group, CubeName.CHIPS)
    return dataset_of(session, path, chunks=chunks).assign_attrs(group=path)
