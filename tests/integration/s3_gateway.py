"""A gateway in front of a real S3 server that refuses requests on demand, and hands on all others as they came."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class S3Gateway:
    """``refuse(method, path)`` gives the status to answer with, or ``None`` to hand the request on.

    Headers, ``Host`` included, are handed on as they are: the client's signature covers them.
    """

    def __init__(self, endpoint: str, refuse: Callable[[str, str], int | None]) -> None:
        self.behind = endpoint.rpartition("//")[2]
        self.refuse = refuse
        self.refused: list[str] = []
        self.sent_bytes = 0  # of bodies handed back to the client
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> S3Gateway:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(gateway: S3Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status = gateway.refuse(self.command, self.path)
            if status is not None:
                gateway.refused.append(f"{self.command} {self.path}")
                return self.answer(status, {}, b"<Error><Code>Refused</Code></Error>")
            connection = http.client.HTTPConnection(gateway.behind, timeout=30)
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            content = response.read()
            gateway.sent_bytes += len(content)
            headers = {name: value for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP}
            length = response.getheader("Content-Length") if self.command == "HEAD" else None
            connection.close()
            return self.answer(response.status, headers, content, length)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815

        def answer(self, status: int, headers: dict[str, str], body: bytes, length: str | None = None) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
