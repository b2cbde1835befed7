"""A mirror: published files in one folder a dataset key, on this machine or behind a web server's folder pages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from db.errors import RemoteError, RemoteNotFoundError
from ingest.http import HttpClient, public_url
from ingest.repositories import RemoteFile, storable_name

MAX_PAGES = 1000


def is_url(mirror: str) -> bool:
    """Whether a mirror is behind HTTP, and not a folder."""
    return mirror.lower().startswith(("http://", "https://"))


def shown(mirror: str) -> str:
    """A mirror as it may be shown: a URL without user, password and query."""
    return public_url(mirror) if is_url(mirror) else mirror


def folder_files(mirror: str, key: str) -> dict[str, Path]:
    """Files of a dataset in a mirror folder, by published path; empty when there is no folder of that key."""
    root = Path(mirror).expanduser() / key
    return {
        (Path(folder) / name).relative_to(root).as_posix(): Path(folder) / name
        for folder, _, names in os.walk(root)
        for name in names
        if (Path(folder) / name).is_file()
    }


def url_files(mirror: str, key: str, client: HttpClient) -> dict[str, RemoteFile]:
    """Files of a dataset below a mirror URL, by published path; empty when there is no folder of that key.

    Folder pages are those of ``python -m http.server``, nginx or Apache: HTML with a link an entry.

    Raises:
        RemoteError: the mirror does not answer, or has more than ``MAX_PAGES`` folders below the key.
    """
    root = f"{mirror.rstrip('/')}/{key}/"
    files: dict[str, RemoteFile] = {}
    pending, seen = [root], {root}
    while pending:
        page_url = pending.pop()
        try:
            page = client.get(page_url)
        except RemoteNotFoundError:
            if page_url == root:
                return {}
            raise
        for url in links_below(page.text, page_url):
            if not url.endswith("/"):
                name = storable_name(httpx.URL(url).path.removeprefix(httpx.URL(root).path), public_url(root))
                files[name] = RemoteFile(name, url)
            elif url not in seen:
                seen.add(url)
                pending.append(url)
        if len(seen) > MAX_PAGES:
            raise RemoteError(f"{public_url(root)} has more than {MAX_PAGES} folders.", remedy="Is it the mirror's root?")
    return files


def links_below(html: str, page_url: str) -> Iterator[str]:
    """URLs of a folder page that stay below the page: not the parent, not another site, not the sorting links."""
    parser = _Links()
    parser.feed(html)
    base = urlsplit(page_url)
    for href in parser.hrefs:
        link = urlsplit(urljoin(page_url, href))
        below = (
            link.path.startswith(base.path) and link.path != base.path and ".." not in httpx.URL(link.geturl()).path.split("/")
        )
        if (link.scheme, link.netloc) == (base.scheme, base.netloc) and below:
            yield link._replace(query="", fragment="").geturl()


class _Links(HTMLParser):
    """Collects the target of each ``<a>``."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a link."""
        if tag == "a":
            self.hrefs.extend(value for name, value in attrs if name == "href" and value)
