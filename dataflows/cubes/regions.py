"""Regions: mosaics of scenes over an H3 cell or a polygon, across grids and UTM zones, without clouds, one a period.

A region is a group of the repository ``regions``, written in one commit, and opened with :func:`open_region`.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import icechunk
import numpy as np
import shapely
import xarray as xr
import zarr
from icechunk.xarray import to_icechunk
from numpy.typing import NDArray
from pyproj import CRS

from dataflows.cubes.opening import dataset_of, named_group
from dataflows.cubes.pixels.scenes import Band
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.rasters.grid import Grid
from dataflows.cubes.region.dataset import encoding, region_dataset
from dataflows.cubes.region.request import Period, Region
from dataflows.cubes.region.scenes import FileFacts, RegionRefusal, RegionScene, files_of, readable, scenes_of_region
from dataflows.cubes.region.zone import utm_epsg, zone_grid
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata, ItemReference
from dataflows.cubes.repository.storage import CubeName
from dataflows.cubes.repository.store import AsOf
from db import connect, settings
from db.errors import CubeError
from db.settings import Settings

log = logging.getLogger(__name__)

DIGEST = "eopv:digest"


@dataclass(frozen=True)
class RegionBuild:
    """What was built.

    Attributes:
        path: of the group.
        grid: of the mosaics.
        bands: common names.
        periods: first days.
        scenes: items that the mosaics are made of.
        refusals: items that they are made without, and why.
        snapshot_id: the commit; ``None`` where the region was there already, made of the same.
        tag: of the commit.
    """

    path: str
    grid: Grid
    bands: tuple[str, ...]
    periods: tuple[np.datetime64, ...]
    scenes: tuple[str, ...]
    refusals: tuple[RegionRefusal, ...]
    snapshot_id: str | None
    tag: str | None


def build_region(region: Region, *, lake: Settings | None = None, access: Access | None = None) -> RegionBuild:
    """Make the mosaics of a region and write them as one group, in one commit; none where it holds them already.

    Dask does the work, in threads of this process, or on the cluster of the ``distributed.Client`` that is active. A group of
    that name is replaced; earlier versions can still be opened.

    Args:
        region: what to make.
        lake: settings; those of the process when omitted. ``staging.stg_stac_items`` and ``stg_stac_assets`` list the scenes.
        access: credentials of the sources; those of the lake, and public buckets, when omitted.

    Returns:
        What was built. Files that are missing or broken are not used, and said in ``refusals``.

    Raises:
        LakeError: the lake's tables have not been built.
        CubeError: no scene can be used, nothing is clear, or the region is not possible as asked.
        SourceError: a file could not be read after all; nothing is written.
        CubeLockedError: another process writes regions.
        CubeConflictError: on S3, another build was finished first.
    """
    lake = lake or settings()
    access = access or Access.of(lake)
    zone = region.checked_zone()
    with connect(read_only=True, lake=lake) as con:
        bands, candidates = scenes_of_region(
            con,
            zone,
            region.collection,
            since=region.since,
            until=region.until,
            bands=region.bands,
            most_cloud_pct=region.most_cloud_pct,
        )
        metadata = CommitMetadata.reading(con, parameters=region.parameters)
    scenes, refusals, facts = readable(candidates, bands, access)
    for refusal in refusals:
        log.warning("region %s is made without %s: %s", region.name, refusal.item_id, refusal.reason)
    if not scenes:
        raise CubeError(f"No scene of {region.collection!r} can be used: {refusals[0].reason}", remedy="Fetch them again.")
    grid = _grid(region, zone, scenes, facts)
    periods = _periods(scenes, Period(region.period))
    digest = _digest(region, bands, scenes, grid)
    facts_of_build = (region.name, grid, bands, tuple(np.unique(periods)), tuple(each.scene.item_id for each in scenes))
    if _held(region.name, lake) == digest:
        return RegionBuild(*facts_of_build, tuple(refusals), None, None)
    mosaics = region_dataset(region, zone, bands, scenes, facts, grid, periods, access)
    mosaics.attrs[DIGEST] = digest
    with store.build(
        CubeName.REGIONS,
        message=f"region {region.name}: {len(np.unique(periods))} mosaics of {len(scenes)} scenes",
        metadata=metadata.model_copy(update={"items": _items(scenes)}),
        check=lambda session: _check(session, region.name, mosaics),
        lake=lake,
        access=access,
    ) as work:
        to_icechunk(mosaics, work.session, group=region.name, mode="w", encoding=encoding(mosaics))
    return RegionBuild(*facts_of_build, tuple(refusals), work.snapshot_id, work.tag)


def open_region(name: str, *, chunks: Any = None, as_of: AsOf | None = None, lake: Settings | None = None) -> xr.Dataset:
    """The mosaics of a region, read when values are asked for.

    Args:
        name: of the region, or a beginning of it that only one has.
        chunks: as in :func:`xarray.open_zarr`: ``None`` for NumPy, ``{}`` for Dask arrays of the stored chunks.
        as_of: tag, branch, snapshot id or time; ``main`` as it is now when omitted.
        lake: settings; those of the process when omitted.

    Returns:
        A variable a band (time, y, x): reflectance as a share of 1 (kelvin for thermal bands; numbers as published where a
        collection has no calibration), NaN where no day was clear; ``observations`` (time, y, x), the number of clear days;
        ``scene`` (time, y, x), the index of the item that a pixel is of, -1 where there is none or the mosaic is a median;
        ``zone`` (y, x), the share of a pixel within the region. ``time`` is the first day of a period (UTC); along ``item``
        stand the scenes, with their time, period, cloud cover and, for the least cloudy, the share that was clear.

    Raises:
        CubeNotFoundError: no region, or more than one, has that name: the message lists those that there are.
        SnapshotNotFoundError: there is no such version.
    """
    session = store.open_readonly(CubeName.REGIONS, as_of, lake=lake)
    path = named_group(session, name, CubeName.REGIONS)
    return dataset_of(session, path, chunks=chunks, decode_coords="all").assign_attrs(group=path)


def _grid(region: Region, zone: shapely.Geometry, scenes: Sequence[RegionScene], facts: Mapping[str, FileFacts]) -> Grid:
    epsg = region.epsg or utm_epsg(zone)
    if region.resolution is not None:
        return zone_grid(zone, epsg, region.resolution)
    metric = [grid for grid in (facts[band.href].grid for band in _bands(scenes)) if _is_metric(grid.epsg)]
    if not metric or not _is_metric(epsg):
        raise CubeError("How large a pixel is to be does not follow from the scenes.", remedy="Name a resolution.")
    return zone_grid(zone, epsg, min(max(grid.resolution) for grid in metric))


def _bands(scenes: Sequence[RegionScene]) -> list[Band]:
    return [band for entry in scenes for band in entry.scene.bands if band is not None]


def _is_metric(epsg: int) -> bool:
    crs = CRS.from_epsg(epsg)
    return crs.is_projected and all(axis.unit_conversion_factor == 1 for axis in crs.axis_info)


def _periods(scenes: Sequence[RegionScene], period: Period) -> NDArray[np.datetime64]:
    """First day of the period of each scene."""
    taken = np.array([entry.scene.taken_at.replace(tzinfo=None) for entry in scenes], "datetime64[us]")
    if period is Period.ALL:
        return np.full(taken.shape, taken.min().astype("datetime64[D]"))
    return taken.astype({Period.MONTH: "datetime64[M]", Period.YEAR: "datetime64[Y]"}[period]).astype("datetime64[D]")


def _digest(region: Region, bands: Sequence[str], scenes: Sequence[RegionScene], grid: Grid) -> str:
    facts = [region.parameters, list(bands), [entry.scene.key for entry in scenes], grid.label]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _held(name: str, lake: Settings) -> str | None:
    """Digest of the region that there is."""
    if not store.exists(CubeName.REGIONS, lake):
        return None
    session = store.open_readonly(CubeName.REGIONS, lake=lake)
    try:
        return zarr.open_group(session.store, path=name, mode="r", zarr_format=3).attrs.get(DIGEST)
    except FileNotFoundError:
        return None


def _items(scenes: Sequence[RegionScene]) -> tuple[ItemReference, ...]:
    return tuple(
        ItemReference(
            collection=entry.scene.collection,
            item_id=entry.scene.item_id,
            version=entry.scene.version,
            asset_key=band.asset_key,
            checksum=band.checksum,
        )
        for entry in scenes
        for band in files_of(entry.scene)
    )


def _check(session: icechunk.Session, name: str, mosaics: xr.Dataset) -> None:
    """Raise unless the group has all arrays, and something in it."""
    written = zarr.open_group(session.store, path=name, mode="r", zarr_format=3)
    for variable, expected in mosaics.variables.items():
        if written[str(variable)].shape != expected.shape:
            raise CubeError(f"{name}/{variable} was not written whole.", remedy="Build it again.")
    seen = written["observations"]
    if not any(np.asarray(seen[time]).any() for time in range(seen.shape[0])):
        raise CubeError(f"Nothing of {name} was clear on any day.", remedy="Ask for more time, or for more cloudy scenes.")
