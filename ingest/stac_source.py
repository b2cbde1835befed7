"""From a manifest entry to the stream of its records, whatever kind of catalog it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from db.errors import DatasetPlannedError, NotHeldError
from ingest.http import HttpClient, public_url
from ingest.mirror import is_url
from ingest.progress import Progress, Silent
from ingest.stac_api import ApiCatalog
from ingest.stac_files import held, held_locally, read, require_urls
from ingest.stac_manifest import MIRROR_FOLDER, ApiSource, Catalog, FilesSource, GeoparquetSource, StaticSource
from ingest.stac_policy import Area, Policy
from ingest.stac_record import Records
from ingest.stac_spool import Spool
from ingest.stac_static import in_folder, is_remote, over_http, walk


@dataclass
class Tally:
    """What happened to the records of one stream; counts grow while it is read.

    Attributes:
        counts: ``found``: all; ``unwanted``: those that the policy leaves out.
    """

    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Access:
    """How catalogs are reached.

    Attributes:
        cache_dir: root of the cache.
        mirror: folder or http(s) URL whose folder ``stac`` holds files of catalogs.
        offline: never contact a catalog. A mirror behind a URL is still asked.
        token: secret for catalogs that ask for one.
        client: patience with servers.
        progress: display of downloads and searches.
    """

    cache_dir: Path
    mirror: str | None = None
    offline: bool = False
    token: str | None = None
    client: HttpClient = field(default_factory=HttpClient)
    progress: Progress = field(default_factory=Silent)


def records(catalog: Catalog, areas: Sequence[Area] | None, access: Access, tally: Tally | None = None) -> Records:
    """The wanted records of a catalog, as a stream with bounded memory.

    An API is asked area by area, and each finished search is kept in the cache until :func:`forget`. An item that two
    areas have in common comes twice.

    Args:
        catalog: manifest entry.
        areas: where to search; ``None``: anywhere.
        access: how it is reached.
        tally: counts what comes and what is left out.

    Raises:
        DatasetPlannedError: the manifest says that the catalog cannot be ingested.
        NotHeldError: offline, and the mirror has nothing of it.
        CatalogError: the catalog does not do what its entry asks.
        ReadError: a file as a whole is unreadable.
        RemoteError: a server does not answer, or refuses.
    """
    require(catalog, access)
    tally = tally or Tally()
    if isinstance(catalog.source, ApiSource):
        stream = _of_api(catalog, areas, access)
    elif isinstance(catalog.source, StaticSource):
        stream = _of_tree(catalog, areas, access)
    else:
        files = held(
            catalog,
            mirror=access.mirror,
            cache_dir=access.cache_dir,
            client=access.client,
            offline=access.offline,
            progress=access.progress,
        )
        stream = (record for file in files for record in read(file))
    policy = Policy(catalog, areas)
    for record in stream:
        tally.counts["found"] += 1
        if record.item is None or policy.accepts(record.item):
            yield record
        else:
            tally.counts["unwanted"] += 1


def require(catalog: Catalog, access: Access) -> None:
    """Raise where it is clear beforehand that nothing can come of a catalog; contacts nobody.

    Raises:
        DatasetPlannedError: the manifest says that the catalog cannot be ingested.
        NotHeldError: offline, and the mirror has nothing of it.
    """
    if catalog.status == "planned":
        raise DatasetPlannedError(f"{catalog.key} is no catalog to ingest: {catalog.reason}")
    source = catalog.source
    if isinstance(source, FilesSource | GeoparquetSource):
        if not (access.mirror and is_url(access.mirror)) and not held_locally(source, access.mirror):
            require_urls(catalog, mirror=access.mirror, offline=access.offline)
    elif access.offline and (isinstance(source, ApiSource) or _root_in_mirror(source, access.mirror) is None):
        raise NotHeldError(f"{catalog.key} is online, and not in the mirror.", remedy="Go online with --online.")


def forget(catalog: Catalog, access: Access) -> None:
    """Drop the finished searches of a catalog: their records are in the lake."""
    Spool(access.cache_dir, catalog).forget()


def _of_api(catalog: Catalog, areas: Sequence[Area] | None, access: Access) -> Records:
    spool = Spool(access.cache_dir, catalog)
    places: list[Area | None] = [None] if areas is None else list(areas)
    task = access.progress.add_task(f"{catalog.key}: searches", total=len(places))
    opened: list[ApiCatalog] = []

    def search(place: Area | None) -> Records:
        # Opened late: where all searches are kept, nothing is asked
        if not opened:
            opened.append(ApiCatalog(catalog, access.client, token=access.token))
        return opened[0].search(place)

    for number, place in enumerate(places, start=1):
        yield from spool.records(place, partial(search, place))
        access.progress.update(task, completed=number)


def _of_tree(catalog: Catalog, areas: Sequence[Area] | None, access: Access) -> Records:
    source = catalog.source
    assert isinstance(source, StaticSource)
    policy, mirror = Policy(catalog, areas), access.mirror
    root = _root_in_mirror(source, mirror)
    if root is not None and is_remote(root):
        return walk(root, over_http(access.client), policy, shown=public_url)
    if root is not None and mirror is not None:
        folder = Path(mirror).expanduser().absolute()
        return walk(root, in_folder(folder), policy, shown=_below(folder))
    if source.url is None:
        raise NotHeldError(
            f"{catalog.key}: there is no {MIRROR_FOLDER}/{source.file} in a mirror.",
            remedy="Name a mirror that has it with --mirror.",
        )
    return walk(source.url, over_http(access.client), policy, shown=public_url)


def _root_in_mirror(source: StaticSource, mirror: str | None) -> str | None:
    """Address of the root catalog in a mirror; ``None`` where a mirror folder does not have it, or none is given."""
    if mirror is None or source.file is None:
        return None
    if is_url(mirror):
        return f"{mirror.rstrip('/')}/{MIRROR_FOLDER}/{source.file}"
    root = Path(mirror).expanduser().absolute() / MIRROR_FOLDER / source.file
    return str(root) if root.is_file() else None


def _below(folder: Path) -> Callable[[str], str]:
    """Addresses as they are stored: relative to the mirror, as its files are everywhere else."""

    def shown(address: str) -> str:
        path = Path(address)
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name

    return shown
