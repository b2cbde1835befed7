"""Typical years from the PVGIS API of the EU's Joint Research Centre: one request a place, and each place asked once.

More than 30 calls a second are answered by 429, too many computations at once by 529. Source of the interface:
https://joint-research-centre.ec.europa.eu/pvgis-online-tool/getting-started-pvgis/api-non-interactive-service_en

``pvlib.iotools.get_pvgis_tmy`` makes the same request; but it asks once, and keeps nothing. pvlib reads what is kept here.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from db.errors import RemoteError, TooManyPlacesError
from ingest.acquired import AcquiredFile
from ingest.context_access import ContextAccess
from ingest.context_manifest import Context, PvgisApi
from ingest.http import CONNECTIONS_PER_HOST, HttpClient, TransientError, public_url
from ingest.pieces import Absence, Pace, PieceCache, Pieces
from ingest.places import nearest

log = logging.getLogger(__name__)

HOURS = 8760
HOUR = re.compile(rb"^\d{8}:\d{4},", re.MULTILINE)
HEAD = re.compile(rb"\ALatitude \(decimal degrees\):\s*(\S+)\s+Longitude \(decimal degrees\):\s*(\S+)")
HEAD_BYTES = 200
NOTHING_THERE = 400
LONGEST_REASON = 200


@dataclass(frozen=True)
class _Place:
    """Three decimals are a hundred metres, far less than what the API's data resolve."""

    lon: float
    lat: float

    @property
    def name(self) -> str:
        return f"tmy_{self.lat:.3f}_{self.lon:.3f}.csv"

    @property
    def shown(self) -> str:
        return f"{self.lat:.3f}, {self.lon:.3f}"

    def url(self, api: PvgisApi) -> str:
        return f"{api.url}?lat={self.lat:.3f}&lon={self.lon:.3f}&outputformat=csv"


def years(context: Context, api: PvgisApi, places: np.ndarray, held: Iterable[AcquiredFile], access: ContextAccess) -> Pieces:
    """A typical year for each place that no file at hand is next to.

    Args:
        context: manifest entry.
        api: its origin.
        places: float64 (n, 2): longitude and latitude in degrees.
        held: files of a mirror; one within ``api.serves_km`` of a place serves it.
        access: cache, and whether the API may be asked.

    Raises:
        TooManyPlacesError: more places than ``api.max_stations``; nothing has been asked.
        RemoteError: the API does not answer, or refuses, after all retries. What was answered before is kept.
    """
    stations = np.array([place for file in held if (place := _place_of(file))], dtype=np.float64).reshape(-1, 2)
    unserved = places[nearest(stations, places, api.serves_km) < 0]
    wanted = [_Place(float(lon), float(lat)) for lon, lat in unserved]
    if len(wanted) > api.max_stations:
        raise TooManyPlacesError(
            f"{context.key}: {len(wanted):,} places need a typical year, and {api.max_stations:,} may be asked for.",
            remedy="Raise 'max_stations' in the manifest, use a coarser 'h3_resolution', or put files into the mirror.",
        )
    return _Asking(context, api, access).all(wanted)


class _Asking:
    def __init__(self, context: Context, api: PvgisApi, access: ContextAccess) -> None:
        self._key, self._api, self._access = context.key, api, access
        self._cache = PieceCache(access.cache_dir, context, api.url)
        self._client, self._pace = HttpClient(access.retry), Pace(api.per_second)

    def all(self, wanted: list[_Place]) -> Pieces:
        pieces, unknown = Pieces(), []
        for place in wanted:
            if self._access.refresh or not self._known(place, pieces):
                unknown.append(place)
        if self._access.offline:
            pieces.missing.extend(place.shown for place in unknown)
            return pieces
        if unknown:
            log.info("%s: asking %s for %d of %d places", self._key, self._api.url, len(unknown), len(wanted))
        with ThreadPoolExecutor(CONNECTIONS_PER_HOST) as threads:
            futures = [threads.submit(self._ask, place) for place in unknown]
            try:
                for future in futures:
                    answer = future.result()
                    (pieces.files if isinstance(answer, AcquiredFile) else pieces.absent).append(answer)
            finally:
                for future in futures:
                    future.cancel()
        return pieces

    def _known(self, place: _Place, pieces: Pieces) -> bool:
        if file := self._cache.file(place.name, self._api.url):
            pieces.files.append(file)
            return True
        if reason := self._cache.absent(place.name, self._api.url):
            pieces.absent.append(Absence(place.shown, reason))
            return True
        return False

    def _ask(self, place: _Place) -> AcquiredFile | Absence:
        answer = self._client.retry(lambda: self._attempt(place))
        if isinstance(answer, Absence):
            self._cache.keep_absent(place.name, self._api.url, answer.reason)
            return answer
        path = self._cache.path(place.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
        part.write_bytes(answer)
        part.replace(path)
        sha256 = hashlib.sha256(answer).hexdigest()
        return self._cache.keep(place.name, sha256=sha256, size=len(answer), url=self._api.url)

    def _attempt(self, place: _Place) -> bytes | Absence:
        self._pace.wait()
        url = place.url(self._api)
        with self._client.stream(url, accept=frozenset({NOTHING_THERE})) as response:
            content = response.read()
        if response.status_code == NOTHING_THERE:
            reason = _message(content)
            if not reason.lower().startswith("location"):  # over the sea, or out of the spatial coverage
                raise RemoteError(
                    f"{public_url(url)} does not accept the request for {place.shown}: {reason or 'it does not say why'}.",
                    status=NOTHING_THERE,
                    remedy="Check 'url' in the manifest; the API may have changed.",
                )
            return Absence(place.shown, reason)
        # An answer without a length that is cut looks complete to HTTP
        hours = len(HOUR.findall(content))
        if hours != HOURS or not HEAD.match(content):
            cut = RemoteError(
                f"{public_url(url)} answered for {place.shown} with {hours:,} of {HOURS:,} hours.",
                status=response.status_code,
                remedy="Try again later, or put the file into the mirror.",
            )
            raise TransientError(cut)
        return content


def _message(content: bytes) -> str:
    """What an error of the API says of itself: ``{"message": …, "status": 400}``."""
    try:
        message = json.loads(content)["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return " ".join(str(message).split()).rstrip(".")[:LONGEST_REASON]


def _place_of(file: AcquiredFile) -> tuple[float, float] | None:
    """Longitude and latitude that a file says it is of; ``None`` where it does not, which its reader will say."""
    with file.path.open("rb") as content:
        found = HEAD.match(content.read(HEAD_BYTES))
    try:
        return (float(found[2]), float(found[1])) if found else None
    except ValueError:
        return None
