"""A web server on loopback that serves a folder with byte ranges and conditions, and counts what it is asked for."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


class RangeServer:
    """Context manager; ``url`` is the folder.

    Args:
        folder: what is served.
        etags: give strong ETags, made of time and size.
        conditions: answer 412 where ``If-Match`` names another ETag, as RFC 9110 says; else ignore it.
    """

    def __init__(self, folder: Path, *, etags: bool = True, conditions: bool = True) -> None:
        self.folder, self.etags, self.conditions = folder, etags, conditions
        self.requests: list[tuple[str, dict[str, str]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> RangeServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        owner: RangeServer = self.server.owner
        owner.requests.append((self.path, dict(self.headers)))
        file = owner.folder / unquote(self.path).lstrip("/")
        if not file.is_file():
            self._send(404, {}, b"", body=body)
            return
        content, facts = file.read_bytes(), file.stat()
        etag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
        headers = {"ETag": etag} if owner.etags else {}
        headers["Last-Modified"] = self.date_time_string(facts.st_mtime)
        if owner.conditions and self.headers.get("If-Match", etag) != etag:
            self._send(412, {}, b"", body=body)
        elif asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            self._send(206, headers, content[start : end + 1], body=body)
        else:
            self._send(200, headers, content, body=body)

    def _send(self, status: int, headers: dict[str, str], content: bytes, *, body: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Keep the tests' output readable."""
