"""How a build of chips goes about it, and how far it is; none of it shows in the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflows.cubes.rasters.access import Access
from dataflows.cubes.rasters.tiles import CACHE_BYTES
from db.settings import Settings

if TYPE_CHECKING:
    from distributed import Client

CHECKPOINT_S = 60.0


@dataclass(frozen=True)
class Progress:
    """How far a group is.

    Attributes:
        path: of the group.
        done: chips times periods that are done.
        total: how many there are to do.
        written_bytes: pixels written so far, before compression.
    """

    path: str
    done: int
    total: int
    written_bytes: int


@dataclass(frozen=True)
class Means:
    """How a build goes about it.

    Attributes:
        access: credentials of the sources.
        lake: settings; those of the process where ``None``.
        cache_bytes: decoded tiles that are kept in memory, by each process that cuts.
        workers: files decoded at the same time by each; one a core where ``None``.
        checkpoint_s: seconds between checkpoints; on a cluster there is one after every round.
        progress: called whenever a chunk is done.
        cluster: whose processes cut; this process does where ``None``.
    """

    access: Access
    lake: Settings | None = None
    cache_bytes: int = CACHE_BYTES
    workers: int | None = None
    checkpoint_s: float = CHECKPOINT_S
    progress: Callable[[Progress], None] | None = None
    cluster: Client | None = None
