"""Which invocation of the ingestion it is, and of which code: part of every landing."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One invocation of the ingestion; two runs with equal values land equal rows."""

    run_id: str
    started_at: datetime
    author: str

    @classmethod
    def start(cls, author: str = "eopv") -> Run:
        """A new run, now."""
        return cls(uuid.uuid4().hex, datetime.now(UTC), author)


def code_version() -> str:
    """Identity of the code that lands tables: Hamilton's keys do not see what a node calls, so everything here counts."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
