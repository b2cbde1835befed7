"""Archives of the Global Solar Atlas, one a country: those of the countries that PV stands in, each downloaded once."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from db.errors import RemoteError, TooManyPlacesError
from ingest.acquired import AcquiredFile
from ingest.context_access import ContextAccess
from ingest.context_manifest import Context, CountryArchives
from ingest.download import download
from ingest.http import HttpClient, public_url
from ingest.pieces import Absence, PieceCache, Pieces
from ingest.repositories import RemoteFile, name_of, storable_name

log = logging.getLogger(__name__)

REFUSED = 403
NOWHERE = (404, 410)


def archives(
    context: Context, origin: CountryArchives, countries: Sequence[str], held: Iterable[AcquiredFile], access: ContextAccess
) -> Pieces:
    """The archive of each country that no file at hand is of.

    Args:
        context: manifest entry.
        origin: its origin.
        countries: ISO 3166-1 alpha-2 codes.
        held: files of a mirror, see :func:`unserved`.
        access: cache, and whether the publisher may be asked.

    Returns:
        Archives as published, still packed. A country is absent where the manifest has no name for it, or the publisher no
        archive of that name.

    Raises:
        TooManyPlacesError: more countries than ``origin.max_countries``; nothing has been asked.
        RemoteError: the publisher does not answer, or refuses every country. What was downloaded before is kept.
    """
    wanted = unserved(origin, countries, [file.name for file in held])
    if len(wanted) > origin.max_countries:
        raise TooManyPlacesError(
            f"{context.key}: PV stands in {len(wanted)} countries, and archives of {origin.max_countries} may be asked for.",
            remedy="Raise 'max_countries' in the manifest, or put archives into the mirror.",
        )
    cache, client, pieces, refusals = PieceCache(access.cache_dir, context, origin.url), HttpClient(access.retry), Pieces(), []
    for country in wanted:
        published = origin.names.get(country)
        if published is None:
            pieces.absent.append(Absence(country, "The manifest has no name of this country, see 'names'"))
            continue
        url = archive_url(origin, published)
        name, shown = storable_name(name_of(url), public_url(url)), public_url(url)
        if not access.refresh:
            if file := cache.file(name, shown):
                pieces.files.append(file)
                continue
            if reason := cache.absent(name, shown):
                pieces.absent.append(Absence(country, reason))
                continue
        if access.offline:
            pieces.missing.append(country)
            continue
        try:
            done = download(client, RemoteFile(name, url), cache.path(name), progress=access.progress)
        except RemoteError as error:
            if error.status not in (REFUSED, *NOWHERE):
                raise
            pieces.absent.append(Absence(country, error.message.rstrip(".")))
            # Object stores refuse what is not there, and servers refuse programs: that is not known of the name for good
            if error.status == REFUSED:
                refusals.append(error)
            else:
                cache.keep_absent(name, shown, error.message.rstrip("."))
        else:
            pieces.files.append(cache.keep(name, sha256=done.sha256, size=done.size, url=shown, etag=done.etag))
    if refusals and not pieces.files:
        raise refusals[0]
    return pieces


def archive_url(origin: CountryArchives, name: str) -> str:
    """Address of a country's archive: the name as it is in the folder, and with hyphens in the file."""
    return origin.url.format(name=quote(name), hyphenated=quote(name.replace(" ", "-")))


def unserved(origin: CountryArchives, countries: Sequence[str], names: Sequence[str]) -> list[str]:
    """Countries that none of the files is of.

    A file is of the country that its path begins with, archive's folder or file's name: ``Costa-Rica_GISdata…/GHI.tif``,
    ``benin_GHI.tif``. One that begins with no country's name is taken to be of the whole world.
    """
    paths = [_normalised(name) for name in names]
    prefixes = {country: f"{_normalised(name)}_" for country, name in origin.names.items()}
    named = [path for path in paths if any(path.startswith(prefix) for prefix in prefixes.values())]
    if len(named) < len(paths):
        return []
    served = {country for country, prefix in prefixes.items() if any(path.startswith(prefix) for path in named)}
    return [country for country in countries if country not in served]


def _normalised(name: str) -> str:
    return re.sub(r"[\s-]+", "-", name.casefold())
