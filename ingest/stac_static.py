"""Items of a static catalog: a tree of JSON documents that link each other, behind HTTP or in a folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pystac.utils import make_absolute_href

from db.errors import CatalogError, RemoteNotFoundError
from ingest.http import HttpClient
from ingest.stac_json import parse
from ingest.stac_links import unsigned
from ingest.stac_policy import Policy, moment
from ingest.stac_record import Record, Records

log = logging.getLogger(__name__)

type Read = Callable[[str], bytes]


class UnreadableError(Exception):
    """A document of the tree that is not there, or may not be read; never leaves this module."""


def over_http(client: HttpClient) -> Read:
    """Reads documents by URL."""

    def read(address: str) -> bytes:
        if not address.startswith(("http://", "https://")):
            raise UnreadableError(f"it links {address}, which is not behind HTTP")
        try:
            return client.get(address).content
        except RemoteNotFoundError as error:
            raise UnreadableError(error.message.rstrip(".")) from error

    return read


def in_folder(root: Path) -> Read:
    """Reads documents below a folder, and nothing outside: links are others' words."""
    inside = root.resolve()

    def read(address: str) -> bytes:
        if "://" in address:
            raise UnreadableError(f"it links {address}, outside of the mirror")
        path = Path(address).resolve()
        if not path.is_relative_to(inside):
            raise UnreadableError(f"it links a file outside of {inside.name}/")
        try:
            return path.read_bytes()
        except OSError as error:
            raise UnreadableError(f"it cannot be read ({type(error).__name__})") from error

    return read


def walk(root: str, read: Read, policy: Policy, *, shown: Callable[[str], str] = unsigned) -> Records:
    """Records of every item below a catalog, each document read once, depth first.

    What a collection says of its extent spares reading it where nothing in it can be wanted. A link that leads nowhere is a
    record with a problem, so that it is told and not lost; a server that fails ends the walk.

    Args:
        root: URL or absolute path of the root catalog.
        read: how to read a document.
        policy: what is wanted of collections; items are not filtered.
        shown: a document's address as it may be stored.

    Raises:
        CatalogError: the root is no STAC catalog.
        RemoteError: a server does not answer, or refuses.
    """
    pending, seen = [root], {root}
    while pending:
        address = pending.pop()
        try:
            document = _document(address, read)
        except UnreadableError as problem:
            if address == root:
                raise CatalogError(f"{shown(root)}: {problem}.", remedy="Correct 'url' or 'file' in the manifest.") from problem
            yield Record.unreadable(str(problem), shown(address))
            continue
        if document.get("type") == "Feature":
            # Where it was found, not where it says it is: a copy's assets are beside the copy
            yield Record.of(document, shown(address), base=address, prefer_self=False)
            continue
        if address == root and not isinstance(document.get("links"), list):
            raise CatalogError(f"{shown(root)} is no STAC catalog: it has no links.", remedy="Correct the manifest.")
        if not policy.reaches(*_extent(document)):
            log.debug("%s: nothing in it can be wanted", shown(address))
            continue
        # The last one is read first, so in reverse
        for link in reversed(list(_downward(document, address))):
            if link not in seen:
                seen.add(link)
                pending.append(link)


def _document(address: str, read: Read) -> dict[str, Any]:
    try:
        document = parse(read(address))
    except ValueError as error:
        raise UnreadableError(f"it is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise UnreadableError("it is JSON, but no object")
    return document


def _downward(document: dict[str, Any], address: str) -> Iterator[str]:
    links = document.get("links")
    for link in links if isinstance(links, list) else []:
        href = link.get("href") if isinstance(link, dict) and link.get("rel") in ("child", "item") else None
        if isinstance(href, str) and href:
            yield make_absolute_href(href, address)


def _extent(document: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Bounding box, start and end of a collection; ``None`` for what it does not say in a form that can be relied on."""
    try:
        box = document["extent"]["spatial"]["bbox"][0]
        half = len(box) // 2
        bbox = [float(box[0]), float(box[1]), float(box[half]), float(box[half + 1])]
    except (KeyError, IndexError, TypeError, ValueError):
        bbox = None
    try:
        start, end = (moment(value) for value in document["extent"]["temporal"]["interval"][0])
    except (KeyError, IndexError, TypeError, ValueError):
        start = end = None
    return bbox, start, end


def is_remote(root: str) -> bool:
    """Whether a root is behind HTTP."""
    return urlsplit(root).scheme in ("http", "https")
