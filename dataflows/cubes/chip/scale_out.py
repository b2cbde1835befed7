"""Chips cut by the processes of a Dask cluster: the same work in parts, written into forks of one Icechunk session.

The builder alone commits: it forks its session (:meth:`icechunk.Session.fork`), sends a fork with each part, merges what comes
back, and keeps a checkpoint after every round. Parts share no chunk, so merging cannot conflict, and a part that dies with
its worker is done again by Dask without anything to clean up: what it wrote is referenced by nothing.

A fork holds the credentials of the repository's storage, and a part those of its sources. They reach the workers by the
cluster's own connections: on more than one machine use a cluster with TLS (``distributed.security.Security``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import batched
from typing import TYPE_CHECKING

import icechunk

from dataflows.cubes.chip import parts_dag as chip_parts_dag
from dataflows.cubes.chip.orders import Order
from dataflows.cubes.chip.parts import FilledPart, Part
from dataflows.run import build_driver

if TYPE_CHECKING:
    from distributed import Client

    from dataflows.cubes.chip.means import Means

# Parts a thread of the cluster and round: enough that none waits long for the last one, few enough to lose little of a
# build that is interrupted
PARTS_A_ROUND = 4

# Chips of a part: its neighbour decodes the tiles at their border again
LEAST_CHIPS, MOST_CHIPS = 64, 4096


def rounds(order: Order, cluster: Client, together: int) -> Iterator[list[Order]]:
    """Parts of an order, as many at a time as keep a cluster busy.

    Args:
        order: what to do.
        cluster: who does it.
        together: chips of a chunk.
    """
    threads = max(1, sum(cluster.nthreads().values()))
    share = math.ceil(order.jobs / (PARTS_A_ROUND * threads))
    parts = order.parts(min(max(share, LEAST_CHIPS), MOST_CHIPS), together)
    for each in batched(parts, PARTS_A_ROUND * threads):
        yield list(each)


def fill(orders: list[Order], session: icechunk.Session, means: Means) -> list[FilledPart]:
    """Have parts done by the processes of a cluster.

    Args:
        orders: parts that share no chunk.
        session: writable, without changes; merge the forks that come back into it.
        means: with a cluster.

    Returns:
        What came of them; in any order.
    """
    parts = [Part(order, session.fork(), means.access, means.cache_bytes, means.workers) for order in orders]
    assert means.cluster is not None
    driver = build_driver(chip_parts_dag, cluster=means.cluster)
    return driver.execute(["filled_parts"], inputs={"chip_parts": parts})["filled_parts"]
