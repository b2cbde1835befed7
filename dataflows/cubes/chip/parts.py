"""A part of a build of chips, as a process of its own does it."""

from __future__ import annotations

from dataclasses import dataclass

import icechunk

from dataflows.cubes.chip.group import ChipGroup
from dataflows.cubes.chip.orders import Done, Failures, Order
from dataflows.cubes.chip.work import Cutter
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.rasters.tiles import TileReader
from db.errors import CubeError


@dataclass(frozen=True)
class Part:
    """What a process is sent; nothing of it is read from its environment.

    Attributes:
        order: what to do.
        session: a fork of the builder's session.
        access: credentials of the sources.
        cache_bytes: decoded tiles that are kept in memory.
        workers: files decoded at the same time; one a core where ``None``.
    """

    order: Order
    session: icechunk.ForkSession
    access: Access
    cache_bytes: int
    workers: int | None


@dataclass(frozen=True)
class FilledPart:
    """What came of a part.

    Attributes:
        session: the fork, with what was written.
        done: its chunks.
        failures: scenes that could not be used.
        tiles_wanted: distinct tiles.
        tiles_decoded: decodes.
    """

    session: icechunk.ForkSession
    done: tuple[Done, ...]
    failures: Failures
    tiles_wanted: int
    tiles_decoded: int


def filled(part: Part) -> FilledPart:
    """Cut a part's chips and write its chunks into its fork.

    Raises:
        CubeError: the group is not there.
    """
    group = ChipGroup.open(part.session.store, part.order.path)
    if group is None:
        raise CubeError(f"There is no group {part.order.path} to fill.", remedy="Build again.")
    done: list[Done] = []
    with TileReader(part.access, cache_bytes=part.cache_bytes, workers=part.workers) as reader:
        with Cutter(part.order, group, reader, done.append) as cutter:
            cutter.run()
        return FilledPart(part.session, tuple(done), cutter.failures, reader.wanted, reader.decoded)
