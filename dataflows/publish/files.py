"""Files that appear when they are complete."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from db.errors import PublishError


@contextmanager
def written_whole(target: Path, suffix: str = "") -> Iterator[Path]:
    """A path to write to instead of ``target``, which takes its place at the end; nothing is left of a failure.

    The path lies in a folder of its own beside the target, because GDAL's drivers put working files (tiles, journals) next to
    it.

    Args:
        target: the file, replaced at once or not at all.
        suffix: that the path is to have, whatever the target is called: some drivers make a folder of what lacks theirs.

    Raises:
        PublishError: there is no such folder, or the target is one.
    """
    if not target.parent.is_dir():
        raise PublishError(f"There is no folder {target.parent}.", remedy="Make it, or write elsewhere with -o.")
    if target.is_dir():
        raise PublishError(f"{target} is a folder.", remedy="Name a file with -o.")
    folder = target.parent / f".{target.name}.{uuid4().hex}.part"
    folder.mkdir()
    try:
        part = folder / f"part{suffix}"
        yield part
        part.replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(target: Path, text: str) -> Path:
    """Write UTF-8 text; see :func:`written_whole`."""
    with written_whole(target) as part:
        part.write_text(text, encoding="utf-8")
    return target
