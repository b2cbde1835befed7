"""Which chips there are: one row a chip and month, with what they are chosen by."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pyproj
import shapely
from icechunk import Session
from numpy.typing import NDArray

from dataflows.cubes.chip.group import opened_group
from dataflows.cubes.samples.splits import blocks
from db import connect
from db.errors import CubeError
from db.settings import Settings

# The order of the store: chunk by chunk
ORDER = ("path", "block", "time", "chip")

# What makes a chip and month the same in several datasets
KEY = ("installation_id", "epsg", "chip_number", "period")
WGS84 = 4326


def chip_index(session: Session, paths: Sequence[str], *, missing: bool = False) -> pd.DataFrame:
    """Chips and months of groups, chunk by chunk (:data:`ORDER`).

    Args:
        session: a version of the repository of chips.
        paths: of groups, ``<collection>/epsg-<code>``.
        missing: with the months in which a chip has no scene; chips without any are left out always.

    Returns:
        Columns ``path``, ``block`` (of chips that share chunks), ``chip``, ``time`` (places in the group), those of :data:`KEY`
        (``period``: first day of the month), ``h3_r8``, ``item_id`` ("" without a scene), and ``longitude``, ``latitude`` of
        the chip's centre in degrees (EPSG:4326).

    Raises:
        CubeNotFoundError: there is no such group.
    """
    return pd.concat([_group_index(session, path, missing) for path in paths], ignore_index=True)


def _group_index(session: Session, path: str, missing: bool) -> pd.DataFrame:
    group = opened_group(session, path)
    there = np.asarray(group["scene_key"][:]) != 0
    wanted = np.repeat(there.any(axis=1)[:, None], there.shape[1], axis=1) if missing else there
    chip, time = np.nonzero(wanted)
    block = chip // group.chips_per_chunk
    order = np.lexsort((chip, time, block))
    chip, time, block = chip[order], time[order], block[order]
    transforms = np.asarray(group["transform"][:])
    longitude, latitude = _centres(transforms, int(path.rpartition("-")[2]), group.size)
    return pd.DataFrame(
        {
            "path": np.full(len(chip), path, object),
            "block": block,
            "chip": chip,
            "time": time,
            "installation_id": np.asarray(group["installation_id"][:]).astype(object)[chip],
            "epsg": np.asarray(group["epsg"][:])[chip],
            "chip_number": np.asarray(group["chip_number"][:])[chip],
            "period": group.months[time].astype("datetime64[M]").astype("datetime64[s]"),
            "h3_r8": np.asarray(group["h3_r8"][:])[chip],
            "item_id": np.asarray(group["item_id"][:]).astype(object)[chip, time],
            "longitude": longitude[chip],
            "latitude": latitude[chip],
        }
    )


def _centres(transforms: NDArray[np.float64], epsg: int, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b, c, d, e, f = transforms.T
    to = pyproj.Transformer.from_crs(epsg, WGS84, always_xy=True)
    return to.transform(c + (a + b) * size / 2, f + (d + e) * size / 2)


def as_series(index: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """One row a chip, and the first days of all months from the first to the last.

    Args:
        index: see :func:`chip_index`.

    Returns:
        The index, by path and chip, with the first of the months as ``period`` and, as ``item_id``, a tuple along the months;
        and the months.
    """
    if index.empty:
        return index, ()
    months = index["period"].to_numpy().astype("datetime64[M]")
    axis = np.arange(months.min(), months.max() + np.timedelta64(1, "M"))
    chips = index.groupby(["path", "chip"], sort=False).ngroup().to_numpy()
    items = np.full((chips.max() + 1, len(axis)), "", object)
    items[chips, (months - axis[0]).astype(np.int64)] = index["item_id"].to_numpy()
    table = index[~pd.Series(chips).duplicated().to_numpy()].reset_index(drop=True)
    table["period"] = axis[0].astype("datetime64[s]")
    table["item_id"] = pd.Series([tuple(row) for row in items.tolist()], dtype=object)
    table = table.sort_values(["path", "chip"], kind="stable", ignore_index=True)
    return table, tuple(f"{month}-01" for month in axis)


def in_months(index: pd.DataFrame, since: date | str | None, until: date | str | None) -> NDArray[np.bool_]:
    """Rows of the months from one day's to another's, both included; open where ``None``."""
    months = index["period"].to_numpy().astype("datetime64[M]")
    found = np.ones(len(index), np.bool_)
    if since is not None:
        found &= months >= np.datetime64(since, "M")
    if until is not None:
        found &= months <= np.datetime64(until, "M")
    return found


def in_bbox(index: pd.DataFrame, bbox: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    """Rows whose chip has its centre in a box: west, south, east, north in degrees; west > east crosses the antimeridian.

    Raises:
        CubeError: the box is none.
    """
    west, south, east, north = bbox
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise CubeError(f"{bbox} is no box in degrees.", remedy="Give west, south, east, north in EPSG:4326.")
    longitude, latitude = index["longitude"].to_numpy(), index["latitude"].to_numpy()
    across = (longitude >= west) | (longitude <= east) if west > east else (longitude >= west) & (longitude <= east)
    return across & (latitude >= south) & (latitude <= north)


def in_polygon(index: pd.DataFrame, polygon: shapely.Geometry) -> NDArray[np.bool_]:
    """Rows whose chip has its centre in or on a polygon, longitude before latitude in EPSG:4326."""
    shapely.prepare(polygon)
    return shapely.intersects_xy(polygon, index["longitude"].to_numpy(), index["latitude"].to_numpy())


def in_cells(index: pd.DataFrame, cells: Collection[int | str]) -> NDArray[np.bool_]:
    """Rows whose installation lies in one of some H3 cells.

    Args:
        index: see :func:`chip_index`.
        cells: as numbers or hexadecimal text, of resolution 8 or coarser, also mixed.

    Raises:
        CubeError: one is no such cell.
    """
    wanted = np.array([_cell(cell) for cell in cells], np.uint64)
    # The resolution stands in bits 52 to 55: https://h3geo.org/docs/core-library/h3Indexing
    resolutions = (wanted >> np.uint64(52)) & np.uint64(15)
    own = index["h3_r8"].to_numpy()
    found = np.zeros(len(index), np.bool_)
    for resolution in np.unique(resolutions).tolist():
        same = wanted[resolutions == resolution]
        blocks(same, resolution)
        found |= np.isin(blocks(own, resolution), same)
    return found


def _cell(cell: int | str) -> int:
    try:
        return int(cell, 16) if isinstance(cell, str) else int(cell)
    except ValueError:
        raise CubeError(f"{cell!r} is no H3 cell.", remedy="Give cells as numbers or hexadecimal text.") from None


def in_lake(index: pd.DataFrame, where: str, *, snapshot_id: int | None, lake: Settings | None) -> NDArray[np.bool_]:
    """Rows of the installations that meet a condition.

    Args:
        index: see :func:`chip_index`.
        where: SQL over the columns of ``curated.pv_installations``, such as ``capacity_mw > 5``.
        snapshot_id: of the lake; as it is now when ``None``.
        lake: settings; those of the process when ``None``.

    Raises:
        CubeError: the condition cannot be evaluated.
        LakeError: there is no lake, or no longer that snapshot of it.
    """
    with connect(read_only=True, as_of=snapshot_id, lake=lake) as con:
        try:
            chosen = con.sql("FROM curated.pv_installations").filter(where).project("installation_id").fetchall()
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            raise CubeError(
                f"The condition {where!r} cannot be evaluated: {reason}.",
                remedy="Use the columns of curated.pv_installations: docs/columns.md.",
            ) from None
    return index["installation_id"].isin([name for (name,) in chosen]).to_numpy()
