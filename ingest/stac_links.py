"""Links of STAC documents as they may be stored: absolute, and without signatures."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pystac.utils import make_absolute_href

_WITH_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)

# Query parameters that sign a URL or say who asks: Azure SAS (sig, beside se, sp, sv …), AWS, Google, CloudFront, tokens
_SIGNING = frozenset(
    {"sig", "signature", "awsaccesskeyid", "googleaccessid", "key-pair-id", "policy", "token", "access_token", "sas_token"}
    | {"sas", "apikey", "api_key", "api-key", "subscription-key", "key", "password", "credential"}
)
_SIGNING_PREFIXES = ("x-amz-", "x-goog-", "x-ms-", "x-oss-")


def is_signed(url: str) -> bool:
    """Whether a URL carries a signature, a token, or a user."""
    parts = urlsplit(url)
    names = (name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    return "@" in parts.netloc or any(name in _SIGNING or name.startswith(_SIGNING_PREFIXES) for name in names)


def unsigned(url: str) -> str:
    """A URL without user, password and signature.

    The whole query goes where one of its parameters signs, because signatures cover their neighbours; a query that only says
    what is asked for (``?collection=…&item=…``) stays.
    """
    if not _WITH_SCHEME.match(url):
        return url
    try:
        if not is_signed(url):
            return url
        parts = urlsplit(url)
    except ValueError:  # 'http://[' and the like: nothing could be requested with it
        return url.partition("?")[0]
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def scrubbed(value: Any) -> Any:
    """A JSON value with every URL in it, however deep, made :func:`unsigned`."""
    if isinstance(value, str):
        return unsigned(value)
    if isinstance(value, dict):
        return {key: scrubbed(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [scrubbed(part) for part in value]
    return value


def self_link(item: dict[str, Any]) -> str | None:
    """The absolute URL that an item gives as its own, without query; ``None`` where it gives none."""
    links = item.get("links")
    for link in links if isinstance(links, list) else []:
        href = link.get("href") if isinstance(link, dict) and link.get("rel") == "self" else None
        if isinstance(href, str) and _WITH_SCHEME.match(href):
            return href.partition("?")[0].partition("#")[0]
    return None


def with_absolute_assets(item: dict[str, Any], base: str) -> dict[str, Any]:
    """The item with each relative ``href`` of its assets made absolute; what is malformed stays as it is.

    Args:
        item: a STAC item of any version.
        base: URL, or absolute path, of the document that the item stands in.
    """
    assets = item.get("assets")
    if not isinstance(assets, dict):
        return item

    def absolute(asset: Any) -> Any:
        href = asset.get("href") if isinstance(asset, dict) else None
        if not isinstance(href, str) or not href or _WITH_SCHEME.match(href) or href.startswith("/vsi"):
            return asset
        return {**asset, "href": make_absolute_href(href, base)}

    return {**item, "assets": {key: absolute(asset) for key, asset in assets.items()}}
