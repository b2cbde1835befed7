"""Which of the files that are there belong to a dataset."""

from __future__ import annotations

from collections.abc import Iterable

from db.errors import MissingCompanionError, NoFileMatchedError
from ingest.manifest import FileFilter

SHAPEFILE_REQUIRED = (".shx", ".dbf")
SHAPEFILE_COMPANIONS = frozenset(
    {*SHAPEFILE_REQUIRED, ".prj", ".cpg", ".cst", ".qpj", ".shp.xml", ".qix", ".sbn", ".sbx", ".fbn", ".fbx", ".ain", ".aih"}
    | {".ixs", ".mxs", ".atx", ".idm", ".ind"}
)
LISTED = 40


def select(names: Iterable[str], wanted: FileFilter) -> list[str]:
    """Names that ``wanted`` accepts, sorted, each ``.shp`` with its companions; empty when nothing is accepted.

    Hidden files are left out: archives made on macOS hold a ``._x.shp`` beside each ``x.shp`` that is not a shapefile.

    Raises:
        MissingCompanionError: a selected ``.shp`` has no ``.shx`` or no ``.dbf`` beside it.
    """
    visible = [name for name in names if not _hidden(name)]
    accepted = {name for name in visible if wanted.accepts(name)}
    # keys are (path without extensions, lower-case extension): publishers mix .CPG and .cpg
    stems = {name[: -len(".shp")] for name in accepted if name.lower().endswith(".shp")}
    companions: dict[str, set[str]] = {stem: set() for stem in stems}
    for name in visible:
        for extension in SHAPEFILE_COMPANIONS:
            stem = name[: -len(extension)]
            if name.lower().endswith(extension) and stem in stems:
                accepted.add(name)
                companions[stem].add(extension)
    for stem, found in sorted(companions.items()):
        missing = [f"{stem}{extension}" for extension in SHAPEFILE_REQUIRED if extension not in found]
        if missing:
            raise MissingCompanionError(
                f"Shapefile {stem}.shp lacks {' and '.join(missing)}.",
                remedy="Add the file beside it; without it there are no attributes.",
            )
    return sorted(accepted)


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def nothing_matched(wanted: FileFilter, names: Iterable[str], where: str) -> NoFileMatchedError:
    """The error for a filter that accepts none of ``names``; lists what was there."""
    there = sorted(names)
    shown = ", ".join(there[:LISTED]) + (f" and {len(there) - LISTED} more" if len(there) > LISTED else "")
    patterns = f"include {list(wanted.include)}" + (f" exclude {list(wanted.exclude)}" if wanted.exclude else "")
    return NoFileMatchedError(
        f"No file of {where} matches {patterns}{' (regex)' if wanted.regex else ''}. There: {shown or 'nothing'}.",
        remedy="Correct the patterns in the manifest, or put the file there.",
    )
