"""Datacubes: virtual references to published imagery, chips, regions, and what is computed from them.

``open_virtual``, ``open_chips`` and ``open_region`` give :class:`xarray.Dataset` objects. They are imported when they are first
asked for: the imagery stack takes a second to load, which the rest of the project need not wait for.

The modules of this package are what is called from outside; what they are made of stands in the packages below it. Each package
says in its first lines what lives there, and ``make lint`` holds them to the direction that ``pyproject.toml`` states.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_OPENING = {
    "open_chips": "dataflows.cubes.opening",
    "open_region": "dataflows.cubes.regions",
    "open_virtual": "dataflows.cubes.opening",
}

__all__ = ["open_chips", "open_region", "open_virtual"]


def __getattr__(name: str) -> Any:
    if name not in _OPENING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OPENING[name]), name)
