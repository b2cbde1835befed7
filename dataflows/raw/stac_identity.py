"""The identity of an item's content: a hash that sees what the publisher says, and not how it was written down."""

from __future__ import annotations

import hashlib
import json
from typing import Any

# Ways to other documents change with the server that is asked; these say something of the item itself
STABLE_RELATIONS = frozenset({"canonical", "cite-as", "derived_from", "license", "via"})


def item_sha256(item: dict[str, Any]) -> str:
    """sha256 (hex) of an item's canonical JSON.

    Canonical in the manner of RFC 8785: keys sorted, no white space, ``1.0`` written as ``1``. Null is as good as absent
    (Parquet knows no difference). Of the links only those of :data:`STABLE_RELATIONS` count, in no order; ``stac_version`` and
    ``stac_extensions`` do not count, because a migration changes them.

    Args:
        item: migrated, with absolute and unsigned links.
    """
    content = {key: value for key, value in item.items() if key not in ("links", "stac_version", "stac_extensions")}
    links = item.get("links")
    kept = [link for link in links or [] if isinstance(link, dict) and link.get("rel") in STABLE_RELATIONS]
    if kept:
        content["links"] = sorted(canonical_json(link) for link in kept)
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """Canonical text of a JSON value: equal for values that are equal as JSON."""
    return json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(part) for key, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_canonical(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
