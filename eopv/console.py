"""What every verb shares: consoles, machine output, error lines and exit codes."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

# Results go to standard output; progress, log lines and errors to standard error, so that pipes stay clean
# A pipe has no width: lines are not folded there
PIPE_WIDTH = 240
out = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, width=None if sys.stderr.isatty() else PIPE_WIDTH)


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTLY = 3


def exit_code(statuses: Iterable[str]) -> Exit:
    """Exit code of an ingestion by the status of each of its parts: ``landed``, ``unchanged``, ``absent`` or ``failed``."""
    statuses = list(statuses)
    landed = any(status in ("landed", "unchanged") for status in statuses)
    if "failed" not in statuses:
        return Exit.OK if landed else Exit.FAILED
    return Exit.PARTLY if landed else Exit.FAILED


def download_bars() -> Progress:
    """Bars of downloads on standard error; they go away when all is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=err, transient=True)


def print_failures(errors: Iterable[tuple[str, str | None, str | None]]) -> None:
    """A line on standard error for each key that failed: the error's kind, the key, what it says."""
    for key, kind, text in errors:
        if kind is not None:
            err.print(f"[bold red]{kind}[/] {escape(f'{key}: {text}')}", soft_wrap=True, highlight=False)


def configure_logging(*, verbose: bool, debug: bool) -> None:
    """Send log lines to standard error: warnings, with ``verbose`` also what happens, with ``debug`` everything of ours."""
    handler = RichHandler(console=err, show_path=debug, show_time=debug, rich_tracebacks=debug)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("db", "ingest", "dataflows", "eopv"):
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING)


def write_json(value: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, default=_plain, indent=2, ensure_ascii=False) + "\n")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)


def table(rows: Iterable[Mapping[str, Any]], *, title: str | None = None, numeric: frozenset[str] = frozenset()) -> Table:
    """A table of rows with the same keys; columns in ``numeric`` are right-aligned. Brackets in texts are no markup."""
    rows = list(rows)
    view = Table(title=None if title is None else escape(title), title_justify="left", header_style="bold", pad_edge=False)
    for name in rows[0] if rows else ():
        view.add_column(escape(name), justify="right" if name in numeric else "left", overflow="fold")
    for row in rows:
        view.add_row(*(escape(cell(value)) for value in row.values()))
    return view


def cell(value: object) -> str:
    """A value as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return str(value)
