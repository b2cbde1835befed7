"""Context that is published by the piece: what a cache or mirror holds, and of the rest what its origin gives.

Places that a file of a mirror serves are not asked for; each of the others is asked for once, and kept.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np

from db.errors import LakeNotFoundError, NotHeldError, ReadError
from ingest import acquire, nsrdb_bucket, pvgis_api, solar_atlas
from ingest.acquired import AcquiredFile, Acquisition
from ingest.context_access import ContextAccess
from ingest.context_manifest import Context, NsrdbSource, PvgisTmySource, RasterSource
from ingest.mirror import shown
from ingest.pieces import Absence, Pieces
from ingest.places import nearest

log = logging.getLogger(__name__)

SHOWN = 5


@dataclass(frozen=True)
class Gathered:
    """Files around PV, from wherever they were to be had.

    Attributes:
        acquisition: the files; none where the origin has nothing around PV.
        absent: places, countries or stations of which the origin has nothing.
    """

    acquisition: Acquisition
    absent: tuple[Absence, ...] = ()


def gather(
    context: Context, access: ContextAccess, *, places: np.ndarray | None = None, countries: Sequence[str] | None = None
) -> Gathered:
    """Obtain an entry that has an origin.

    Args:
        context: manifest entry; its source says which of the following is needed.
        access: cache, mirror, and whether the origin may be asked.
        places: of kinds ``nsrdb`` and ``pvgis_tmy``: longitude and latitude in degrees, float64 (n, 2).
        countries: of kind ``raster``: ISO 3166-1 alpha-2 codes; ``None`` where the lake does not know its countries.

    Raises:
        NotHeldError: offline, and neither the cache nor the mirror has anything of it.
        LakeNotFoundError: it is not known in which countries PV stands, and no mirror has anything either.
        TooManyPlacesError: more would be asked for than the manifest allows.
        RemoteError: the origin does not answer, or refuses, after all retries.
        ReadError: what the origin gives is not what it says.
    """
    source = context.source
    at_hand = acquire.held(
        context,
        cache_dir=access.cache_dir,
        mirror=access.mirror,
        refresh=access.refresh,
        progress=access.progress,
        retry=access.retry,
    )
    held = [] if at_hand is None else list(at_hand.files)
    pieces = Pieces()
    if isinstance(source, RasterSource) and source.origin and countries is not None:
        pieces = solar_atlas.archives(context, source.origin, countries, held, access)
    elif isinstance(source, RasterSource) and not held:
        raise LakeNotFoundError(
            f"{context.key}: the lake does not know in which countries its PV stands.",
            remedy="Run 'eopv context ingest natural_earth_admin_0' first, or overture_division_area; or use --mirror.",
        )
    elif isinstance(source, PvgisTmySource) and source.origin and places is not None:
        pieces = pvgis_api.years(context, source.origin, places, held, access)
    elif isinstance(source, NsrdbSource) and source.origin and places is not None:
        rest = places[~_has_station(held, places, source.max_distance_km)]
        pieces = nsrdb_bucket.stations(context, source.origin, rest, source.max_distance_km, access)
    _report(context.key, held, pieces, access)
    distribution = at_hand.distribution if at_hand else context.distributions[0]
    return Gathered(Acquisition.of(context.key, distribution, [*held, *pieces.files]), tuple(pieces.absent))


def _report(key: str, held: list[AcquiredFile], pieces: Pieces, access: ContextAccess) -> None:
    """Nothing is left out without a word."""
    if pieces.missing and not held and not pieces.files:
        where = f"in the cache nor in the mirror {shown(access.mirror)}" if access.mirror else "in the cache"
        raise NotHeldError(
            f"{key} is {'neither ' if access.mirror else 'not '}{where}.", remedy="Go online, or add its files to the mirror."
        )
    if pieces.missing:
        log.warning("%s: offline, so that nobody was asked for %s", key, _some(pieces.missing))
    if pieces.absent:
        reasons = sorted({absence.reason for absence in pieces.absent})
        places = _some([absence.place for absence in pieces.absent])
        log.warning("%s: the publisher has nothing of %s (%s)", key, places, _some(reasons))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return "; ".join(names[:SHOWN]) + more


def _has_station(held: list[AcquiredFile], places: np.ndarray, reach_km: float) -> np.ndarray:
    """Whether a file at hand has a station within reach of each place, bool (n,)."""
    served = np.zeros(len(places), dtype=bool)
    for file in held:
        try:
            with h5py.File(file.path) as content:
                meta = content["meta"][:]
                where = np.column_stack([meta["longitude"], meta["latitude"]]).astype(np.float64)
        except (OSError, KeyError, ValueError, IndexError) as error:
            raise ReadError(f"{file.name} cannot be read as a file of the NSRDB: {error}.", remedy="Fetch it again.") from error
        served |= nearest(where, places, reach_km) >= 0
    return served
