"""Groups of virtual cubes in a repository: read back as a state, and written as references along time."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray
from virtualizarr.manifests import ManifestArray
from zarr.core.sync import sync
from zarr.errors import GroupNotFoundError

from dataflows.cubes.rasters.geotiff import Layout
from dataflows.cubes.rasters.virtual_tiff_workarounds import codecs_of_scenes, split
from dataflows.cubes.references.groups import Cell, GroupPlan, GroupState, Source
from dataflows.cubes.repository.conventions import (
    SPATIAL_REF,
    TIME_ATTRIBUTES,
    axis_attributes,
    decoded_times,
    encoded_times,
    grid_mapping_attributes,
    grid_of,
    group_attributes,
    variable_name,
)
from db.errors import CubeError, SourceError

# Names that no asset's array may have
SCENE_COORDINATES = ("item_id", "item_version")
CELL_COORDINATES = ("source_href", "source_etag", "source_checksum", "reflectance_scale", "reflectance_offset")
RESERVED = frozenset({"time", "y", "x", "band", "asset", SPATIAL_REF, *SCENE_COORDINATES, *CELL_COORDINATES})

# Dates a chunk of the small coordinates: a group of thousands is still read with a few requests
COORDINATE_CHUNK = 4096

_LAYOUT = "eopv:layout"


def group_paths(store: icechunk.IcechunkStore) -> list[str]:
    """Paths of all groups that hold a cube, sorted."""
    try:
        return sorted(_cubes_below(zarr.open_group(store, mode="r", zarr_format=3)))
    except GroupNotFoundError:
        return []


def is_group(store: icechunk.IcechunkStore, path: str) -> bool:
    """Whether a path is that of a group that holds a cube."""
    try:
        return "proj:code" in zarr.open_group(store, path=path, mode="r", zarr_format=3).attrs
    except GroupNotFoundError:
        return False


def _cubes_below(group: zarr.Group) -> Iterator[str]:
    for _, member in group.groups():
        if "proj:code" in member.attrs:
            yield member.path
        else:
            yield from _cubes_below(member)


class StoredGroups(Mapping[str, GroupState]):
    """What the groups of a repository hold, by path; a group is read when it is asked for."""

    def __init__(self, store: icechunk.IcechunkStore) -> None:
        self._store = store
        self._known: dict[str, GroupState | None] = {}

    def __getitem__(self, path: str) -> GroupState:
        if path not in self._known:
            there = is_group(self._store, path)
            group = zarr.open_group(self._store, path=path, mode="r", zarr_format=3) if there else None
            self._known[path] = None if group is None else read_state(group)
        if (state := self._known[path]) is None:
            raise KeyError(path)
        return state

    def __iter__(self) -> Iterator[str]:
        return iter(group_paths(self._store))

    def __len__(self) -> int:
        return len(group_paths(self._store))


def read_state(group: zarr.Group) -> GroupState:
    """What one group holds."""
    arrays = {node.attrs["asset_key"]: node for _, node in group.arrays() if "asset_key" in node.attrs}
    times = tuple(decoded_times(group["time"][:]))
    assets = [str(asset) for asset in group["asset"][:]]
    columns = [group[name][:] for name in CELL_COORDINATES]
    cells = {
        (time, asset): Cell(
            *(column[row, position].item() if column.dtype.kind == "f" else str(column[row, position]) for column in columns)
        )
        for (row, time), (position, asset) in itertools.product(enumerate(times), enumerate(assets))
    }
    return GroupState(
        path=group.path,
        grid=grid_of(dict(group.attrs)),
        grid_code=str(group.attrs.get("grid_code", "")),
        times=times,
        items=tuple(str(item) for item in group["item_id"][:]),
        versions=tuple(int(version) for version in group["item_version"][:]),
        layouts={asset: _layout(node.attrs[_LAYOUT]) for asset, node in arrays.items()},
        bands={asset: _bands(group, node) for asset, node in arrays.items()},
        cells={key: cell for key, cell in cells.items() if cell.href},
    )


def write_group(session: icechunk.Session, plan: GroupPlan) -> None:
    """Write a group's new references and its coordinates; dates are in order, wherever new ones belong.

    Raises:
        CubeError: an array of the group does not store what its description says.
    """
    after = plan.after
    root = zarr.open_group(session.store, mode="a", zarr_format=3)
    group = root.require_group(after.path)
    group.attrs.update({**group_attributes(after.grid), "grid_code": after.grid_code, "coordinates": _coordinates(after)})
    if not plan.before.times:
        _write_grid(group, after)
    place = {time: index for index, time in enumerate(after.times)}
    moved = {index: place[time] for index, time in enumerate(plan.before.times)}
    for asset, name in variable_names(after.layouts).items():
        new = {time: source for (time, key), source in plan.sources.items() if key == asset}
        if asset in plan.before.layouts:
            _make_room(session, group[name], len(after.times), moved)
        else:
            _create(group, name, asset, after, next(iter(new.values())).references)
        for time, source in new.items():
            _refer(session, group[name], place[time], source, replaced=(time, asset) in plan.before.cells)
    _write_coordinates(group, after)


def check_groups(session: icechunk.Session, plans: Sequence[GroupPlan]) -> None:
    """Raise unless what was written is what was planned, and one new chunk of every array can be decoded.

    Raises:
        CubeError: names the group and what is wrong with it.
    """
    for plan in plans:
        group = zarr.open_group(session.store, path=plan.after.path, mode="r", zarr_format=3)
        state = read_state(group)
        if state != plan.after:
            raise CubeError(f"{plan.after.path}: what was written is not what was planned.", remedy="Report this.")
        if any(later <= earlier for earlier, later in itertools.pairwise(state.times)):
            raise CubeError(f"{plan.after.path}: its dates are not unique and in order.", remedy="Report this.")
        names = variable_names(state.layouts)
        sizes = {name: group[name].shape for name in names.values()}
        if any(shape[0] != len(state.times) or shape[-2:] != state.grid.shape for shape in sizes.values()):
            raise CubeError(
                f"{plan.after.path}: arrays of other shapes than its dates and grid: {sizes}.", remedy="Report this."
            )
        for (time, asset), source in {key[1]: (key, source) for key, source in plan.sources.items()}.values():
            _decode_one(group[names[asset]], state.times.index(time), source)


def variable_names(assets: Iterable[str]) -> dict[str, str]:
    """Asset key → name of its array, in the order given."""
    return {asset: variable_name(asset, RESERVED) for asset in assets}


def _decode_one(array: zarr.Array, index: int, source: Source) -> None:
    stored = np.argwhere(source.references.manifest._lengths > 0)
    if not len(stored):
        return
    first = stored[0] * source.references.metadata.chunks
    try:
        array[(index, *(slice(start, start + 1) for start in first))]
    except (RuntimeError, ValueError, zlib.error) as error:
        raise SourceError(
            f"{source.header.href} cannot be decoded: {error}.", remedy="Fetch it again, or leave its scene out."
        ) from error


def _write_grid(group: zarr.Group, state: GroupState) -> None:
    axes = axis_attributes(state.grid)
    for name, values in (("y", state.grid.y), ("x", state.grid.x)):
        _put(group, name, values, (name,), axes[name])
    mapping = group.create_array(SPATIAL_REF, shape=(), dtype="int64", attributes=grid_mapping_attributes(state.grid))
    mapping[...] = state.grid.epsg


def _write_coordinates(group: zarr.Group, state: GroupState) -> None:
    assets = list(state.layouts)
    _put(group, "time", encoded_times(state.times), ("time",), TIME_ATTRIBUTES)
    _put(group, "item_id", _text(state.items), ("time",), {"long_name": "STAC item"})
    _put(
        group,
        "item_version",
        np.array(state.versions, dtype=np.int32),
        ("time",),
        {"long_name": "version of the item in the lake"},
    )
    _put(group, "asset", _text(assets), ("asset",), {"long_name": "STAC asset key"})
    rows = [[state.cells.get((time, asset), Cell()) for asset in assets] for time in state.times]
    for position, name in enumerate(CELL_COORDINATES):
        values = [[cell[position] for cell in row] for row in rows]
        column = np.array(values, dtype=np.float64) if name.startswith("reflectance") else _text(values)
        _put(group, name, column, ("time", "asset"), {})


def _put(group: zarr.Group, name: str, values: NDArray[Any], dimensions: tuple[str, ...], attributes: dict[str, Any]) -> None:
    """A small array of its own chunks, written whole."""
    dtype = "str" if values.dtype == object else values.dtype
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=tuple(max(1, min(size, COORDINATE_CHUNK)) for size in values.shape),
        dtype=dtype,
        dimension_names=dimensions,
        attributes=attributes,
        overwrite=True,
    )
    array[...] = values


def _create(group: zarr.Group, name: str, asset: str, state: GroupState, references: ManifestArray) -> None:
    """An array of references without any yet."""
    filters, serializer, compressors = split(codecs_of_scenes(references))
    bands = state.bands[asset]
    metadata = references.metadata
    nodata = metadata.attributes.get("_FillValue")
    group.create_array(
        name,
        shape=(len(state.times), *references.shape),
        chunks=(1, *metadata.chunks),
        dtype=references.dtype,
        filters=filters or None,
        serializer=serializer,
        compressors=compressors or None,
        fill_value=metadata.fill_value,
        dimension_names=("time", *([f"{name}_band"] if bands else []), "y", "x"),
        attributes={
            "long_name": asset,
            "asset_key": asset,
            "grid_mapping": SPATIAL_REF,
            _LAYOUT: asdict(state.layouts[asset]),
            **({} if nodata is None else {"_FillValue": nodata}),
        },
    )
    if bands:
        _put(group, f"{name}_band", _text(bands), (f"{name}_band",), {"long_name": f"bands of {asset}"})


def _make_room(session: icechunk.Session, array: zarr.Array, dates: int, moved: dict[int, int]) -> None:
    """Lengthen an array along time and move its references to the places where their dates are now."""
    if dates == array.shape[0]:
        return
    array.resize((dates, *array.shape[1:]))
    if all(old == new for old, new in moved.items()):
        return
    came_from = {new: old for old, new in moved.items()}

    def forward(chunk: Iterable[int]) -> list[int]:
        date, *rest = chunk
        return [moved[date], *rest]

    def backward(chunk: Iterable[int]) -> list[int] | None:
        date, *rest = chunk
        return [came_from[date], *rest] if date in came_from else None

    session.reindex_array(f"/{array.path}", forward, backward)


def _refer(session: icechunk.Session, array: zarr.Array, index: int, source: Source, *, replaced: bool) -> None:
    """Write the references of one raster at one date."""
    references = source.references
    wanted = codecs_of_scenes(references)
    if [codec.to_dict() for codec in array.metadata.codecs] != [codec.to_dict() for codec in wanted]:
        raise CubeError(
            f"{array.path} is decoded otherwise than {source.header.href} would be.",
            remedy="The libraries that describe TIFFs have changed: build the collection anew.",
        )
    manifest = references.manifest
    paths = manifest._paths.flatten()
    rest = (0,) * references.ndim
    if replaced:
        _forget(session, array, index, np.argwhere(manifest._lengths == 0))
    if not (paths != "").any():
        return
    failed = session.store.set_virtual_refs_arr(
        array.path,
        (1, *manifest.shape_chunk_grid),
        paths.tolist(),
        manifest._offsets.flatten(),
        manifest._lengths.flatten(),
        arr_offset=(index, *rest),
        # Icechunk 2.3.0 takes the quotes off an ETag, and file and web servers compare it with them
        checksum=f'"{source.header.source.etag}"',
    )
    if failed:
        raise CubeError(
            f"{source.header.href} lies below none of the prefixes that the repository may read.",
            remedy="Name its prefix when the build begins.",
        )


def _forget(session: icechunk.Session, array: zarr.Array, index: int, sparse: NDArray[np.intp]) -> None:
    """Remove references where the new raster has no block."""
    for chunk in sparse:
        sync(session.store.delete(f"{array.path}/c/{'/'.join(str(place) for place in (index, *chunk))}"))


def _coordinates(state: GroupState) -> str:
    """Names that xarray makes coordinates of."""
    bands = [f"{name}_band" for asset, name in variable_names(state.layouts).items() if state.bands[asset]]
    return " ".join([SPATIAL_REF, *SCENE_COORDINATES, *CELL_COORDINATES, *bands])


def _bands(group: zarr.Group, array: zarr.Array) -> tuple[str, ...]:
    return tuple(str(band) for band in group[f"{array.name.rpartition('/')[2]}_band"][:]) if array.ndim == 4 else ()


def _layout(stored: dict[str, Any]) -> Layout:
    return Layout(**{**stored, "block": tuple(stored["block"])})


def _text(values: Sequence[Any]) -> NDArray[np.object_]:
    return np.array(values, dtype=object)
