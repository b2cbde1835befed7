"""STAC items in files: ItemCollections, lines of JSON, stac-geoparquet; read as a stream."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import rustac

from db.errors import AcquisitionError, NotHeldError, ReadError
from ingest.download import download
from ingest.http import HttpClient
from ingest.mirror import folder_files, is_url, url_files
from ingest.progress import Progress
from ingest.repositories import RemoteFile
from ingest.stac_json import parse
from ingest.stac_manifest import MIRROR_FOLDER, Catalog, FilesSource, GeoparquetSource
from ingest.stac_record import Record, Records
from ingest.verification import verify

log = logging.getLogger(__name__)

BATCH_ITEMS = 250
MAX_COLLECTION_BYTES = 256 << 20
"""An ItemCollection is one JSON value and is parsed whole: this many bytes take about 2 GB."""


@dataclass(frozen=True)
class ItemFile:
    """A file with items on this machine; ``name`` as published, below the mirror's folder."""

    name: str
    path: Path


def held(
    catalog: Catalog,
    *,
    mirror: str | None,
    cache_dir: Path,
    client: HttpClient,
    offline: bool,
    progress: Progress | None = None,
) -> list[ItemFile]:
    """The files of a catalog of kind ``files`` or ``geoparquet``, sorted by name.

    Files of a mirror folder are used in place. A mirror behind a URL, and the catalog's URLs, are downloaded into the cache:
    each time, because catalogs grow, unless the manifest pins the content with a checksum.

    Raises:
        NotHeldError: offline, and the mirror has none of them; or there are none to be had elsewhere.
        RemoteError: a server does not answer.
        ChecksumMismatchError: a file is not the one that the manifest pins.
    """
    source = catalog.source
    assert isinstance(source, FilesSource | GeoparquetSource)
    if local := held_locally(source, mirror):
        for file in local:
            verify(file.path, file.name, checksums=_pinned(source, file.name))
        return local
    if mirror is not None and is_url(mirror) and source.files is not None:
        listed = url_files(mirror, MIRROR_FOLDER, client)
        chosen = [listed[name] for name in sorted(listed) if source.files.accepts(name)]
        if chosen:
            return [_fetched(file, catalog, cache_dir, client, progress) for file in chosen]
    require_urls(catalog, mirror=mirror, offline=offline)
    files = [RemoteFile(url.rsplit("/", 1)[-1], url) for url in source.urls]
    return [_fetched(file, catalog, cache_dir, client, progress) for file in sorted(files, key=lambda file: file.name)]


def held_locally(source: FilesSource | GeoparquetSource, mirror: str | None) -> list[ItemFile]:
    """The files that a mirror folder has, sorted by name; empty where it has none, or none is given."""
    if mirror is None or is_url(mirror) or source.files is None:
        return []
    files = folder_files(mirror, MIRROR_FOLDER)
    return [ItemFile(name, files[name].absolute()) for name in sorted(files) if source.files.accepts(name)]


def require_urls(catalog: Catalog, *, mirror: str | None, offline: bool) -> None:
    """Raise where the files of a catalog cannot be had from where they were published.

    Raises:
        NotHeldError: offline, or there are no URLs.
    """
    source = catalog.source
    assert isinstance(source, FilesSource | GeoparquetSource)
    if offline or not source.urls:
        place = f"the mirror's folder {MIRROR_FOLDER!r} has none of its files" if mirror else "no mirror was given"
        elsewhere = ", or go online with --online." if source.urls else "."
        raise NotHeldError(f"{catalog.key}: {place}.", remedy=f"Name a mirror that has them with --mirror{elsewhere}")


def _pinned(source: FilesSource | GeoparquetSource, name: str) -> list[str]:
    return [source.checksums[name]] if name in source.checksums else []


def _fetched(file: RemoteFile, catalog: Catalog, cache_dir: Path, client: HttpClient, progress: Progress | None) -> ItemFile:
    path = cache_dir / "stac" / "files" / catalog.key / file.name
    pinned = _pinned(catalog.source, file.name)
    if not (pinned and path.is_file() and _is(path, file.name, pinned)):
        download(client, file, path, checksums=pinned, progress=progress)
    return ItemFile(file.name, path.absolute())


def _is(path: Path, name: str, checksums: list[str]) -> bool:
    try:
        verify(path, name, checksums=checksums)
    except AcquisitionError as error:
        log.warning("Cached file %s will be fetched again: %s", path, error.message)
        return False
    return True


def read(file: ItemFile) -> Records:
    """All records of a file, in its order, never more than a batch of them in memory (an ItemCollection: all of it).

    Raises:
        ReadError: the file as a whole is not what its name promises.
    """
    suffix = file.path.suffix.lower()
    if suffix not in _READERS:
        raise ReadError(
            f"{file.name} is of no known kind.",
            remedy=f"Known are {', '.join(_READERS)}; correct 'files' or 'urls' in the manifest.",
        )
    return _READERS[suffix](file)


def _lines(file: ItemFile) -> Records:
    with file.path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                value = parse(line)
            except ValueError as error:
                text = line.decode("utf-8", errors="replace")
                yield Record.unreadable(f"it is not JSON: {error}", _source(file), place=f":{number}", text=text)
            else:
                yield Record.of(value, _source(file), base=str(file.path), place=f":{number}")


def _collection(file: ItemFile) -> Records:
    size = file.path.stat().st_size
    if size > MAX_COLLECTION_BYTES:
        raise ReadError(
            f"{file.name} is one JSON value of {size:,} bytes; more than {MAX_COLLECTION_BYTES:,} are not read at once.",
            remedy="Convert it to NDJSON or stac-geoparquet ('rustac translate').",
        )
    try:
        document = parse(file.path.read_bytes())
    except ValueError as error:
        raise ReadError(f"{file.name} is not JSON: {error}.", remedy="Fetch it again.") from error
    for number, value in enumerate(_members(document, file)):
        yield Record.of(value, _source(file), base=str(file.path), place=f"#{number}")


def _members(document: Any, file: ItemFile) -> list[Any]:
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and isinstance(document.get("features"), list):
        return document["features"]
    if isinstance(document, dict) and document.get("type") == "Feature":
        return [document]
    raise ReadError(
        f"{file.name} is neither an ItemCollection nor an item.", remedy="Correct 'files' or 'urls' in the manifest."
    )


def _parquet(file: ItemFile) -> Records:
    try:
        parquet = pq.ParquetFile(file.path)
        batches = parquet.iter_batches(BATCH_ITEMS)
        number = 0
        for batch in batches:
            for value in _items_of(batch):
                yield Record.of(value, _source(file), base=str(file.path), place=f"#{number}")
                number += 1
    except (pa.ArrowException, rustac.RustacError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ReadError(
            f"{file.name} cannot be read as stac-geoparquet: {reason}.", remedy="Correct 'kind', or fetch it again."
        ) from error


def _items_of(batch: pa.RecordBatch) -> Iterator[Any]:
    # Through text: rustac gives tuples, which are no JSON arrays to a schema
    yield from json.loads(json.dumps(rustac.from_arrow(pa.Table.from_batches([batch]))["features"]))


def _source(file: ItemFile) -> str:
    return f"{MIRROR_FOLDER}/{file.name}"


_READERS: dict[str, Callable[[ItemFile], Records]] = {
    ".json": _collection,
    ".geojson": _collection,
    ".ndjson": _lines,
    ".jsonl": _lines,
    ".parquet": _parquet,
    ".geoparquet": _parquet,
}
