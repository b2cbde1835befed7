"""What is said about URLs, and how long a server's wish is."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from ingest.http import public_url, retry_after_s


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@example.org/a/b.zip?X-Amz-Signature=secret#part", "https://example.org/a/b.zip"),
        ("https://token@example.org:8443/", "https://example.org:8443/"),
        ("http://example.org/a%20b.csv", "http://example.org/a%20b.csv"),
    ],
)
def test_public_url_keeps_no_secret(url: str, shown: str) -> None:
    assert public_url(url) == shown
    assert public_url(httpx.URL(url)) == shown


def test_httpx_does_not_log_signatures(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="httpx")
    transport = httpx.MockTransport(lambda request: httpx.Response(204))  # httpx's own logging is what is tested
    with httpx.Client(transport=transport) as client:
        client.get("https://user:hunter2@example.org/a.zip?signature=hunter2")
    assert "https://example.org/a.zip" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("value", "seconds"), [("0", 0.0), ("120", 120.0), (None, None), ("soon", None), ("-5", None), ("", None)]
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value) == seconds


@pytest.mark.parametrize("offset_s", [90, -90])
def test_retry_after_as_a_date(offset_s: int) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=offset_s), usegmt=True)
    assert retry_after_s(date) == pytest.approx(max(0, offset_s), abs=2)
