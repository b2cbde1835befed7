"""Where measurements are printed and stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

FOLDER = Path(__file__).resolve().parent
CACHE = FOLDER / ".cache"
RESULTS = FOLDER / "results"
MIB = 2**20


def console() -> Console:
    """A console that is wide enough for the tables where it is not a terminal, which has a width of its own."""
    out = Console()
    return out if out.is_terminal else Console(width=160)


def store(document: dict[str, Any], path: Path, out: Console) -> None:
    """Write a measurement as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    out.print(f"Written to {path}")
