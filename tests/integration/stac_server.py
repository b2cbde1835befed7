"""A STAC API on loopback that pages and searches as the specification says, and fails in between when told to.

It stands for the *behaviour of networks*, not for a real server's understanding of a query: that is tested with pgstac.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

import shapely

CORE = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
QUERY = "https://api.stacspec.org/v1.0.0/item-search#query"
CQL2 = [
    "https://api.stacspec.org/v1.0.0/item-search#filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
]


@dataclass
class Fault:
    """What happens to one search request instead of an answer."""

    status: int = 0  # 0: the connection is closed
    retry_after: str | None = None
    sent: float = 1.0  # with status 200: fraction of the body, then the connection is closed
    body: bytes | None = None  # with status 200: this instead of a page


@dataclass(kw_only=True)
class FaultyServer:
    """Context manager: a server on loopback whose answers to searches fail when told to; ``url`` is its root."""

    handler: ClassVar[type[FaultyHandler]]
    faults: deque[Fault | None] = field(default_factory=deque)  # one a search request, None: a good answer
    headers: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (self.handler,), {"stac": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class StacServer(FaultyServer):
    """A server of the given items; ``url`` is the landing page."""

    items: list[dict[str, Any]]
    conformance: list[str] = field(default_factory=lambda: [*CORE, QUERY, *CQL2])
    methods: tuple[str, ...] = ("GET", "POST")
    page: int = 3
    empty_pages: int = 0  # pages without an item between any two
    circle: bool = False  # the next link leads to the page itself
    obeys: bool = True  # whether query and filter are heeded
    matched: int | None = None  # what is announced, if not the truth
    next_host: str | None = None
    searches: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> Self:
        super().__enter__()
        self.url += "/v1"
        return self

    def landing(self) -> dict[str, Any]:
        search = [
            {"rel": "search", "type": "application/geo+json", "href": f"{self.url}/search", "method": method}
            for method in self.methods
        ]
        links = [{"rel": "self", "href": self.url}, {"rel": "root", "href": self.url}, *search]
        return {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "loopback",
            "description": "for tests",
            "conformsTo": self.conformance,
            "links": links,
        }

    def answer(self, question: dict[str, Any], method: str) -> dict[str, Any]:
        found = [item for item in self.items if self._matches(item, question)]
        limit = min(int(question.get("limit", 10)), self.page)
        # A token is place * (1 + empty pages) + number of the empty page
        stride = 1 + self.empty_pages
        token = int(question.get("token", 0))
        place, empty = divmod(token, stride)
        features = found[place * limit : (place + 1) * limit] if empty == 0 else []
        page: dict[str, Any] = {
            "type": "FeatureCollection",
            "features": features,
            "links": [],
            "numberMatched": len(found) if self.matched is None else self.matched,
        }
        if (place + 1) * limit < len(found):
            following = token if self.circle and token else token + 1
            host = self.next_host or self.url
            if method == "POST":
                page["links"] = [
                    {"rel": "next", "method": "POST", "href": f"{host}/search", "body": {**question, "token": following}}
                ]
            else:
                query = "&".join(f"{name}={value}" for name, value in {**question, "token": following}.items())
                page["links"] = [{"rel": "next", "href": f"{host}/search?{query}"}]
        return page

    def _matches(self, item: dict[str, Any], question: dict[str, Any]) -> bool:
        if item["collection"] not in question.get("collections", [item["collection"]]):
            return False
        place = question.get("intersects")
        if place and not shapely.geometry.shape(place).intersects(shapely.geometry.shape(item["geometry"])):
            return False
        if self.obeys and "query" in question:
            ((name, condition),) = question["query"].items()
            return item["properties"].get(name, 1e9) <= condition["lte"]
        return not (self.obeys and "filter" in question) or _cql2(question["filter"], item["properties"])


def _cql2(expression: Any, properties: dict[str, Any]) -> Any:
    """The few operators that the tests use."""
    if not isinstance(expression, dict):
        return expression
    if "property" in expression:
        return properties.get(expression["property"])
    arguments = [_cql2(part, properties) for part in expression["args"]]
    match expression["op"]:
        case "and":
            return all(arguments)
        case "or":
            return any(arguments)
        case "isNull":
            return arguments[0] is None
        case "<=":
            return arguments[0] is not None and arguments[0] <= arguments[1]
        case "=":
            return arguments[0] == arguments[1]
    raise AssertionError(expression)


class FaultyHandler(BaseHTTPRequestHandler):
    """Answers of a :class:`FaultyServer`."""

    protocol_version = "HTTP/1.1"
    stac: FaultyServer

    def answer_search(self, answer: Callable[[], tuple[int, bytes]]) -> None:
        """Answer a search, or do what the next fault says in place of it, or to it."""
        self.stac.headers.append(dict(self.headers))
        fault = self.stac.faults.popleft() if self.stac.faults else None
        if fault is not None and fault.status == 0:
            self.close_connection = True
        elif fault is not None and fault.status != 200:
            headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            self.send(fault.status, b'{"code": "x", "description": "told to fail."}', headers)
        else:
            status, body = answer()
            if fault is not None and fault.body is not None:
                body = fault.body
            self.send(status, body, sent=1.0 if fault is None else fault.sent)

    def body(self) -> bytes:
        """What came with a POST."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None, sent: float = 1.0) -> None:
        """Send an answer, or its beginning."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: int(len(body) * sent)])
        if sent < 1.0:
            self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        """Keep the tests' output readable."""


class _Handler(FaultyHandler):
    stac: StacServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/v1":
            self.send(200, json.dumps(self.stac.landing()).encode())
        elif parts.path == "/v1/search":
            question: dict[str, Any] = dict(parse_qsl(parts.query))
            if "collections" in question:
                question["collections"] = question["collections"].split(",")
            if "intersects" in question:
                question["intersects"] = json.loads(question["intersects"])
            self._search(question, "GET")
        else:
            self.send(404, b"{}")

    def do_POST(self) -> None:
        self._search(json.loads(self.body()), "POST")

    def _search(self, question: dict[str, Any], method: str) -> None:
        self.stac.searches.append(question)
        self.answer_search(lambda: (200, json.dumps(self.stac.answer(question, method)).encode()))


StacServer.handler = _Handler
