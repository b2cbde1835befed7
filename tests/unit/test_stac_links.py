"""Links as they may be stored: no signature, token or user survives, and every asset's is absolute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.stac_links import is_signed, scrubbed, self_link, unsigned, with_absolute_assets

SECRET = "hunter2"
SIGNED = [
    f"https://account.blob.core.windows.net/c/B04.tif?st=2024-01-01&se=2024-01-02&sp=rl&sv=2021-06-08&sr=c&sig={SECRET}",
    f"https://bucket.s3.amazonaws.com/B04.tif?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={SECRET}",
    f"https://bucket.s3.amazonaws.com/B04.tif?AWSAccessKeyId=me&Expires=1&Signature={SECRET}",
    f"https://storage.googleapis.com/b/B04.tif?X-Goog-Signature={SECRET}",
    f"https://example.org/B04.tif?access_token={SECRET}",
    f"https://example.org/B04.tif?API_KEY={SECRET}#part",
    f"https://me:{SECRET}@example.org/B04.tif",
    f"s3://bucket/B04.tif?token={SECRET}",
]
PLAIN = [
    "https://planetarycomputer.microsoft.com/api/data/v1/item/preview.png?collection=naip&item=x&assets=image",
    "https://example.org/B04.tif",
    "s3://bucket/a b/B04.tif",
    "./B04.tif?sig=no-url",
    "a text with https://inside?sig=1",
]


@pytest.mark.parametrize("url", SIGNED)
def test_a_signed_url_loses_all_that_signs_it(url: str) -> None:
    assert is_signed(url)
    assert unsigned(url) in (url.partition("?")[0], "https://example.org/B04.tif")
    assert SECRET not in unsigned(url)


@pytest.mark.parametrize("url", PLAIN)
def test_other_texts_stay_as_they_are(url: str) -> None:
    assert unsigned(url) == url


@given(st.text())
def test_unsigned_takes_any_text_and_is_stable(text: str) -> None:
    for url in (text, f"https://{text}", f"https://example.org/?{text}"):
        assert unsigned(unsigned(url)) == unsigned(url)


@pytest.mark.parametrize("url", SIGNED)
def test_urls_are_scrubbed_however_deep_they_stand(url: str) -> None:
    item = {
        "assets": {"a": {"href": url, "alternate": {"s3": {"href": [url]}}}},
        "links": [{"href": url}],
        "n": [1, None, True],
    }
    assert SECRET not in str(scrubbed(item))
    assert scrubbed(item)["n"] == [1, None, True]


@pytest.mark.parametrize(
    ("href", "base", "absolute"),
    [
        ("./B04.tif", "https://example.org/a/item.json", "https://example.org/a/B04.tif"),
        ("../B04.tif", "https://example.org/a/b/item.json", "https://example.org/a/B04.tif"),
        ("B04.tif", "/mirror/stac/items.ndjson", "/mirror/stac/B04.tif"),
        ("../data/B04.tif", "/mirror/stac/items.ndjson", "/mirror/data/B04.tif"),
        ("/vsis3/bucket/B04.tif", "/mirror/stac/items.ndjson", "/vsis3/bucket/B04.tif"),
        ("s3://bucket/B04.tif", "https://example.org/item.json", "s3://bucket/B04.tif"),
    ],
)
def test_assets_become_absolute(href: str, base: str, absolute: str) -> None:
    item = with_absolute_assets({"assets": {"a": {"href": href, "title": "T"}, "broken": {"title": "no href"}, "odd": 3}}, base)
    assert item["assets"]["a"] == {"href": absolute, "title": "T"}
    assert (item["assets"]["broken"], item["assets"]["odd"]) == ({"title": "no href"}, 3)


def test_the_own_address_is_absolute_or_none() -> None:
    assert self_link({"links": [{"rel": "self", "href": "https://example.org/i?sig=1#x"}]}) == "https://example.org/i"
    assert self_link({"links": [{"rel": "self", "href": "./i.json"}]}) is None
    assert [self_link(item) for item in ({}, {"links": None}, {"links": [None, {"rel": "self"}]})] == [None] * 3
