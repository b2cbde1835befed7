"""JSON as STAC allows it: strict about numbers, clear about what is wrong."""

from __future__ import annotations

import json
from typing import Any


def parse(text: str | bytes) -> Any:
    """Parse one JSON value.

    Raises:
        ValueError: it is not JSON, or holds NaN or Infinity, which Python's parser lets pass and no database takes.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")
