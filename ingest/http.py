"""HTTP GET as public repositories need it: patient, polite, and without secrets in what it says.

Retries with exponential backoff and jitter, ``Retry-After`` honoured, at most two connections a host in the whole process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from db.errors import AcquisitionError, RemoteError, RemoteNotFoundError

logger = logging.getLogger(__name__)

CONNECTIONS_PER_HOST = 2
MAX_REDIRECTS = 10
TRANSIENT_STATUSES = frozenset({429, 500, 502, 503, 504, 529})  # 529: "site is overloaded", as PVGIS says it
NOT_READY = 202
FAULTS = (httpx.TransportError, httpx.DecodingError)  # of the connection or of what came over it
USER_AGENT = "eo-pv-lakehouse"


@dataclass(frozen=True)
class RetryPolicy:
    """How patient a client is; all times in seconds.

    Attributes:
        attempts: how often one request is made at most.
        initial_s: wait before the second attempt; doubled for each one after it.
        max_s: longest wait between attempts, unless the server asks for more by ``Retry-After``.
        retry_after_cap_s: longest ``Retry-After`` that is honoured in full.
        connect_timeout_s: longest wait for a connection.
        read_timeout_s: longest silence of a server. A slow transfer that goes on is never cut.
    """

    attempts: int = 5
    initial_s: float = 1.0
    max_s: float = 60.0
    retry_after_cap_s: float = 120.0
    connect_timeout_s: float = 15.0
    read_timeout_s: float = 60.0


class TransientError(Exception):
    """Worth another attempt. Never leaves this package: ``error`` does when no attempts are left."""

    def __init__(self, error: AcquisitionError, *, retry_after_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after_s = retry_after_s


def public_url(url: str | httpx.URL) -> str:
    """A URL as it may be shown or stored: without user, password, query (signatures live there) and fragment."""
    return str(httpx.URL(url).copy_with(userinfo=b"", query=None, fragment=None))


def retry_after_s(value: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, given as seconds or as an HTTP date; ``None`` if absent or malformed."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


class _PublicUrls(logging.Filter):
    """httpx logs the whole URL of each request, signatures of redirects to object stores included."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(public_url(part) if isinstance(part, httpx.URL) else part for part in record.args)
        return True


logging.getLogger("httpx").addFilter(_PublicUrls())


class HttpClient:
    """GET with retries. Clients share their connections, so that the limit a host holds across threads and datasets."""

    # A pool a host, because the limit of an httpx pool counts all hosts together.
    _pools: dict[tuple[str, str, int | None], httpx.Client] = {}  # noqa: RUF012 - shared on purpose
    _pools_lock = threading.Lock()

    def __init__(self, retry: RetryPolicy | None = None) -> None:
        self.policy = retry or RetryPolicy()
        self._timeout = httpx.Timeout(
            self.policy.read_timeout_s, connect=self.policy.connect_timeout_s, pool=None
        )  # pool=None: waiting for one of the two connections is not a fault
        self._backoff = wait_exponential_jitter(
            multiplier=self.policy.initial_s, max=self.policy.max_s, jitter=self.policy.initial_s
        )

    @classmethod
    def _pool(cls, url: httpx.URL) -> httpx.Client:
        with cls._pools_lock:
            origin = (url.scheme, url.host, url.port)
            if origin not in cls._pools:
                limits = httpx.Limits(max_connections=CONNECTIONS_PER_HOST, max_keepalive_connections=CONNECTIONS_PER_HOST)
                cls._pools[origin] = httpx.Client(limits=limits, headers={"User-Agent": USER_AGENT})
            return cls._pools[origin]

    def _wait_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, TransientError) and error.retry_after_s is not None:
            return min(error.retry_after_s, self.policy.retry_after_cap_s)
        return self._backoff(state)

    def _log_wait(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0.0
        logger.warning("%s Attempt %d of %d in %.1f s.", error, state.attempt_number + 1, self.policy.attempts, wait_s)

    def retry[T](self, attempt: Callable[[], T]) -> T:
        """Call ``attempt`` until it no longer raises :class:`TransientError`, as often as the policy allows.

        Raises:
            AcquisitionError: the error of the last attempt, or the first one that is not transient.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self.policy.attempts),
            wait=self._wait_s,
            retry=retry_if_exception_type(TransientError),
            before_sleep=self._log_wait,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except TransientError as last:
            raise last.error from last.__cause__

    @contextmanager
    def stream(
        self, url: str, headers: Mapping[str, str] | None = None, accept: frozenset[int] = frozenset()
    ) -> Iterator[httpx.Response]:
        """One attempt at a GET, redirects followed; the body is not read yet.

        Args:
            url: what to get.
            headers: beside the client's own.
            accept: statuses that the caller handles itself, beside those of success.

        Raises:
            TransientError: no connection, silence, or a status that may pass; see :meth:`retry`.
            RemoteNotFoundError: 404 or 410.
            RemoteError: any other status that is not success.
        """
        try:
            response = self._send(url, headers or {})
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
            reason = str(error).rstrip(".")
            raise RemoteError(f"{_shown(url)} cannot be requested: {reason}.", remedy="Correct the URL.") from error
        except FAULTS as error:
            raise TransientError(unanswered(url, error)) from error
        try:
            if response.status_code not in accept:
                _raise_for_status(response)
            yield response
        except FAULTS as error:
            raise TransientError(unanswered(url, error)) from error
        finally:
            response.close()

    def _send(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        target = httpx.URL(url)
        request = self._pool(target).build_request("GET", target, headers=dict(headers), timeout=self._timeout)
        for _ in range(MAX_REDIRECTS + 1):
            response = self._pool(request.url).send(request, stream=True, follow_redirects=False)
            if response.next_request is None:
                return response
            response.close()
            # httpx has dropped credentials from it where the host changes
            request = response.next_request
        raise RemoteError(f"{public_url(url)} redirects more than {MAX_REDIRECTS} times.", status=response.status_code)

    def get(self, url: str, params: Mapping[str, str | int] | None = None) -> httpx.Response:
        """GET a small document (a listing, metadata) with retries; the body is read.

        Raises:
            RemoteError: as :meth:`stream`, after all retries.
        """
        full = str(httpx.URL(url).copy_merge_params(dict(params))) if params else url

        def attempt() -> httpx.Response:
            with self.stream(full) as response:
                response.read()
                return response

        return self.retry(attempt)


def unanswered(url: str, error: httpx.RequestError) -> RemoteError:
    """The error for a request that got no (complete) answer."""
    reason = (
        "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error).rstrip(".") or type(error).__name__
    )
    return RemoteError(f"{_shown(url)}: {reason}.", remedy="Check the network, or use --mirror or --offline.")


def _shown(url: str) -> str:
    try:
        return public_url(url)
    except httpx.InvalidURL:
        return "A malformed URL"  # it may hold anything, so it is not repeated


def _raise_for_status(response: httpx.Response) -> None:
    """Raise unless the answer is a complete success (200) or the rest of a file (206)."""
    status, where = response.status_code, public_url(response.url)
    if status in (200, 206):
        return
    if status in (404, 410):
        raise RemoteNotFoundError(
            f"{where} does not exist (HTTP {status}).",
            status=status,
            remedy="Check the record and version in the manifest; they may have been withdrawn.",
        )
    if status == NOT_READY:
        not_ready = RemoteError(
            f"{where} is not ready yet (HTTP 202).",
            status=status,
            remedy="Try again later: the repository is preparing the file.",
        )
        raise TransientError(not_ready, retry_after_s=retry_after_s(response.headers.get("Retry-After")))
    answer = f"HTTP {status} {response.reason_phrase}".rstrip()
    error = RemoteError(f"{where} answered {answer}.", status=status, remedy=_remedy(response))
    if status in TRANSIENT_STATUSES:
        raise TransientError(error, retry_after_s=retry_after_s(response.headers.get("Retry-After")))
    raise error


def _remedy(response: httpx.Response) -> str:
    if response.headers.get("X-RateLimit-Remaining") == "0":
        return "The hourly limit of anonymous requests is used up: try again in an hour, or use --mirror."
    if response.status_code in (401, 403):
        return "The file is not public, or the repository refuses programs: get it by hand and use --mirror."
    return "Try again later, or use --mirror."
