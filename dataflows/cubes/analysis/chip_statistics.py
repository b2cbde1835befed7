"""Statistics of each band of each chip and scene, over the pixels that show the ground: to normalise, and to find outliers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from icechunk import Session

from dataflows.cubes.chip.blocks import blocks
from dataflows.cubes.chip.group import chip_paths, opened_group
from dataflows.cubes.pixels.statistics import STATISTICS, plain
from db.errors import CubeError

SCHEMA = pa.schema(
    [
        ("installation_id", pa.string()),
        ("chip_number", pa.int16()),
        ("collection", pa.string()),
        ("epsg", pa.int32()),
        ("period", pa.date32()),
        ("item_id", pa.string()),
        ("band", pa.string()),
        ("n_pixels", pa.int64()),
        ("min", pa.float64()),
        ("max", pa.float64()),
        ("mean", pa.float64()),
        ("variance", pa.float64()),
        ("skewness", pa.float64()),
        ("entropy_bits", pa.float64()),
        ("icechunk_snapshot", pa.string()),
    ]
)


def chip_statistics(session: Session, path: str) -> pa.Table:
    """Statistics in digital numbers, of the whole chip (not only of its installation).

    Args:
        session: a version of the repository of chips.
        path: of the group, ``<collection>/epsg-<code>``.

    Returns:
        Rows as :data:`SCHEMA` has them, one a chip, scene and band, in the order of the group; null where no pixel was clear.

    Raises:
        CubeNotFoundError: there is no such group.
    """
    group = opened_group(session, path)
    there = np.asarray(group["scene_key"][:]) != 0
    bands = group.bands
    places, rows = [], []
    for block in blocks(group, there):
        for chip, month in np.argwhere(there[block.chips, block.months]):
            usable = block.usable[chip, month]
            for band in range(len(bands)):
                places.append((block.chips.start + chip, block.months.start + month, band))
                rows.append(plain(block.pixels[chip, month, band][usable]))
    chip, month, band = np.array(places, np.int64).reshape(-1, 3).T
    statistics = {name: np.array([getattr(row, name) for row in rows], np.float64) for name in STATISTICS}
    collection, _, code = path.rpartition("/epsg-")
    n = len(rows)
    columns = [
        pa.array(np.asarray(group["installation_id"][:]).astype(object)[chip], pa.string()),
        pa.array(np.asarray(group["chip_number"][:])[chip], pa.int16()),
        pa.repeat(collection, n),
        pa.repeat(pa.scalar(int(code), pa.int32()), n),
        pa.array(group.months[month].astype("datetime64[M]").astype("datetime64[D]"), pa.date32()),
        pa.array(np.asarray(group["item_id"][:]).astype(object)[chip, month], pa.string()),
        pa.array(np.array(bands, object)[band], pa.string()),
        pa.array(statistics["n_pixels"].astype(np.int64)),
        *(pa.array(statistics[name], mask=np.isnan(statistics[name])) for name in STATISTICS[1:]),
        pa.repeat(session.snapshot_id, n),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def all_chip_statistics(session: Session) -> pa.Table:
    """:func:`chip_statistics` of every group.

    Raises:
        CubeError: there are no chips.
    """
    tables = [chip_statistics(session, path) for path in chip_paths(session)]
    if not tables:
        raise CubeError("There are no chips.", remedy="Run 'eopv cube build' first.")
    return pa.concat_tables(tables)
