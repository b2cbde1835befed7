"""Context that is published as whole files: fetched, unpacked, and what is to be landed of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import duckdb
from hamilton.function_modifiers import config, tag

from dataflows.raw.context_areas import Areas, areas_of_interest
from dataflows.raw.context_landing import Material
from ingest import acquire
from ingest.acquire import Acquisition
from ingest.context_manifest import Context

AROUND_PV = ["raster", "nsrdb"]
"""Kinds of which only the surroundings of PV are landed."""


@tag(step="fetch", layer="landing")
def fetched(context: Context, cache_dir: Path, mirror: str | None, refresh: bool, offline: bool, progress: Any) -> Acquisition:
    """Published files, verified, from cache, mirror or repository; ``progress`` is an ``ingest.acquire.Progress`` or none."""
    return acquire.fetch(context, cache_dir=cache_dir, mirror=mirror, refresh=refresh, offline=offline, progress=progress)


@tag(step="unpack", layer="landing")
def unpacked(fetched: Acquisition, cache_dir: Path) -> Acquisition:
    """The files themselves, out of their archives."""
    return acquire.unpack(fetched, cache_dir=cache_dir)


@config.when_in(kind=AROUND_PV)
@tag(step="areas", layer="landing")
def areas(context: Context, lake: duckdb.DuckDBPyConnection) -> Areas:
    """Cells that hold landed PV, and those around them."""
    return areas_of_interest(lake, context.source.h3_resolution, context.source.ring)


@config.when_in(kind=AROUND_PV)
@tag(layer="landing")
def material__around(unpacked: Acquisition, areas: Areas, context: Context) -> Material:
    """What is in the files around PV: nothing, where they are of another part of the world."""
    digest = hashlib.sha256(f"{unpacked.digest}\n{areas.digest}".encode()).hexdigest()
    return Material(context.version or "", _origin(unpacked), digest, may_be_empty=True)


@config.when_not_in(kind=AROUND_PV)
@tag(layer="landing")
def material__whole(unpacked: Acquisition, context: Context) -> Material:
    """All that is in the files."""
    return Material(context.version or "", _origin(unpacked), unpacked.digest, may_be_empty=False)


def _origin(acquisition: Acquisition) -> str:
    return ", ".join(sorted({file.origin for file in acquisition.files}))
