"""What the repositories hold: one row a group."""

from __future__ import annotations

from typing import Any

import icechunk
import numpy as np
import zarr

from dataflows.cubes.chip.group import opened_group
from dataflows.cubes.repository import store
from dataflows.cubes.repository.nodes import group_paths
from dataflows.cubes.repository.storage import CubeName, Location
from dataflows.cubes.repository.store import AsOf
from db.errors import CubeNotFoundError
from db.settings import Settings


def inventory(
    lake: Settings, names: tuple[CubeName, ...] = tuple(CubeName), *, as_of: AsOf | None = None
) -> list[dict[str, Any]]:
    """Groups of the repositories that there are.

    Args:
        lake: settings.
        names: which repositories.
        as_of: version, of one repository; see :func:`dataflows.cubes.repository.store.open_readonly`.

    Returns:
        Rows with ``cube``, ``group``, ``snapshot``, ``dates``, ``first``, ``last`` (days), ``chips``, ``installations`` and
        ``scenes`` (those with pixels, of chips; else ``None``), ``arrays``, ``shape`` (of the largest array).
    """
    found = []
    for name in names:
        if store.exists(name, lake):
            session = store.open_readonly(name, as_of, lake=lake)
            found += [{"cube": str(name), **_described(session, name, path)} for path in group_paths(session)]
    return found


def first_group(session: icechunk.Session, name: CubeName) -> str:
    """The first path of :func:`dataflows.cubes.repository.nodes.group_paths`.

    Raises:
        CubeNotFoundError: there is none.
    """
    paths = group_paths(session)
    if not paths:
        raise CubeNotFoundError(f"There are no {name} cubes at {session.snapshot_id}.", remedy="Run 'eopv cube build'.")
    return paths[0]


def place(lake: Settings, name: CubeName) -> str:
    """Where a repository is, for people."""
    return str(Location.of(name, lake))


def _described(session: icechunk.Session, name: CubeName, path: str) -> dict[str, Any]:
    group = zarr.open_group(session.store, path=path, mode="r")
    held = dict(group.arrays())
    largest = max(held.values(), key=lambda array: array.size)
    days = _days(held["time"]) if "time" in held else np.empty(0, "datetime64[D]")
    first, last = (str(days.min()), str(days.max())) if len(days) else (None, None)
    facts: dict[str, Any] = {"group": path, "snapshot": session.snapshot_id, "dates": len(days), "first": first, "last": last}
    chips = installations = scenes = None
    if name is CubeName.CHIPS:
        of_chips = opened_group(session, path)
        chips, scenes = of_chips.chips, int(np.count_nonzero(np.asarray(of_chips["scene_key"][:])))
        installations = len(np.unique(np.asarray(of_chips["installation_id"][:]).astype(object)))
    dims = largest.metadata.dimension_names or ()
    shape = " × ".join(f"{length} {dim}" for dim, length in zip(dims, largest.shape, strict=False))
    return {**facts, "chips": chips, "installations": installations, "scenes": scenes, "arrays": len(held), "shape": shape}


def _days(time: zarr.Array) -> np.ndarray:
    """The days of an axis of time, which counts microseconds or days, after CF."""
    unit, _, epoch = str(time.attrs["units"]).partition(" since ")
    code = {"microseconds": "us", "seconds": "s", "days": "D"}[unit]
    return (np.datetime64(epoch, code) + np.asarray(time[:]).astype(f"timedelta64[{code}]")).astype("datetime64[D]")
