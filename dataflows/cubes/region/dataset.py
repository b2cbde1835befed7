"""A region as a dataset: mosaics of its periods, computed when they are written, and what they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dask
import dask.array as da
import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from dataflows.cubes.rasters.access import Access
from dataflows.cubes.rasters.grid import Grid
from dataflows.cubes.region import reading
from dataflows.cubes.region.mosaic import Method, block_edge, clear_values, composed, solar_day
from dataflows.cubes.region.request import Region
from dataflows.cubes.region.scenes import FileFacts, RegionScene
from dataflows.cubes.region.zone import covered_share
from dataflows.cubes.repository.conventions import SPATIAL_REF, axis_attributes, grid_mapping_attributes, group_attributes

_COMPRESSOR = BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle")


def region_dataset(
    region: Region,
    zone: shapely.Geometry,
    bands: Sequence[str],
    scenes: Sequence[RegionScene],
    facts: Mapping[str, FileFacts],
    grid: Grid,
    periods: NDArray[np.datetime64],
    access: Access,
) -> xr.Dataset:
    """The group that a region is, its arrays of pixels lazy.

    Args:
        region: what was asked for.
        zone: EPSG:4326.
        bands: common names.
        scenes: by time.
        facts: what their files say of themselves.
        grid: of the mosaics.
        periods: first day of the period of each scene.
        access: credentials.
    """
    first_days, which = np.unique(periods, return_inverse=True)
    edge = block_edge(int(np.bincount(which).max()), len(bands))
    share = covered_share(zone, grid)

    def values(entry: RegionScene, number: int) -> da.Array:
        held = [band for band in entry.scene.bands if band is not None][:number]
        read = reading.numbers(entry, held, facts, grid, access, edge=edge, resampling=region.resampling)
        classes = reading.classes(entry, facts, grid, access, edge=edge)
        key = entry.scene.classification and entry.scene.classification.asset_key
        return clear_values(read, classes, key, entry.scene.calibration[:number])

    method = Method(region.method)
    ranks, clear = np.arange(len(scenes)), None
    if method is Method.LEAST_CLOUDY:
        # One band is enough to see where a scene is clear
        inside = da.from_array(share, chunks=edge)
        (seen,) = dask.compute([(inside * ~da.isnan(values(entry, 1)[0])).sum() for entry in scenes])
        clear = np.array(seen, np.float64) / share.sum(dtype=np.float64)
        ranks = np.argsort(np.argsort(-clear, kind="stable"), kind="stable")
    longitude = zone.representative_point().x
    days = [solar_day(entry.scene.taken_at, longitude) for entry in scenes]
    pixels = []
    for period in range(len(first_days)):
        members = np.flatnonzero(which == period)
        mosaic = composed(
            [values(scenes[index], len(bands)) for index in members],
            [days[index] for index in members],
            [int(ranks[index]) for index in members],
            method,
        )
        pixels.append((mosaic, members))
    return _dataset(region, bands, scenes, grid, share, first_days, which, pixels, clear)


def _dataset(
    region: Region,
    bands: Sequence[str],
    scenes: Sequence[RegionScene],
    grid: Grid,
    share: NDArray[np.float32],
    first_days: NDArray[np.datetime64],
    which: NDArray[np.int64],
    pixels: Sequence[tuple[da.Array, NDArray[np.int64]]],
    clear: NDArray[np.float64] | None,
) -> xr.Dataset:
    dims = ("time", "y", "x")
    layers = da.stack([mosaic for mosaic, _ in pixels])
    origin = da.stack([_numbered(mosaic[-1], members) for mosaic, members in pixels])
    axes = axis_attributes(grid)
    variables: dict[str, Any] = {
        band: (dims, layers[:, index], {"long_name": band, "grid_mapping": SPATIAL_REF}) for index, band in enumerate(bands)
    }
    variables["observations"] = (
        dims,
        layers[:, -2].astype(np.uint16),
        {"long_name": "number of clear days", "grid_mapping": SPATIAL_REF},
    )
    variables["scene"] = (dims, origin, {"long_name": "index of the item of a pixel", "grid_mapping": SPATIAL_REF})
    variables["zone"] = (("y", "x"), share, {"long_name": "share within the region", "units": "1", "grid_mapping": SPATIAL_REF})
    taken = np.array([entry.scene.taken_at.replace(tzinfo=None) for entry in scenes], "datetime64[us]")
    cloud = np.array([entry.cloud_cover_pct for entry in scenes], np.float64)
    coordinates: dict[str, Any] = {
        "time": ("time", first_days.astype("datetime64[ns]"), {"standard_name": "time", "axis": "T"}),
        "y": ("y", grid.y, axes["y"]),
        "x": ("x", grid.x, axes["x"]),
        SPATIAL_REF: ((), 0, grid_mapping_attributes(grid)),
        "item_id": ("item", np.array([entry.scene.item_id for entry in scenes], object), {"long_name": "STAC item"}),
        "item_version": ("item", np.array([entry.scene.version for entry in scenes], np.int32)),
        "item_datetime": ("item", taken, {"long_name": "when the scene was taken (UTC)"}),
        "item_time": ("item", which.astype(np.int32), {"long_name": "index of the period of the item"}),
        "item_cloud_cover": ("item", cloud, {"long_name": "cloud cover as stated", "units": "percent"}),
    }
    if clear is not None:
        coordinates["item_clear_share"] = ("item", clear, {"long_name": "share of the region that is clear", "units": "1"})
    attributes = {
        **group_attributes(grid),
        "title": f"{region.collection}, {region.name}",
        "eopv:region": {name: value for name, value in region.parameters.items() if value is not None},
    }
    return xr.Dataset(variables, coordinates, attributes)


def _numbered(origin: da.Array, members: NDArray[np.int64]) -> da.Array:
    """Indices among the scenes of a period as indices among all."""
    numbers = np.append(members, -1).astype(np.int32)
    return origin.map_blocks(lambda block: numbers[block.astype(np.int64)], dtype=np.int32)


def encoding(mosaics: xr.Dataset) -> dict[str, dict[str, Any]]:
    """How the group is stored: chunks are the blocks that are computed."""
    found: dict[str, dict[str, Any]] = {
        "time": {"units": "days since 1970-01-01", "dtype": "int64"},
        "item_datetime": {"units": "microseconds since 1970-01-01", "dtype": "int64"},
    }
    for name, variable in mosaics.data_vars.items():
        chunks = [sizes[0] for sizes in variable.chunks] if variable.chunks else [min(512, size) for size in variable.shape]
        found[str(name)] = {"chunks": tuple(chunks), "compressors": (_COMPRESSOR,)}
    return found
