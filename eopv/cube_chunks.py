"""``eopv cube chunks``: what reading a cube costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from db.errors import SettingsError
from eopv.console import out, table, write_json
from eopv.cube_history import AsOfOption, CubeArgument, JsonOption

if TYPE_CHECKING:
    from dataflows.cubes.analysis.chunk_report import ChunkReport

NUMBERS = frozenset(
    {"objects", "stored", "chunks", "requests", "fetched", "decoded", "wanted", "amplification", "size", "ratio"}
)


def chunks(
    cube: CubeArgument,
    group: Annotated[str, typer.Argument(help="Path of the group, or a beginning that only one has; see 'eopv cube info'.")],
    array: Annotated[list[str] | None, typer.Option("--array", help="Only this array; may be given again.")] = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="DIM=INDEX", help="Where: time=3, y=100, x=100, chip=7 (default: the middle)."),
    ] = None,
    region: Annotated[int, typer.Option(min=1, help="Edge of the region in pixels.")] = 256,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what one pixel's series, one date and one region cost in chunks and bytes, and what to do about it; none is read."""
    from dataflows.cubes.analysis.chunk_report import chunk_report  # the imagery stack takes a second to import

    report = chunk_report(cube, group, arrays=array or None, at=_place(at or []), region_px=region, as_of=as_of)
    if as_json:
        write_json(
            {
                **vars(report),
                "layouts": [{**vars(layout), "chunk_bytes": layout.chunk_bytes} for layout in report.layouts],
                "costs": [{**vars(cost), "amplification": cost.amplification} for cost in report.costs],
                "advice": [vars(advice) for advice in report.advice],
            }
        )
    else:
        _show(report)


def _place(given: list[str]) -> dict[str, int]:
    found = {}
    for entry in given:
        dim, _, index = entry.partition("=")
        if not dim or not index.isdigit():
            raise SettingsError(f"{entry!r} is no place.", remedy="Write --at time=3.")
        found[dim] = int(index)
    return found


def _show(report: ChunkReport) -> None:
    out.print(f"{report.cube} {report.group} at {report.snapshot_id}", markup=False, soft_wrap=True)
    layouts = [
        {
            "array": layout.array,
            "type": layout.dtype,
            "chunk": " × ".join(f"{length} {dim}" for dim, length in zip(layout.dims, layout.chunk, strict=True)),
            "decoded": decimal(layout.chunk_bytes),
            "kind": layout.kind,
            "objects": layout.objects,
            "stored": layout.stored,
            "size": decimal(layout.stored_bytes),
            "ratio": layout.ratio,
        }
        for layout in report.layouts
    ]
    out.print(table(layouts, title="layout", numeric=NUMBERS))
    costs = [
        {
            "array": cost.array,
            "question": str(cost.pattern),
            "where": ", ".join(f"{dim} {part}" for dim, part in cost.selection.items()),
            "requests": cost.requests,
            "chunks": cost.chunks,
            "stored": cost.stored,
            "fetched": decimal(cost.fetched_bytes),
            "decoded": decimal(cost.decoded_bytes),
            "wanted": decimal(cost.wanted_bytes),
            "amplification": cost.amplification,
        }
        for cost in report.costs
    ]
    out.print(table(costs, title="cost", numeric=NUMBERS))
    for advice in report.advice:
        out.print(f"{advice.array}: {advice.text}", markup=False, highlight=False, soft_wrap=True)
