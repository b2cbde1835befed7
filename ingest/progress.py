"""What a progress display must offer; :class:`rich.progress.Progress` does."""

from __future__ import annotations

from typing import Any, Protocol


class Progress(Protocol):
    """A display of several running tasks, safe to use from threads."""

    def add_task(self, description: str, *, total: float | None) -> Any:
        """Show a new task of ``total`` bytes (``None``: not known yet); returns its id."""

    def update(self, task_id: Any, *, total: float | None = None, completed: float | None = None) -> None:
        """Set how many bytes there are, and how many of them are done."""


class Silent:
    """Shows nothing."""

    def add_task(self, description: str, *, total: float | None) -> None:
        """Accept a task."""

    def update(self, task_id: None, *, total: float | None = None, completed: float | None = None) -> None:
        """Accept an update."""
