"""Cubes as xarray datasets, as they are now or were at any version."""

from __future__ import annotations

from typing import Any

import icechunk
import xarray as xr

from dataflows.cubes.chip.group import chip_paths
from dataflows.cubes.rasters import virtual_tiff_workarounds as _codecs  # noqa: F401 - registers the codecs of virtual chunks
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.references.writing import group_paths, is_group
from dataflows.cubes.repository import store
from dataflows.cubes.repository.reading_store import ReadingStore
from dataflows.cubes.repository.storage import CubeName
from dataflows.cubes.repository.store import AsOf
from db.errors import CubeNotFoundError
from db.settings import Settings


def open_group(
    name: CubeName | str,
    group: str,
    *,
    as_of: AsOf | None = None,
    lake: Settings | None = None,
    access: Access | None = None,
    **options: Any,
) -> xr.Dataset:
    """One group of a repository, lazily; nothing but metadata and small coordinates is read.

    Args:
        name: ``virtual``, ``chips`` or ``regions``.
        group: its path.
        as_of: tag, branch, snapshot id or time; see :func:`dataflows.cubes.repository.store.open_readonly`.
        lake: settings; those of the process when omitted.
        access: credentials of sources of virtual chunks; see :meth:`~dataflows.cubes.rasters.access.Access.of`.
        options: of :func:`xarray.open_zarr`, such as ``chunks``.

    Returns:
        The dataset, with the snapshot it was read from in the attribute ``icechunk_snapshot_id``.

    Raises:
        CubeNotFoundError: there is no such repository or group.
        SnapshotNotFoundError: there is no such version.
    """
    return dataset_of(store.open_readonly(name, as_of, lake=lake, access=access), group, **options)


def dataset_of(session: icechunk.Session, group: str, **options: Any) -> xr.Dataset:
    """One group of a session, as :func:`open_group` gives it."""
    try:
        dataset = xr.open_zarr(ReadingStore(session.store), group=group, consolidated=False, zarr_format=3, **options)
    except FileNotFoundError:
        raise CubeNotFoundError(f"The cubes have no group {group!r}.", remedy="List them with 'eopv cube info'.") from None
    return dataset.assign_attrs(icechunk_snapshot_id=session.snapshot_id)


def open_virtual(
    group: str,
    *,
    masked: bool = False,
    split_bands: bool = True,
    chunks: Any = None,
    as_of: AsOf | None = None,
    lake: Settings | None = None,
    access: Access | None = None,
) -> xr.Dataset:
    """Scenes of one collection on one grid, along time, read from the published files when values are asked for.

    Args:
        group: path of the group (``collection/epsg-32613/10-1ba7bdf1``), or a collection or another beginning of a path that
            only one group has.
        masked: nodata as NaN, and integers as floating-point numbers for that; by default values are the stored digital
            numbers. Scale and offset are never applied: they stand in ``reflectance_scale`` and ``reflectance_offset``
            (time, asset).
        split_bands: arrays of rasters with several bands become one array a band, with dimensions (time, y, x) like the
            others. Where bands are interleaved by pixel, reading one of them still decodes all.
        chunks: as in :func:`xarray.open_zarr`: ``None`` for NumPy, ``{}`` for Dask arrays of the files' own tiles.
        as_of: tag, branch, snapshot id or time; ``main`` as it is now when omitted.
        lake: settings; those of the process when omitted.
        access: credentials of sources; the lake's own bucket and public ones when omitted.

    Returns:
        Variables (time, y, x) in digital numbers, ``x`` and ``y`` at pixel centres in the CRS of ``spatial_ref``, and along
        time ``item_id`` and the source of every asset. An asset that a scene does not have reads as nodata, and its
        ``source_href`` is empty.

    Raises:
        CubeNotFoundError: no group, or more than one, has that name: the message lists those that there are.
        SnapshotNotFoundError: there is no such version.
        SourceChangedError: when values are read: a file is not the one that was referenced.
    """
    session = store.open_readonly(CubeName.VIRTUAL, as_of, lake=lake, access=access)
    path = named_group(session, group, CubeName.VIRTUAL)
    dataset = dataset_of(session, path, chunks=chunks, mask_and_scale=masked, decode_coords="all")
    dataset.attrs["group"] = path
    return _split(dataset) if split_bands else dataset


def open_chips(group: str, *, chunks: Any = None, as_of: AsOf | None = None, lake: Settings | None = None) -> xr.Dataset:
    """Chips of installations on one collection and CRS, read when values are asked for.

    Args:
        group: path of the group (``sentinel-2-l2a/epsg-32613``), or a collection that has only one.
        chunks: as in :func:`xarray.open_zarr`: ``None`` for NumPy, ``{}`` for Dask arrays of the stored chunks.
        as_of: tag, branch, snapshot id or time; ``main`` as it is now when omitted.
        lake: settings; those of the process when omitted.

    Returns:
        ``pixels`` (chip, time, band, y, x) in digital numbers as published, ``quality`` (chip, time, y, x), ``mask`` and
        ``own_mask`` (chip, y, x), with the coordinates that :mod:`dataflows.cubes.chip.group` lists. Scale and offset are never
        applied: reflectance is ``pixels * reflectance_scale + reflectance_offset`` where ``quality`` is clear or unclassified.

    Raises:
        CubeNotFoundError: no group, or more than one, has that name: the message lists those that there are.
        SnapshotNotFoundError: there is no such version.
    """
    session = store.open_readonly(CubeName.CHIPS, as_of, lake=lake)
    path = named_group(session, group, CubeName.CHIPS)
    return dataset_of(session, path, chunks=chunks).assign_attrs(group=path)


def named_group(session: icechunk.Session, name: str, cube: CubeName) -> str:
    """The path of a group, by its path or by a beginning of it that only one group has.

    Args:
        session: a version of the repository.
        name: path, or its beginning.
        cube: the repository.

    Raises:
        CubeNotFoundError: no group, or more than one, has that name: the message lists those that there are.
    """
    if cube is not CubeName.CHIPS and is_group(session.store, name):
        return name
    paths = chip_paths(session) if cube is CubeName.CHIPS else group_paths(session.store)
    fitting = [path for path in paths if path == name or path.startswith((name.rstrip("/") + "/", f"{name}-"))]
    if name in fitting:
        return name
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join((fitting or paths)[:10]) or "none"
    found = f"Several {cube} groups are" if fitting else f"No {cube} group is"
    raise CubeNotFoundError(f"{found} named {name!r}.", remedy=f"Groups: {listed}.")


def _split(dataset: xr.Dataset) -> xr.Dataset:
    for name in [name for name in dataset.data_vars if f"{name}_band" in dataset[name].dims]:
        bands, dimension = dataset[name], f"{name}_band"
        labels = [str(label) for label in dataset[dimension].values]
        taken = set(dataset.variables) - {name}
        dataset = dataset.drop_vars([name, dimension])
        for position, label in enumerate(labels):
            band = f"{name}_{label}" if label.isdigit() or label in taken else label
            dataset[band] = bands.isel({dimension: position}, drop=True).assign_attrs(long_name=f"{name}, {label}")
    return dataset
