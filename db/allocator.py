"""How the C library keeps memory that was freed: GEOS asks it for every geometry."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

# malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
# glibc's own initial value of both; setting it keeps it from growing with the largest block that was ever freed (mallopt(3))
THRESHOLD_BYTES = 128 * 1024


@cache
def return_freed_memory() -> None:
    """Have glibc give large freed blocks back to the system at once, for this process; does nothing with other C libraries.

    Without this a build that has passed millions of geometries through GEOS holds twice the memory that it uses.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for parameter in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
        libc.mallopt(parameter, THRESHOLD_BYTES)
