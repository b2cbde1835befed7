"""Names that others published, checked before they become paths on this machine."""

from __future__ import annotations

import re

_DRIVE = re.compile(r"^[^/]:")


def published_path(name: str) -> str:
    """A published file name as a relative path with ``/`` separators.

    Args:
        name: as found in an archive or a repository's listing; backslashes of Windows archivers are separators.

    Raises:
        ValueError: says why the name would lead outside the folder it is written to.
    """
    path = name.replace("\\", "/")
    if "\0" in path:
        raise ValueError("it holds a NUL character")
    if path.startswith("/"):
        raise ValueError("it is an absolute path")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError("it climbs out of its folder with '..'")
    if not parts:
        raise ValueError("it is empty")
    # Of what is left: './C:x' names a drive too
    if _DRIVE.match(parts[0]):
        raise ValueError("it names a drive")
    return "/".join(parts)
