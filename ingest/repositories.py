"""What a deposit holds, asked from each kind of repository through its API.

A kind is one function from a manifest source to :class:`RemoteFile`; answers are parsed by pydantic models that name only
what is used.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from db.errors import RemoteError
from ingest.http import HttpClient, public_url
from ingest.manifest import DirectSource, FigshareSource, GithubSource, ScienceBaseSource, Source, ZenodoSource
from ingest.paths import published_path

logger = logging.getLogger(__name__)

ENDPOINTS: Mapping[str, str] = {
    "zenodo": "https://zenodo.org/api",
    "figshare": "https://api.figshare.com/v2",
    "sciencebase": "https://www.sciencebase.gov/catalog",
    "github": "https://api.github.com",
}
FIGSHARE_PAGE = 100
FIGSHARE_EMBEDDED = 10  # an article's own answer lists no more files than this
GITHUB_LISTED = 1000  # the contents API cuts a folder's listing here


@dataclass(frozen=True)
class RemoteFile:
    """A file that a repository or mirror offers.

    Attributes:
        name: published path, relative to the deposit.
        url: where its bytes are.
        size: in bytes, where announced.
        checksum: ``"<algorithm>:<hex>"``, where announced.
    """

    name: str
    url: str
    size: int | None = None
    checksum: str | None = None


class Repository[S](Protocol):
    """A kind of repository: from a source to the files that it offers."""

    def __call__(self, source: S, client: HttpClient, endpoint: str) -> Iterator[RemoteFile]:
        """List the files of ``source``; ``endpoint`` is the API's base URL, without a slash at the end."""


def list_files(source: Source, client: HttpClient, endpoints: Mapping[str, str] = ENDPOINTS) -> list[RemoteFile]:
    """Every file of a deposit, each name once.

    Args:
        source: which deposit.
        client: HTTP client.
        endpoints: API base URL by repository kind; those that are not given are the public ones.

    Raises:
        RemoteNotFoundError: there is no such deposit.
        RemoteError: the repository does not answer, or not as its API says, or a file's name is not a safe path.
    """
    kind = source.repository
    endpoint = {**ENDPOINTS, **endpoints}.get(kind, "").rstrip("/")
    files: dict[str, RemoteFile] = {}
    for file in _REPOSITORIES[kind](source, client, endpoint):
        name = storable_name(file.name, kind)
        files.setdefault(name, RemoteFile(name, file.url, file.size, file.checksum))
    return list(files.values())


def storable_name(name: str, where: str) -> str:
    """A name that ``where`` offers, as a safe relative path.

    Raises:
        RemoteError: the name would lead outside its folder.
    """
    try:
        return published_path(name)
    except ValueError as error:
        raise RemoteError(f"{where} offers a file {name!r} that cannot be stored: {error}.", remedy="Do not use it.") from error


def name_of(url: str) -> str:
    """Last part of a URL's path, decoded."""
    return httpx.URL(url).path.rstrip("/").rsplit("/", 1)[-1]


def _parse[T](shape: type[T], response: httpx.Response) -> T:
    try:
        return TypeAdapter(shape).validate_json(response.content)
    except ValidationError as error:
        where = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors(include_input=False)[:3]
        )
        raise RemoteError(
            f"{public_url(response.url)} did not answer as its API says: {where}.",
            status=response.status_code,
            remedy="The API may have changed: use --mirror, and report it.",
        ) from error


def _checksum(algorithm: str | None, value: str | None) -> str | None:
    """``"<algorithm>:<hex>"`` if it can be verified here."""
    algorithm = (algorithm or "").lower().replace("-", "")
    return f"{algorithm}:{value.lower()}" if value and algorithm in hashlib.algorithms_guaranteed else None


class _ZenodoLinks(BaseModel):
    self: str
    content: str | None = None


class _ZenodoFile(BaseModel):
    key: str
    size: int
    links: _ZenodoLinks
    checksum: str | None = None


class _ZenodoListing(BaseModel):
    entries: list[_ZenodoFile] | dict[str, _ZenodoFile] | None = None


class _ZenodoRecord(BaseModel):
    files: list[_ZenodoFile] | _ZenodoListing | None = None


def _zenodo(source: ZenodoSource, client: HttpClient, endpoint: str) -> Iterator[RemoteFile]:
    record_url = f"{endpoint}/records/{source.record}"
    files = _parse(_ZenodoRecord, client.get(record_url)).files
    if isinstance(files, _ZenodoListing):
        # InvenioRDM: the record only says that there are files, unless it embeds them
        files = (
            files.entries if files.entries is not None else _parse(_ZenodoListing, client.get(f"{record_url}/files")).entries
        )
    for file in files.values() if isinstance(files, dict) else files or []:
        algorithm, _, value = (file.checksum or "").partition(":")
        # In InvenioRDM 'self' describes the file and 'content' is the file; in the legacy answer 'self' is the file.
        yield RemoteFile(file.key, file.links.content or file.links.self, file.size, _checksum(algorithm, value))


class _FigshareFile(BaseModel):
    name: str
    download_url: str
    size: int | None = None
    computed_md5: str | None = None
    supplied_md5: str | None = None
    is_link_only: bool = False


class _FigshareArticle(BaseModel):
    files: list[_FigshareFile] = []


def _figshare(source: FigshareSource, client: HttpClient, endpoint: str) -> Iterator[RemoteFile]:
    article_url = f"{endpoint}/articles/{source.article}" + (
        f"/versions/{source.version}" if source.version is not None else ""
    )
    files = _parse(_FigshareArticle, client.get(article_url)).files
    if len(files) >= FIGSHARE_EMBEDDED:
        files = []
        for page in itertools.count(1):
            query = {"page": page, "page_size": FIGSHARE_PAGE}
            chunk = _parse(list[_FigshareFile], client.get(f"{article_url}/files", params=query))
            files += chunk
            if len(chunk) < FIGSHARE_PAGE:
                break
    for file in files:
        # figshare knows neither size nor checksum of what it merely links to
        size = None if file.is_link_only else file.size
        yield RemoteFile(file.name, file.download_url, size, _checksum("md5", file.computed_md5 or file.supplied_md5))


class _ScienceBaseChecksum(BaseModel):
    type: str | None = None
    value: str | None = None


class _ScienceBaseFile(BaseModel):
    name: str
    url: str | None = None
    downloadUri: str | None = None  # noqa: N815 - the API's name
    size: int | None = None
    checksum: _ScienceBaseChecksum | None = None


class _ScienceBaseFacet(BaseModel):
    files: list[_ScienceBaseFile] = []


class _ScienceBaseItem(BaseModel):
    files: list[_ScienceBaseFile] = []
    facets: list[_ScienceBaseFacet] = []


def _sciencebase(source: ScienceBaseSource, client: HttpClient, endpoint: str) -> Iterator[RemoteFile]:
    item = _parse(_ScienceBaseItem, client.get(f"{endpoint}/item/{source.item}", params={"format": "json"}))
    for file in (*item.files, *(file for facet in item.facets for file in facet.files)):
        url = file.downloadUri or file.url
        if url is None:
            logger.warning("ScienceBase item %s offers no URL for %s.", source.item, file.name)
            continue
        checksum = _checksum(file.checksum.type, file.checksum.value) if file.checksum else None
        yield RemoteFile(file.name, url, file.size, checksum)


class _GithubEntry(BaseModel):
    type: str
    path: str
    size: int | None = None
    download_url: str | None = None


def _github(source: GithubSource, client: HttpClient, endpoint: str) -> Iterator[RemoteFile]:
    root = source.path.strip("/")
    pending = [root]
    while pending:
        folder = pending.pop()
        url = f"{endpoint}/repos/{source.repo}/contents/{quote(folder)}"
        found = _parse(list[_GithubEntry] | _GithubEntry, client.get(url, params={"ref": source.ref}))
        entries = found if isinstance(found, list) else [found]
        if len(entries) >= GITHUB_LISTED:
            logger.warning("%s lists %d entries: GitHub may have left some out.", public_url(url), len(entries))
        for entry in entries:
            if entry.type == "dir":
                pending.append(entry.path)
            elif entry.download_url is not None:  # submodules have none
                below = entry.path[len(root) :].strip("/") if root else entry.path
                yield RemoteFile(below or name_of(entry.path), entry.download_url, entry.size)


def _direct(source: DirectSource, client: HttpClient, endpoint: str) -> Iterator[RemoteFile]:
    for url in source.urls:
        yield RemoteFile(name_of(url), url)


_REPOSITORIES: Mapping[str, Repository] = {
    "zenodo": _zenodo,
    "figshare": _figshare,
    "sciencebase": _sciencebase,
    "github": _github,
    "direct": _direct,
}
