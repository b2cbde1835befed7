"""``eopv cube``: datacubes of installations: built, listed, opened, drawn; further verbs stand in ``eopv.cube_*``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from db import settings
from eopv import cube_chunks, cube_history, cube_region
from eopv.console import Exit, err, out, table, write_json

if TYPE_CHECKING:
    from dataflows.cubes.building import CubesBuild, Part, Watcher

app = typer.Typer(no_args_is_help=True, help="Datacubes: virtual references, chips of installations, regions.")


class Resampling(StrEnum):
    """How bands of chips on another grid are brought onto the chips'."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"


class Only(StrEnum):
    """Parts of a build."""

    VIRTUAL = "virtual"
    CHIPS = "chips"
    SERIES = "series"


class Verify(StrEnum):
    """Which files are compared with their items' checksums."""

    NEVER = "never"
    LOCAL = "local"
    ALWAYS = "always"


Cube = cube_history.Cube
AsOfOption = cube_history.AsOfOption
JsonOption = cube_history.JsonOption
MONTH = ["%Y-%m", "%Y-%m-%d"]
CollectionOption = Annotated[list[str] | None, typer.Option("--collection", help="Only this collection; may be given again.")]
FromOption = Annotated[datetime | None, typer.Option("--from", formats=MONTH, help="First month.")]
ToOption = Annotated[datetime | None, typer.Option("--to", formats=MONTH, help="Last month.")]
BandsOption = Annotated[str | None, typer.Option(help="Common names, by commas: red,nir (default: what a collection has).")]
SizeOption = Annotated[int | None, typer.Option(min=8, max=2048, help="Pixels along an edge of a chip (default: 128).")]
InstallationOption = Annotated[
    list[str] | None, typer.Option("--installation", help="Chips of this installation_id only; may be given again.")
]
ResamplingOption = Annotated[
    Resampling | None, typer.Option(help="Of bands on another grid than the chips' (default: what a group has, else nearest).")
]
OnlyOption = Annotated[list[Only] | None, typer.Option("--only", help="Only this part; may be given again.")]
VerifyOption = Annotated[
    Verify, typer.Option(help="Which files are compared whole with the checksums that their items state, before they are used.")
]
NUMBERS = frozenset(
    {"dates", "rasters", "chips", "new chips", "installations", "scenes", "written", "missing", "tiles", "arrays"}
)


BUILD = """
Bring virtual cubes, chips and their time series up to the scenes that 'eopv build' chose.

Each repository gets one commit, or none where nothing is new; an interrupted build of chips goes on where it was.

Exit code 0: all there; 3: for some chips and months no scene could be used; see standard error.
"""
APPEND = """
Add new scenes and installations; a chip that has a scene of a month keeps it, even where a better one is chosen now.

Otherwise like 'eopv cube build'.
"""


def _builder(*, only_new: bool) -> Callable[..., None]:
    """A verb that builds; both have the same options."""

    def verb(
        collection: CollectionOption = None,
        first: FromOption = None,
        last: ToOption = None,
        bands: BandsOption = None,
        size: SizeOption = None,
        installation: InstallationOption = None,
        resampling: ResamplingOption = None,
        only: OnlyOption = None,
        verify: VerifyOption = Verify.LOCAL,
        as_json: JsonOption = False,
    ) -> None:
        from dataflows.cubes.building import Part, Wanted, build_cubes  # the imagery stack takes a second to import
        from dataflows.cubes.rasters.access import Access
        from dataflows.cubes.rasters.access import Verify as Verified

        lake = settings()
        access = Access.of(lake, verify=Verified(verify))

        wanted = Wanted(
            tuple(collection or ()),
            _day(first),
            _day(last),
            tuple(name.strip() for name in (bands or "").split(",") if name.strip()),
            size,
            tuple(installation or ()),
            resampling,
        )
        parts = tuple(Part(part) for part in only or Part)
        with _watched(len(parts)) as watcher:
            done = build_cubes(lake, wanted, parts=parts, only_new=only_new, access=access, watcher=watcher)
        if as_json:
            write_json(done)
        else:
            _show(done)
        lost = done.chips is not None and any(group.missing for group in done.chips.groups)
        raise typer.Exit(Exit.PARTLY if lost else Exit.OK)

    return verb


app.command("build", help=BUILD)(_builder(only_new=False))
app.command("append", help=APPEND)(_builder(only_new=True))


@app.command()
def info(
    cube: Annotated[Cube | None, typer.Argument(help="Which repository; all when omitted.")] = None,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the groups of the repositories."""
    from dataflows.cubes.inventory import inventory, place
    from dataflows.cubes.repository.storage import CubeName

    lake = settings()
    names = tuple(CubeName) if cube is None else (CubeName(cube),)
    rows = inventory(lake, names, as_of=as_of)
    if as_json:
        write_json(rows)
        return
    if not rows:
        err.print(f"There are no cubes yet at {place(lake, names[0])}: run 'eopv cube build'.", markup=False, soft_wrap=True)
        return
    out.print(table(rows, numeric=NUMBERS))


@app.command("open")
def open_group(
    cube: Annotated[Cube | None, typer.Argument(help="Which repository; each that there is when omitted.")] = None,
    group: Annotated[
        str | None, typer.Argument(help="Path of the group, or a beginning that only one has; the first when omitted.")
    ] = None,
    as_of: AsOfOption = None,
) -> None:
    """Show a group as xarray does, and the line of Python that opens it."""
    from dataflows import cubes
    from dataflows.cubes.inventory import first_group
    from dataflows.cubes.repository import store
    from dataflows.cubes.repository.storage import CubeName

    for name in tuple(CubeName) if cube is None else (CubeName(cube),):
        if cube is None and not store.exists(name):
            continue
        path = first_group(store.open_readonly(name, as_of), name) if group is None else group
        function = {"virtual": "open_virtual", "chips": "open_chips", "regions": "open_region"}[name]
        dataset = getattr(cubes, function)(path, as_of=as_of)
        version = f", as_of={as_of!r}" if as_of else ""
        line = f"from dataflows.cubes import {function}; {function}({dataset.attrs['group']!r}{version})"
        out.print(line, markup=False, soft_wrap=True)
        out.print(repr(dataset), markup=False, highlight=False, soft_wrap=True)


@app.command()
def preview(
    installation_id: Annotated[str, typer.Argument(help="An installation_id, or its first characters.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG file.")] = Path("preview.png"),
    collection: Annotated[str | None, typer.Option(help="Of this collection (default: the one with the most scenes).")] = None,
    as_of: AsOfOption = None,
) -> None:
    """Draw an installation's chips: a strip of dates in true colour, its outline, and the curve of its NDVI."""
    from dataflows.cubes.preview import write_preview

    drawn = write_preview(settings(), installation_id, output, collection=collection, as_of=as_of)
    line = f"{drawn.file}: {drawn.installation_id}, {drawn.group}, {drawn.dates} dates"
    out.print(line, markup=False, highlight=False, soft_wrap=True)


for verb in (
    cube_region.region,
    cube_chunks.chunks,
    cube_history.versions,
    cube_history.tag,
    cube_history.diff,
    cube_history.gc,
):
    app.command()(verb)


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


@contextmanager
def _watched(parts: int) -> Iterator[Watcher]:
    """Bars over the parts, and over the chips and bytes of each group."""
    from dataflows.cubes.building import Watcher
    from dataflows.cubes.chip.means import Progress as ChipProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[written]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        task, begun = bars.add_task("cubes", total=parts, written=""), count()
        groups: dict[str, int] = {}

        def on_part(part: Part) -> None:
            bars.update(task, description=str(part), completed=next(begun))

        def on_chips(progress: ChipProgress) -> None:
            if progress.path not in groups:
                groups[progress.path] = bars.add_task(escape(progress.path), total=progress.total, written="")
            bars.update(groups[progress.path], completed=progress.done, written=decimal(progress.written_bytes))

        yield Watcher(on_part, on_chips)


def _show(done: CubesBuild) -> None:
    if done.virtual is not None:
        rows = [
            {"group": group.path, "dates": group.dates, "new dates": group.added, "rasters": group.rasters}
            for group in done.virtual.groups
        ]
        _part("virtual", done.virtual.tag, rows)
        for refusal in done.virtual.refusals:
            err.print(f"not virtual: {refusal}", markup=False, highlight=False, soft_wrap=True)
    if done.chips is not None:
        rows = [
            {
                "group": group.path,
                "chips": group.chips,
                "new chips": group.new_chips,
                "months": group.periods,
                "written": group.written,
                "missing": group.missing,
                "tiles": group.tiles_decoded,
            }
            for group in done.chips.groups
        ]
        _part("chips", done.chips.tag, rows)
        for failure in done.chips.failures:
            line = f"not used: {failure.collection}/{failure.item_id} ({failure.period:%Y-%m}, {failure.chips} chips): "
            err.print(line + failure.reason, markup=False, highlight=False, soft_wrap=True)
    if done.series is not None:
        held = ", ".join(f"{count:,} rows in landing.{name}" for name, count in done.series.rows.items())
        out.print(f"series: {held or 'nothing new'}", soft_wrap=True)


def _part(name: str, tag: str | None, rows: list[dict[str, object]]) -> None:
    out.print(f"[bold]{name}[/]: {escape(tag) if tag else 'nothing new'}", soft_wrap=True)
    if rows and tag:
        out.print(table(rows, numeric=NUMBERS | {"new dates", "months"}))
