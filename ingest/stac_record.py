"""What every source of STAC items yields: a record that nobody has checked yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from ingest.stac_links import scrubbed, self_link, with_absolute_assets


@dataclass(frozen=True)
class Record:
    """An item as a catalog gave it, or what stood in its place.

    Attributes:
        source: URL without query, or file of the mirror, in which it was found.
        place: where in there (a line, say), for messages; empty where ``source`` says all.
        item: the JSON object, without signed URLs and with absolute assets; ``None`` where there is no JSON object.
        problem: why there is none.
        text: the beginning of what was there instead.
    """

    source: str
    place: str = ""
    item: dict[str, Any] | None = None
    problem: str = ""
    text: str = ""

    @classmethod
    def of(cls, value: Any, source: str, *, base: str | None = None, place: str = "", prefer_self: bool = True) -> Self:
        """A record of a parsed JSON value.

        Args:
            value: what was parsed; only a JSON object can be an item.
            source: as the attribute.
            base: what relative links are relative to: URL or absolute path of the document; ``source`` when omitted.
            place: as the attribute.
            prefer_self: take the item's own absolute address, where it gives one, for what its links are relative to.
        """
        if not isinstance(value, dict):
            return cls.unreadable(f"it is a JSON {type(value).__name__}, not an object", source, place=place, text=str(value))
        clean = scrubbed(value)
        address = (self_link(clean) if prefer_self else None) or base or source
        return cls(source, place, with_absolute_assets(clean, address))

    @classmethod
    def unreadable(cls, problem: str, source: str, *, place: str = "", text: str = "") -> Self:
        """A record of something that is no item."""
        return cls(source, place, None, problem, text[:2000])

    @property
    def where(self) -> str:
        """Source and place, for people."""
        return f"{self.source}{self.place}"


type Records = Iterator[Record]
