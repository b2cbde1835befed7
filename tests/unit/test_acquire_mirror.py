"""Folder pages of the common web servers, as they write them."""

from __future__ import annotations

import pytest

from ingest.mirror import links_below

PYTHON = """<!DOCTYPE HTML><html lang="en"><head><title>Directory listing for /m/demo/</title></head><body>
<h1>Directory listing for /m/demo/</h1><hr><ul>
<li><a href="a%20b.csv">a b.csv</a></li>
<li><a href="sub/">sub/</a></li>
</ul><hr></body></html>"""
NGINX = """<html><head><title>Index of /m/demo/</title></head><body><h1>Index of /m/demo/</h1><hr><pre><a href="../">../</a>
<a href="sub/">sub/</a>                    01-Nov-2026 10:00       -
<a href="a%20b.csv">a b.csv</a>            01-Nov-2026 10:00      12
</pre><hr></body></html>"""
APACHE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html><head><title>Index of /m/demo</title></head><body><table>
<tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
<tr><td><a href="/m/">Parent Directory</a></td></tr>
<tr><td><A HREF="sub/">sub/</A></td></tr>
<tr><td><a href="/m/demo/a%20b.csv">a b.csv</a></td></tr>
</table><address>Apache/2.4 at <a href="https://httpd.apache.org/">httpd</a></address></body></html>"""
BASE = "http://user:pw@127.0.0.1:8000/m/demo/"


@pytest.mark.parametrize("page", [PYTHON, NGINX, APACHE], ids=["python", "nginx", "apache"])
def test_entries_of_a_folder_page(page: str) -> None:
    assert set(links_below(page, BASE)) == {f"{BASE}a%20b.csv", f"{BASE}sub/"}


@pytest.mark.parametrize(
    "href",
    [
        "../",
        "/",
        "..",
        "../other/",
        "%2e%2e/up.csv",
        "a/%2e%2e/%2e%2e/up.csv",
        "#top",
        "?C=N",
        "mailto:a@b.c",
        "http://b.org/m/demo/x",
    ],
)
def test_links_that_lead_elsewhere_are_not_followed(href: str) -> None:
    assert list(links_below(f'<a href="{href}">x</a>', BASE)) == []
