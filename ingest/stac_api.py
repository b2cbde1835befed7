"""Items from a STAC API, through pystac-client: every page, whatever a server does in between.

What pystac-client leaves to us: retries that honour ``Retry-After`` and cover a connection that breaks inside an answer; pages
that are empty but not the last, at which it would stop; pages that lead back to themselves; secrets kept out of its log lines;
what a server leaves out of its items.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pystac
import requests
import shapely
from pystac_client import Client
from pystac_client.conformance import ConformanceClasses
from pystac_client.stac_api_io import StacApiIO

from db.errors import CatalogError, RemoteError, RemoteNotFoundError
from ingest.http import (
    TRANSIENT_STATUSES,
    USER_AGENT,
    HttpClient,
    RetryPolicy,
    TransientError,
    public_url,
    retry_after_s,
)
from ingest.stac_json import parse
from ingest.stac_links import self_link
from ingest.stac_manifest import ApiSource, Catalog
from ingest.stac_policy import Area, Policy
from ingest.stac_record import Record, Records

log = logging.getLogger(__name__)

MAX_EMPTY_PAGES = 20
"""Pages without an item in a row; more of them is a server that never ends."""


class PatientStacIO(StacApiIO):
    """HTTP for pystac-client with the retries and the error messages of :mod:`ingest.http`.

    Args:
        client: patience, and how waiting is told.
        headers: sent to the catalog's own host only, wherever its links lead.
        host: that host.
    """

    def __init__(self, client: HttpClient, *, headers: dict[str, str] | None = None, host: str = "") -> None:
        super().__init__(max_retries=None)
        self.session.headers["User-Agent"] = USER_AGENT
        self._client = client
        self._secret_headers = headers or {}
        self._host = host

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """One answer's text, after as many attempts as the policy allows.

        Raises:
            RemoteError: the server refuses, or does not answer, after all of them.
        """
        method = (method or "GET").upper()
        payload = {"json": parameters} if method == "POST" else {"params": parameters or {}}
        secret = self._secret_headers if urlsplit(href).netloc == self._host else {}
        request = requests.Request(method, href, headers={**(headers or {}), **secret}, **payload)
        # requests drops no header but Authorization where a redirect leads to another host
        return self._client.retry(lambda: self._attempt(request, redirected=not secret))

    def _attempt(self, request: requests.Request, *, redirected: bool) -> str:
        policy = self._client.policy
        where = public_url(request.url)
        try:
            answer = self.session.send(
                self.session.prepare_request(request),
                timeout=(policy.connect_timeout_s, policy.read_timeout_s),
                allow_redirects=redirected,
            )
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            reason = "no answer in time" if isinstance(error, requests.Timeout) else "the connection failed"
            raise TransientError(RemoteError(f"{where}: {reason}.", remedy="Check the network, or use --mirror.")) from error
        except requests.RequestException as error:
            raise RemoteError(f"{where} cannot be requested ({type(error).__name__}).", remedy="Correct the URL.") from error
        if answer.status_code == requests.codes.ok:
            return answer.text
        raise _refusal(answer, where)

    def get_pages(
        self, url: str, method: str | None = None, parameters: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Every page with an item, until one has no ``next``.

        Raises:
            CatalogError: the pages lead in a circle, or there is no end of empty ones.
            RemoteError: an answer is not JSON, or as :meth:`request`.
        """
        page = self._page(self.request(url, method=method, parameters=parameters), url)
        empty, seen = 0, set()
        while True:
            empty = 0 if page.get("features") else empty + 1
            if page.get("features"):
                yield page
            following = next((link for link in page.get("links") or [] if link.get("rel") == "next" and link.get("href")), None)
            if following is None:
                return
            address = json.dumps([following["href"], following.get("method"), following.get("body")], sort_keys=True)
            if address in seen or empty > MAX_EMPTY_PAGES:
                raise CatalogError(
                    f"{public_url(url)} pages {'in a circle' if address in seen else 'without an item, again and again'}.",
                    remedy="Report it to the catalog; 'search.page_items' in the manifest may avoid it.",
                )
            seen.add(address)
            page = self._page(self.read_text(pystac.Link.from_dict(following), parameters=parameters or {}), url)

    def read_json(self, source: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """A document, as :class:`StacApiIO` reads it, with an error of ours where it is not JSON."""
        return self._page(self.read_text(source, *args, **kwargs), str(source))

    @staticmethod
    def _page(text: str, url: str) -> dict[str, Any]:
        try:
            page = parse(text)
        except ValueError as error:
            raise RemoteError(
                f"{public_url(url)} answered with something that is not JSON.", remedy="Check its URL."
            ) from error
        if not isinstance(page, dict):
            raise RemoteError(f"{public_url(url)} answered with JSON that is no object.", remedy="Check its URL.")
        return page


def _refusal(answer: requests.Response, where: str) -> Exception:
    status = answer.status_code
    if status in (404, 410):
        return RemoteNotFoundError(f"{where} does not exist (HTTP {status}).", status=status, remedy="Check the catalog's URL.")
    remedy = "Set EOPV_STAC_TOKEN, and 'auth' in the manifest." if status in (401, 403) else "Try again later, or use --mirror."
    error = RemoteError(f"{where} answered HTTP {status}{_described(answer)}.", status=status, remedy=remedy)
    if status in TRANSIENT_STATUSES:
        return TransientError(error, retry_after_s=retry_after_s(answer.headers.get("Retry-After")))
    return error


def _described(answer: requests.Response) -> str:
    """What the server says is wrong with the question: ``description`` of a STAC error, ``detail`` of FastAPI's."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    text = (body.get("description") or body.get("detail")) if isinstance(body, dict) else None
    return f" ({str(text)[:200].rstrip('.')})" if text else ""


@dataclass(frozen=True)
class Question:
    """One search as it is put to the server.

    Attributes:
        arguments: of ``pystac_client.Client.search``.
        unasked: what of the policy the server offers no means for, so that it is decided here: ``"cloud cover"``.
    """

    arguments: dict[str, Any]
    unasked: tuple[str, ...] = ()


class ApiCatalog:
    """A STAC API, opened once, searched area by area.

    Args:
        catalog: entry of kind ``api``.
        client: patience; the project's usual one when omitted.
        token: secret for the entry's ``auth``.

    Raises:
        CatalogError: it is no STAC API, offers no item search, or the entry's CQL2 filter asks for what it does not offer.
        RemoteError: it does not answer.
    """

    def __init__(self, catalog: Catalog, client: HttpClient | None = None, *, token: str | None = None) -> None:
        assert isinstance(catalog.source, ApiSource)
        self.catalog = catalog
        host = urlsplit(catalog.source.url).netloc
        io = PatientStacIO(client or HttpClient(RetryPolicy()), headers=_authorization(catalog, token), host=host)
        try:
            self._api = Client.open(catalog.source.url, stac_io=io)
        except (pystac.errors.STACError, KeyError, AttributeError, TypeError) as error:
            raise CatalogError(
                f"{catalog.key}: {catalog.source.url} is not a STAC API ({type(error).__name__}).",
                remedy="Correct 'url', or 'kind', in the manifest.",
            ) from error
        self._cql2 = self._api.conforms_to(ConformanceClasses.FILTER)
        self._query = self._api.conforms_to(ConformanceClasses.QUERY)
        if not self._api.conforms_to(ConformanceClasses.ITEM_SEARCH):
            raise CatalogError(f"{catalog.key}: the server offers no item search.", remedy="Correct 'kind' in the manifest.")
        if catalog.search.filter is not None and not self._cql2:
            raise CatalogError(
                f"{catalog.key}: the server does not offer CQL2, and 'search.filter' cannot be decided here.",
                remedy="Remove 'filter' from the manifest entry.",
            )
        methods = {link.extra_fields.get("method") or "GET" for link in self._api.links if link.rel == "search"}
        # A geometry of many cells is too long for the URLs of some servers
        self._method = "POST" if "POST" in methods or not methods else "GET"

    def questions(self, area: Area | None) -> list[Question]:
        """The searches that the policy is in this area: one for collections with a cloud cover, one for those without."""
        search, wanted = self.catalog.search, self.catalog.collections
        limited = search.max_cloud_cover_pct is not None
        groups = [
            ([key for key, collection in wanted.items() if collection.clouds], limited),
            ([key for key, collection in wanted.items() if not collection.clouds], False),
        ]
        asked = [group for group in groups if group[0]] or [([], limited)]
        return [self._question(collections, area, limited=under_limit) for collections, under_limit in asked]

    def _question(self, collections: list[str], area: Area | None, *, limited: bool) -> Question:
        search = self.catalog.search
        arguments: dict[str, Any] = {"limit": search.page_items, "max_items": search.max_items, "method": self._method}
        if collections:
            arguments["collections"] = collections
        if area is not None:
            arguments["intersects"] = shapely.geometry.mapping(area.geometry)
        if search.datetime is not None:
            arguments["datetime"] = search.datetime
        conditions = [] if search.filter is None else [search.filter]
        unasked: tuple[str, ...] = ()
        if limited and self._cql2:
            conditions.append(_at_most(search.cloud_cover, search.max_cloud_cover_pct, or_unknown=not collections))
        elif limited and self._query and collections:
            arguments["query"] = {search.cloud_cover: {"lte": search.max_cloud_cover_pct}}
        elif limited:
            unasked = ("cloud cover",)
        if conditions:
            arguments["filter"] = conditions[0] if len(conditions) == 1 else {"op": "and", "args": conditions}
            arguments["filter_lang"] = "cql2-json"
        return Question(arguments, unasked)

    def search(self, area: Area | None = None) -> Records:
        """Records of every wanted item that intersects an area (``None``: anywhere), page by page, as the server gives them.

        An item is yielded once for each search that finds it; the order is the server's.

        Raises:
            CatalogError: the server pages in circles.
            RemoteError: the server refuses, or does not answer, after all attempts; what was yielded before is incomplete.
        """
        policy = Policy(self.catalog, None if area is None else [area])
        for question in self.questions(area):
            if question.unasked:
                log.info("%s offers neither CQL2 nor query: %s is decided here", self.catalog.key, ", ".join(question.unasked))
            yield from self._found(question, policy)

    def _found(self, question: Question, policy: Policy) -> Records:
        found = ignored = 0
        announced: int | None = None
        home = self.catalog.source.url  # type: ignore[union-attr] - checked in __init__
        for page in self._api.search(**question.arguments).pages_as_dicts():
            if announced is None:
                announced = _announced(page)
            for value in page["features"]:
                found += 1
                record = Record.of(_with_datetime(value), _address(value) or home, base=home)
                if record.item is None or policy.accepts(record.item):
                    yield record
                else:
                    ignored += 1
        limit = question.arguments["max_items"]
        if limit is not None and found >= limit:
            log.warning("%s: a search was cut at its limit of %d items; there may be more", self.catalog.key, limit)
        elif announced is not None and found < announced:
            log.warning("%s: the server announced %d items and gave %d", self.catalog.key, announced, found)
        if ignored:
            why = "as was to be expected" if question.unasked else "although it was asked not to"
            log.warning("%s: the server gave %d items that are not wanted, %s", self.catalog.key, ignored, why)


def search_items(
    catalog: Catalog, areas: Iterable[Area] | None = None, *, client: HttpClient | None = None, token: str | None = None
) -> Records:
    """All wanted items of a STAC API: :meth:`ApiCatalog.search` for each area, one after the other.

    Args:
        catalog: entry of kind ``api``; its ``search`` and ``collections`` say what is wanted.
        areas: where; ``None``: anywhere, in one search.
        client: patience with the server.
        token: secret for the entry's ``auth``.

    Raises:
        CatalogError: see :class:`ApiCatalog`.
        RemoteError: see :class:`ApiCatalog`.
    """
    api = ApiCatalog(catalog, client, token=token)
    for area in [None] if areas is None else areas:
        yield from api.search(area)


def _authorization(catalog: Catalog, token: str | None) -> dict[str, str]:
    if catalog.auth is None:
        return {}
    if token is None:
        raise CatalogError(
            f"{catalog.key} asks who searches, and there is no token.", remedy=f"Set EOPV_{catalog.auth.setting.upper()}."
        )
    return {catalog.auth.header: f"{catalog.auth.scheme} {token}".strip()}


def _at_most(name: str, limit: float | None, *, or_unknown: bool) -> dict[str, Any]:
    """CQL2 for a property that is at most ``limit``; where not every collection has it, also for one that is not there."""
    under = {"op": "<=", "args": [{"property": name}, limit]}
    return {"op": "or", "args": [under, {"op": "isNull", "args": [{"property": name}]}]} if or_unknown else under


def _announced(page: dict[str, Any]) -> int | None:
    """How many items a server says that it has found; only a number, since some write null or an estimate elsewhere."""
    context = page.get("context")
    number = page.get("numberMatched", context.get("matched") if isinstance(context, dict) else None)
    return number if isinstance(number, int) else None


def _with_datetime(value: Any) -> Any:
    """The item with the null ``datetime`` that STAC asks of a range of time; pgstac leaves out whatever is null."""
    properties = value.get("properties") if isinstance(value, dict) else None
    if (
        isinstance(properties, dict)
        and "datetime" not in properties
        and {"start_datetime", "end_datetime"} <= properties.keys()
    ):
        return {**value, "properties": {**properties, "datetime": None}}
    return value


def _address(value: Any) -> str | None:
    return self_link(value) if isinstance(value, dict) else None
