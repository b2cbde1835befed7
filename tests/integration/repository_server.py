"""A real HTTP server on loopback that speaks the repositories' APIs and misbehaves on demand."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123456\n"
PIECES = 8


@dataclass
class Answer:
    """What the server does with one GET of a published file. The default is to serve it as a good server does."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None  # None: the published bytes
    send: float = 1.0  # fraction of the body after which the connection is closed, though Content-Length says more
    pause_s: float = 0.0  # between the pieces of the body
    stall_s: float = 0.0  # silence after the fraction, before closing
    ranges: bool = True
    etag: str | None = None
    gzip: bool = False  # compress on the way, whatever the client accepts


@dataclass
class Published:
    content: bytes
    answers: list[Answer]  # one a request; the last one is repeated


@dataclass(frozen=True)
class Request:
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    time: float


class RepositoryServer:
    """Context manager; ``url`` is the base of everything."""

    def __init__(self, mirror: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.files: dict[str, Published] = {}
        self.documents: dict[str, Callable[[dict[str, list[str]]], Any]] = {}
        self.responders: dict[str, Callable[[dict[str, list[str]]], Answer]] = {}
        self._server = _CountingServer(("127.0.0.1", 0), functools.partial(_Handler, directory=str(mirror or "/nonexistent")))
        self._server.repository = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.endpoints = {kind: f"{self.url}/{kind}" for kind in ("zenodo", "figshare", "sciencebase", "github")}

    def __enter__(self) -> RepositoryServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def most_connections(self) -> int:
        return self._server.most

    def hits(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def publish(self, path: str, content: bytes, *answers: Answer) -> str:
        """Serve a file under ``/files/<path>``; returns its URL."""
        self.files[f"/files/{path}"] = Published(content, list(answers) or [Answer()])
        return f"{self.url}/files/{path}"

    def document(self, path: str, answer: Any) -> None:
        """Serve a JSON document, or what a function of the query returns."""
        self.documents[path] = answer if callable(answer) else lambda query: answer

    def respond(self, path: str, answer: Callable[[dict[str, list[str]]], Answer]) -> str:
        """Answer what a function of the query says; returns the URL."""
        self.responders[path] = answer
        return f"{self.url}{path}"

    def zenodo(
        self, record: int, names: Iterable[str], *, shape: str = "legacy", checksums: dict[str, str] | None = None
    ) -> None:
        """A record whose files have been published; ``shape`` is legacy, entries or listing (InvenioRDM's two)."""

        def entry(name: str) -> dict[str, Any]:
            content = self.files[f"/files/{name}"].content
            url = f"{self.url}/files/{name}"
            links = {"self": url} if shape == "legacy" else {"self": f"{self.url}/metadata/{name}", "content": url}
            checksum = (checksums or {}).get(name, md5(content))
            return {"key": name, "size": len(content), "checksum": f"md5:{checksum}", "links": links}

        entries = [entry(name) for name in names]
        files: Any = entries
        if shape == "entries":
            files = {"enabled": True, "count": len(entries), "entries": {item["key"]: item for item in entries}}
        elif shape == "listing":
            files = {"enabled": True}
            self.document(f"/zenodo/records/{record}/files", {"enabled": True, "entries": entries})
        self.document(f"/zenodo/records/{record}", {"id": record, "metadata": {"title": "t"}, "files": files})

    def figshare(self, article: int, names: Iterable[str], *, version: int | None = None) -> None:
        """An article whose own answer lists 10 files at most, as figshare's does."""
        items = [
            {
                "id": number,
                "name": name,
                "size": len(self.files[f"/files/{name}"].content),
                "is_link_only": False,
                "supplied_md5": "",
                "computed_md5": md5(self.files[f"/files/{name}"].content),
                "download_url": f"{self.url}/files/{name}",
            }
            for number, name in enumerate(names)
        ]
        path = f"/figshare/articles/{article}" + (f"/versions/{version}" if version else "")

        def page(query: dict[str, list[str]]) -> list[dict[str, Any]]:
            size, number = int(query.get("page_size", ["10"])[0]), int(query.get("page", ["1"])[0])
            return items[(number - 1) * size : number * size]

        self.document(path, {"id": article, "title": "t", "files": items[:10]})
        self.document(f"{path}/files", page)

    def sciencebase(self, item: str, names: Iterable[str]) -> None:
        """An item; the file's URL differs from others by its query only, as ScienceBase's do."""
        files = []
        for name in names:
            content = self.files[f"/files/{name}"].content
            checksum = {"type": "MD5", "value": md5(content)}
            url = f"{self.url}/files/{name}?f=__disk__secret"
            files.append({"name": name, "size": len(content), "checksum": checksum, "url": url, "downloadUri": url})
        answer = {"id": item, "files": files[:1], "facets": [{"name": "f", "files": files[1:]}]}
        self.document(f"/sciencebase/item/{item}", lambda query: answer if query.get("format") == ["json"] else [])

    def github(self, repo: str, names: Iterable[str], *, ref: str) -> None:
        """A repository whose files have been published."""
        tree: dict[str, dict[str, dict[str, Any]]] = {"": {}}
        for name in names:
            parts = name.split("/")
            for depth in range(1, len(parts)):
                folder, parent = "/".join(parts[:depth]), "/".join(parts[: depth - 1])
                tree.setdefault(folder, {})
                tree[parent][folder] = {"type": "dir", "path": folder, "size": 0, "download_url": None}
            size = len(self.files[f"/files/{name}"].content)
            entry = {"type": "file", "path": name, "size": size, "download_url": f"{self.url}/files/{name}"}
            tree["/".join(parts[:-1])][name] = entry
        for folder, entries in tree.items():
            listing = list(entries.values())
            self.document(
                f"/github/repos/{repo}/contents/{folder}",
                lambda query, listing=listing: listing if query.get("ref") == [ref] else None,
            )


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class _CountingServer(ThreadingHTTPServer):
    """Knows how many connections were open at once."""

    daemon_threads = True
    repository: RepositoryServer

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._lock = threading.Lock()
        self.open = self.most = 0
        self.served: Counter[str] = Counter()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self.open += 1
            self.most = max(self.most, self.open)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._lock:
            self.open -= 1

    def next_answer(self, path: str, published: Published) -> Answer:
        with self._lock:
            number = self.served[path]
            self.served[path] += 1
        return published.answers[min(number, len(published.answers) - 1)]


class _Handler(SimpleHTTPRequestHandler):
    """``/mirror/`` is the standard library's own file server with its folder pages; the rest is as documented above."""

    protocol_version = "HTTP/1.1"
    server: _CountingServer

    def do_GET(self) -> None:
        parts, repository = urlsplit(self.path), self.server.repository
        query = parse_qs(parts.query)
        repository.requests.append(Request(parts.path, query, dict(self.headers), time.monotonic()))
        if parts.path.startswith("/mirror/"):
            self.path = parts.path.removeprefix("/mirror")
            super().do_GET()
        elif parts.path in repository.responders:
            answer = repository.responders[parts.path](query)
            self._serve(Published(answer.body or b"", []), answer)
        elif parts.path in repository.files:
            published = repository.files[parts.path]
            self._serve(published, self.server.next_answer(parts.path, published))
        else:
            document = repository.documents.get(parts.path, lambda query: None)(query)
            body = json.dumps(document).encode()
            self._start(404 if document is None else 200, {"Content-Type": "application/json"}, len(body))
            self.wfile.write(body)

    def _start(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()

    def _serve(self, published: Published, answer: Answer) -> None:
        if answer.status == 0:  # hang up without a word
            self.close_connection = True
            return
        if answer.status != 200:
            body = answer.body or b""
            self._start(answer.status, answer.headers, len(body))
            self.wfile.write(body)
            return
        body = published.content if answer.body is None else answer.body
        etag = answer.etag or f'"{md5(published.content)}"'
        status, headers = 200, {"ETag": etag, **answer.headers}
        wanted = self.headers.get("Range", "")
        if answer.ranges and wanted and self.headers.get("If-Range", etag) == etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            status, headers["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
            body = body[start:]
        if answer.gzip:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        self._start(status, headers, len(body))
        end = int(len(body) * answer.send)
        step = max(1, -(-end // PIECES))
        for start in range(0, end, step):
            self.wfile.write(body[start : min(end, start + step)])
            time.sleep(answer.pause_s)
        if answer.send < 1.0:
            time.sleep(answer.stall_s)
            self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        """Keep the tests' output readable."""
