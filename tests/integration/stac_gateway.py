"""A gateway in front of a real STAC API server that fails when told to, and keeps the pages that the server gave.

It changes no answer: it stands for what lies between a server and its clients.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

import httpx
from stac_server import FaultyHandler, FaultyServer

# A server may close an idle connection just when it is used again: faults are only those that the test asks for
NO_REUSE = httpx.Limits(max_keepalive_connections=0)


@dataclass(frozen=True)
class Answer:
    """One page as the server gave it, whatever then became of it on its way."""

    method: str
    question: str  # body of a POST, path and query of a GET
    status: int
    ids: list[str]
    matched: int | None  # how many items it announces in all


class _GatewayHandler(FaultyHandler):
    stac: Gateway

    def do_GET(self) -> None:  # noqa: N802 (http.server's name)
        self._pass_on(None)

    def do_POST(self) -> None:  # noqa: N802 (http.server's name)
        self._pass_on(self.body())

    def _pass_on(self, body: bytes | None) -> None:
        if urlsplit(self.path).path == "/search":
            self.answer_search(lambda: self._page(body))
        else:
            status, answer = self._asked(body)
            self.send(status, self.stac.shown(answer) if self.path == "/" else answer)

    def _page(self, body: bytes | None) -> tuple[int, bytes]:
        status, answer = self._asked(body)
        page = json.loads(answer) if status == 200 else {"features": []}
        ids = [item["id"] for item in page["features"]]
        question = self.path if body is None else body.decode()
        self.stac.answers.append(Answer(self.command, question, status, ids, page.get("numberMatched")))
        return status, answer

    def _asked(self, body: bytes | None) -> tuple[int, bytes]:
        # The server makes its links of the host that it was asked by: they lead to the gateway
        headers = {"Host": self.headers["Host"], "Content-Type": "application/json"}
        answer = self.stac.client.request(self.command, self.stac.behind + self.path, content=body, headers=headers)
        return answer.status_code, answer.content


@dataclass(kw_only=True)
class Gateway(FaultyServer):
    """Passes requests on to the server whose landing page is ``behind``, and keeps the pages that it gives."""

    handler: ClassVar[type[FaultyHandler]] = _GatewayHandler
    behind: str
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60.0, limits=NO_REUSE))
    answers: list[Answer] = field(default_factory=list)
    hidden: tuple[str, ...] = ()  # conformance classes with such a word are kept from the client
    methods: tuple[str, ...] = ("GET", "POST")  # of the links to the search that are shown

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self.client.close()

    def shown(self, landing: bytes) -> bytes:
        """The landing page without what is hidden."""
        page = json.loads(landing)
        page["conformsTo"] = [name for name in page["conformsTo"] if not any(word in name for word in self.hidden)]
        page["links"] = [link for link in page["links"] if link["rel"] != "search" or link["method"] in self.methods]
        return json.dumps(page).encode()

    def pages(self) -> list[list[str]]:
        """Item ids of the pages given since the last call, without empty pages and those that were asked for again."""
        pages: dict[tuple[str, str], list[str]] = {}
        for answer in self.answers:
            assert pages.setdefault((answer.method, answer.question), answer.ids) == answer.ids, "one question, two answers"
        self.answers.clear()
        return [ids for ids in pages.values() if ids]
