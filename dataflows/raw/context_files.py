"""Context that is published as files, whole or by the piece: fetched, unpacked, and what is to be landed of them."""

from __future__ import annotations

import hashlib

import duckdb
from hamilton.function_modifiers import config, tag

from dataflows.outcomes import OutcomeRecorder, measures
from dataflows.raw.context_areas import Areas, areas_of_interest
from dataflows.raw.context_countries import countries_of
from dataflows.raw.context_landing import Material
from ingest import acquire
from ingest.acquire import Acquisition
from ingest.context_access import ContextAccess
from ingest.context_manifest import Context, PvgisTmySource
from ingest.context_origins import Gathered, gather


@measures.register
def _(result: Gathered) -> dict[str, int]:
    return measures(result.acquisition)


@config.when(by_piece=True, kind="raster")
@tag(step="fetch", layer="landing")
def gathered__by_country(context: Context, access: ContextAccess, areas: Areas, lake: duckdb.DuckDBPyConnection) -> Gathered:
    """Files of a mirror, and of the other countries that PV stands in the archives of their publisher."""
    return gather(context, access, countries=countries_of(lake, areas))


@config.when_in(by_piece=[True], kind=["nsrdb", "pvgis_tmy"])
@tag(step="fetch", layer="landing")
def gathered__by_place(context: Context, access: ContextAccess, areas: Areas) -> Gathered:
    """Files of a mirror, and for the places that they are not next to the stations of their publisher."""
    return gather(context, access, places=areas.centres())


@config.when(by_piece=True)
@tag(part_of="fetch", layer="landing")
def fetched__by_piece(gathered: Gathered, recorder: OutcomeRecorder) -> Acquisition:
    """The files; where the publisher has nothing is an outcome of the run."""
    for absence in gathered.absent:
        recorder.note("fetch", "absent", "no_data", f"{absence.place}: {absence.reason}")
    return gathered.acquisition


@config.when(by_piece=False)
@tag(step="fetch", layer="landing")
def fetched__whole(context: Context, access: ContextAccess) -> Acquisition:
    """Published files, verified, from cache, mirror or repository."""
    return acquire.fetch(
        context,
        cache_dir=access.cache_dir,
        mirror=access.mirror,
        refresh=access.refresh,
        offline=access.offline,
        progress=access.progress,
        retry=access.retry,
    )


@tag(step="unpack", layer="landing")
def unpacked(fetched: Acquisition, access: ContextAccess) -> Acquisition:
    """The files themselves, out of their archives."""
    return acquire.unpack(fetched, cache_dir=access.cache_dir)


@config.when(around=True)
@tag(step="areas", layer="landing")
def areas(context: Context, lake: duckdb.DuckDBPyConnection) -> Areas:
    """Cells that hold landed PV, and those around them; of typical years the cells alone, which have a station each."""
    source = context.source
    if isinstance(source, PvgisTmySource):
        return areas_of_interest(lake, source.origin.h3_resolution, ring=0)
    return areas_of_interest(lake, source.h3_resolution, source.ring)


@config.when(around=True)
@tag(layer="landing")
def material__around(unpacked: Acquisition, areas: Areas, context: Context) -> Material:
    """What is in the files around PV: nothing, where they are of another part of the world."""
    digest = hashlib.sha256(f"{unpacked.digest}\n{areas.digest}".encode()).hexdigest()
    return Material(context.version or "", _origin(unpacked), digest, may_be_empty=True)


@config.when(around=False)
@tag(layer="landing")
def material__whole(unpacked: Acquisition, context: Context) -> Material:
    """All that is in the files."""
    return Material(context.version or "", _origin(unpacked), unpacked.digest, may_be_empty=False)


def _origin(acquisition: Acquisition) -> str:
    return ", ".join(sorted({file.origin for file in acquisition.files}))
