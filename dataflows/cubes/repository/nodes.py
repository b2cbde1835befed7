"""The groups and arrays of a version of a repository."""

from __future__ import annotations

import icechunk
import zarr
from zarr.errors import GroupNotFoundError


def arrays(session: icechunk.Session) -> dict[str, zarr.Array]:
    """Every array of a version, by path; none of a repository that nothing was ever written to."""
    # Registers the codecs of virtual chunks, without which their arrays cannot be listed; takes a second
    from dataflows.cubes.rasters import virtual_tiff_workarounds as _codecs  # noqa: F401

    try:
        root = zarr.open_group(session.store, mode="r")
    except GroupNotFoundError:
        return {}
    return {path: node for path, node in root.members(max_depth=None) if isinstance(node, zarr.Array)}


def group_paths(session: icechunk.Session) -> list[str]:
    """Paths of the groups that hold arrays, in order."""
    return sorted({path.rpartition("/")[0] for path in arrays(session)})
