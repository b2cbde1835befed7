"""Reflectances and indices of installations over time, from their chips: one row an installation, scene and variable.

Only pixels that show the ground count (:func:`dataflows.cubes.pixels.quality.usable`), each weighted by the share of it that
the installation covers (``own_mask``). A site of several chips is one: their statistics are combined, but for the median, which
is that of all their pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from icechunk import Session
from numpy.typing import NDArray

from dataflows.cubes.chip.blocks import Block, blocks
from dataflows.cubes.chip.group import ChipGroup, chip_paths, opened_group
from dataflows.cubes.pixels import quality
from dataflows.cubes.pixels.indices import computable, spectral_index
from dataflows.cubes.pixels.reflectance import calibrated
from dataflows.cubes.pixels.statistics import WeightedStatistics, combined, weighted_by_zone, weighted_median
from db.errors import CubeError

STATISTICS = ("mean", "stdev", "min", "max", "weight")

# Numbers of the covered pixels of some chips, of all months and variables of a block
VALUES_AT_ONCE = 1 << 20

SCHEMA = pa.schema(
    [
        ("installation_id", pa.string()),
        ("collection", pa.string()),
        ("epsg", pa.int32()),
        ("period", pa.date32()),
        ("item_id", pa.string()),
        ("datetime", pa.timestamp("us", "UTC")),
        ("variable", pa.string()),
        ("mean", pa.float64()),
        ("median", pa.float64()),
        ("stdev", pa.float64()),
        ("min", pa.float64()),
        ("max", pa.float64()),
        ("covered_m2", pa.float64()),
        ("clear_share", pa.float64()),
        ("icechunk_snapshot", pa.string()),
    ]
)


def timeseries(session: Session, path: str, *, indices: Sequence[str] | None = None) -> pa.Table:
    """Coverage-weighted statistics of every installation, scene and variable of a group.

    Args:
        session: a version of the repository of chips.
        path: of the group, ``<collection>/epsg-<code>``.
        indices: names of spectral indices; all that the bands allow when omitted.

    Returns:
        Rows as :data:`SCHEMA` has them, ordered by installation, period, scene and variable. Variables are common names of
        bands (reflectance, a share of 1; kelvin for thermal ones; digital numbers where a collection has no calibration) and
        names of indices. ``covered_m2`` is the covered area that was clear, ``clear_share`` its share of all that is covered;
        where nothing was clear, the statistics are null.

    Raises:
        CubeNotFoundError: there is no such group.
        CubeError: a band of an index is missing.
    """
    group = opened_group(session, path)
    bands = group.bands
    names = list(computable(list(bands)) if indices is None else indices)
    variables = [*bands, *names]
    key = np.asarray(group["scene_key"][:])
    there = key != 0
    chip, time = np.nonzero(there)
    place = np.full(there.shape, -1, np.int64)
    place[chip, time] = np.arange(len(chip))
    parts = {name: np.full((len(chip), len(variables)), np.nan) for name in STATISTICS}
    medians = np.full((len(chip), len(variables)), np.nan)
    covered = np.zeros(len(chip))
    alone = _alone(group)
    scale, offsets = np.asarray(group["reflectance_scale"][:]), np.asarray(group["reflectance_offset"][:])
    for block in blocks(group, there):
        masks = np.asarray(group["own_mask"][block.chips])
        offset = offsets[block.chips, block.months]
        found, middle = block_statistics(block, masks, scale, offset, bands, names, alone=alone[block.chips])
        here = there[block.chips, block.months]
        rows = place[block.chips, block.months][here]
        for name in STATISTICS:
            parts[name][rows] = getattr(found, name)[here]
        medians[rows] = middle[here]
        covered[rows] = masks.sum(axis=(1, 2), dtype=np.float64)[np.nonzero(here)[0]]
    for month, shared in _joint(group, chip, time):
        medians[shared] = _joint_median(group, chip[shared], month, names)
    return _rows(session, path, group, variables, (chip, time), WeightedStatistics(**parts), medians, covered)


def block_statistics(
    block: Block,
    coverage: NDArray[np.floating],
    scale: NDArray[np.float64],
    offset: NDArray[np.float64],
    bands: Sequence[str],
    indices: Sequence[str],
    *,
    alone: NDArray[np.bool_],
) -> tuple[WeightedStatistics, NDArray[np.float64]]:
    """Statistics of each chip and month over what the installation covers and is clear.

    Args:
        block: chips.
        coverage: share covered by the installation, shape (chip, y, x).
        scale: reflectance per digital number, shape (band,).
        offset: reflectance at 0, shape (chip, time, band).
        bands: common names.
        indices: names of spectral indices.
        alone: chips whose median is wanted, shape (chip,).

    Returns:
        Arrays of shape (chip, time, variable): bands, then indices; and medians, NaN where they are not wanted.
    """
    chip, y, x = np.nonzero(coverage > 0)
    lengths = np.bincount(chip, minlength=len(coverage))
    shape = (block.pixels.shape[1], len(bands) + len(indices))
    parts, medians = [], np.full((len(lengths), shape[0] * shape[1]), np.nan)
    for some in np.split(np.arange(len(lengths)), _cuts(lengths * shape[0] * shape[1])):
        cells = slice(*np.searchsorted(chip, [some[0], some[-1] + 1]))
        at, where = chip[cells], (chip[cells], slice(None), slice(None), y[cells], x[cells])
        # Covered pixels only, of all months: (cell, time, variable)
        usable = block.usable[at, :, y[cells], x[cells]]
        values = _values(block.pixels[where], usable, scale, offset[at], bands, indices).reshape(len(at), -1)
        weights = coverage[at, y[cells], x[cells]]
        parts.append(weighted_by_zone(values, weights, lengths[some]))
        for zone in some[alone[some]]:
            own = slice(*np.searchsorted(at, [zone, zone + 1]))
            medians[zone] = weighted_median(values[own].T, weights[own])
    statistics = (np.concatenate([getattr(part, name) for part in parts]).reshape(-1, *shape) for name in STATISTICS)
    return WeightedStatistics(*statistics), medians.reshape(-1, *shape)


def _values(
    numbers: NDArray[np.generic],
    usable: NDArray[np.bool_],
    scale: NDArray[np.float64],
    offset: NDArray[np.float64],
    bands: Sequence[str],
    indices: Sequence[str],
) -> NDArray[np.float64]:
    """Reflectances, then indices, NaN where the ground is not seen, shape (…, variable).

    Args:
        numbers: shape (…, band).
        usable: shape (…).
        scale: shape (band,).
        offset: shape (…, band).
        bands: common names.
        indices: names of spectral indices.
    """
    values = calibrated(numbers, scale, offset)
    values[~usable] = np.nan
    reflectance = {band: values[..., number] for number, band in enumerate(bands)}
    return np.concatenate([values, *(spectral_index(name, reflectance)[..., None] for name in indices)], axis=-1)


def _alone(group: ChipGroup) -> NDArray[np.bool_]:
    """Whether a chip is the only one of its installation, shape (chip,)."""
    _, site, chips = np.unique(np.asarray(group["installation_id"][:]).astype(object), return_inverse=True, return_counts=True)
    return chips[site] == 1


def _scenes_of_sites(
    group: ChipGroup, chip: NDArray[np.int64], time: NDArray[np.int64]
) -> tuple[NDArray[np.object_], NDArray[np.object_], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """What belongs together of chips and months with a scene.

    Returns:
        Installations and items in order; for each row of the result the installation, month and item, shape (3, rows); the
        first chip and month of a row, shape (rows,); and the row of each chip and month.
    """
    ids, site = np.unique(np.asarray(group["installation_id"][:]).astype(object), return_inverse=True)
    items = np.asarray(group["item_id"][:]).astype(object)[chip, time]
    item_names, item = np.unique(items, return_inverse=True) if len(items) else (items, np.empty(0, np.int64))
    keys = np.stack([site[chip], time, item])
    distinct, first, row = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    return ids, item_names, distinct, first, row.reshape(-1)


def _joint(group: ChipGroup, chip: NDArray[np.int64], time: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Month, and the places of the chips that show one site in one scene, of sites with several chips."""
    *_, row = _scenes_of_sites(group, chip, time)
    several = np.flatnonzero(~_alone(group)[chip])
    several = several[np.argsort(row[several], kind="stable")]
    for shared in np.split(several, np.flatnonzero(np.diff(row[several])) + 1) if len(several) else ():
        yield int(time[shared[0]]), shared


def _joint_median(group: ChipGroup, chips: NDArray[np.int64], month: int, indices: Sequence[str]) -> NDArray[np.float64]:
    """Medians over the pixels of several chips of one scene, shape (variable,)."""
    masks = np.asarray(group["own_mask"].oindex[chips])
    inside = masks > 0
    # (pixel, band): the covered pixels of all chips
    numbers = np.moveaxis(np.asarray(group["pixels"].oindex[chips, month]), 1, -1)[inside]
    usable = quality.usable(np.asarray(group["quality"].oindex[chips, month])[inside])
    scale, offset = np.asarray(group["reflectance_scale"][:]), np.asarray(group["reflectance_offset"][int(chips[0]), month])
    offsets = np.broadcast_to(offset, numbers.shape)
    return weighted_median(_values(numbers, usable, scale, offsets, group.bands, indices).T, masks[inside])


def _cuts(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where to cut a row of chips so that pieces have about :data:`VALUES_AT_ONCE`."""
    return np.flatnonzero(np.diff(np.cumsum(values) // VALUES_AT_ONCE)) + 1


def _rows(
    session: Session,
    path: str,
    group: ChipGroup,
    variables: list[str],
    where: tuple[NDArray[np.int64], NDArray[np.int64]],
    parts: WeightedStatistics,
    medians: NDArray[np.float64],
    covered: NDArray[np.float64],
) -> pa.Table:
    """One row an installation, scene and variable, of statistics of chips and scenes."""
    chip, time = where
    ids, item_names, distinct, first, of_group = _scenes_of_sites(group, chip, time)
    n, width = distinct.shape[1], len(variables)
    joint = combined(parts, of_group, n)
    total = np.bincount(of_group, covered, n)
    transform = np.asarray(group["transform"][:])[chip[first]]
    pixel_m2 = np.abs(transform[:, 0] * transform[:, 4])
    taken = np.asarray(group["datetime"][:])[chip, time][first]
    months = group.months[distinct[1]].astype("datetime64[M]").astype("datetime64[D]")
    order = np.argsort(np.array(variables, object), kind="stable")
    with np.errstate(invalid="ignore", divide="ignore"):
        clear = np.where(total[:, None] > 0, joint.weight / total[:, None], np.nan)

    def repeated(values: NDArray) -> NDArray:
        return np.repeat(values, width)

    def flat(values: NDArray[np.float64]) -> pa.Array:
        values = values[:, order].reshape(-1)
        return pa.array(values, mask=np.isnan(values))

    collection, _, code = path.rpartition("/epsg-")
    columns = [
        pa.array(repeated(ids[distinct[0]]), pa.string()),
        pa.repeat(collection, n * width),
        pa.repeat(pa.scalar(int(code), pa.int32()), n * width),
        pa.array(repeated(months), pa.date32()),
        pa.array(repeated(item_names[distinct[2]]), pa.string()),
        pa.array(repeated(taken)).cast(pa.timestamp("us", "UTC")),
        pa.array(np.tile(np.array(variables, object)[order], n), pa.string()),
        flat(joint.mean),
        flat(medians[first]),
        *(flat(getattr(joint, name)) for name in ("stdev", "min", "max")),
        flat(joint.weight * pixel_m2[:, None]),
        flat(clear),
        pa.repeat(session.snapshot_id, n * width),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def all_timeseries(session: Session, *, indices: Sequence[str] | None = None) -> pa.Table:
    """:func:`timeseries` of every group; indices that a group's bands do not allow are left out there."""
    tables = []
    for path in chip_paths(session):
        possible = computable(list(opened_group(session, path).bands))
        chosen = possible if indices is None else [name for name in indices if name in possible]
        tables.append(timeseries(session, path, indices=chosen))
    if not tables:
        raise CubeError("There are no chips.", remedy="Run 'eopv cube build' first.")
    return pa.concat_tables(tables)
