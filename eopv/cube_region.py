"""``eopv cube region``: mosaics over an H3 cell, a box, or the polygons of a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from db import settings
from db.errors import SettingsError
from eopv.box import Box, box_area
from eopv.console import Exit, err, out, table, write_json
from eopv.cube_history import JsonOption

if TYPE_CHECKING:
    from dataflows.cubes.region.zone import Zone
    from dataflows.cubes.regions import RegionBuild


class Composite(StrEnum):
    """How the clear days of a period become one value."""

    MEDIAN = "median"
    LEAST_CLOUDY = "least_cloudy"


class Each(StrEnum):
    """What one mosaic is made of."""

    MONTH = "month"
    YEAR = "year"
    ALL = "all"


DAY = ["%Y-%m", "%Y-%m-%d"]
NUMBERS = frozenset({"mosaics", "scenes", "pixel"})


def _after(text: str) -> datetime:
    """The moment at which a month or a day is over."""
    for form, days in zip(DAY, (31, 1), strict=True):
        try:
            begin = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        end = begin + timedelta(days=days)
        return end.replace(day=1) if days > 1 else end
    raise typer.BadParameter(f"{text!r} is no month or day, such as 2025-06 or 2025-06-30.")


def region(
    name: Annotated[str, typer.Argument(help="Name of the region; one of that name is replaced.")],
    collection: Annotated[str, typer.Argument(help="STAC collection; see 'eopv stac items'.")],
    cell: Annotated[str | None, typer.Option(metavar="H3", help="An H3 cell, in hexadecimal.")] = None,
    bbox: Annotated[
        Box | None, typer.Option("--bbox", metavar="W S E N", help="A box in degrees; W > E crosses the antimeridian.")
    ] = None,
    polygons: Annotated[
        Path | None, typer.Option(help="A file of polygons: GeoJSON, GeoPackage, Shapefile, KML.", exists=True, dir_okay=False)
    ] = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=DAY, help="First month or day (UTC).")] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", parser=_after, metavar="[%Y-%m|%Y-%m-%d]", help="Last month or day (UTC).")
    ] = None,
    period: Annotated[Each, typer.Option(help="What one mosaic is made of.")] = Each.MONTH,
    composite: Annotated[
        Composite, typer.Option(help="The median of a pixel's clear days, or the scene that is clear over most of the region.")
    ] = Composite.MEDIAN,
    bands: Annotated[str | None, typer.Option(help="Common names, by commas (default: what all scenes have).")] = None,
    epsg: Annotated[int | None, typer.Option(help="CRS (default: UTM).")] = None,
    resolution: Annotated[
        float | None, typer.Option(help="Edge of a pixel in units of the CRS (default: of the finest band).")
    ] = None,
    resampling: Annotated[str, typer.Option(help="Of bands where they are warped; GDAL's name.")] = "nearest",
    max_cloud_cover: Annotated[float | None, typer.Option(min=0, max=100, help="Of a scene, as stated, in %.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a region: mosaics without clouds over an H3 cell, a box or a file's polygons, one a month, a year, or in all.

    One commit, or none where the region is there already, made of the same.

    Exit code 0: all scenes were used; 3: some could not be; see standard error.
    """
    from dataflows.cubes.region.mosaic import Method  # the imagery stack takes a second to import
    from dataflows.cubes.region.request import Period, Region
    from dataflows.cubes.regions import build_region

    wanted = Region(
        name,
        _zone(cell, bbox, polygons),
        collection,
        since=first and first.replace(tzinfo=UTC),
        until=end,
        bands=tuple(band.strip() for band in (bands or "").split(",") if band.strip()),
        period=Period(period),
        method=Method(composite),
        epsg=epsg,
        resolution=resolution,
        resampling=resampling,
        most_cloud_pct=max_cloud_cover,
    )
    with _watched(name):
        done = build_region(wanted, lake=settings())
    if as_json:
        write_json(_plain(done))
    else:
        _show(done)
    raise typer.Exit(Exit.PARTLY if done.refusals else Exit.OK)


def _zone(cell: str | None, bbox: Box | None, polygons: Path | None) -> Zone:
    from dataflows.cubes.region.zone_file import zone_of_file

    if sum(given is not None for given in (cell, bbox, polygons)) != 1:
        raise SettingsError("A region is one cell, one box or one file.", remedy="Give one of --cell, --bbox and --polygons.")
    if cell is not None:
        return cell
    return box_area(bbox).geometry if bbox is not None else zone_of_file(polygons)


@contextmanager
def _watched(name: str) -> Iterator[None]:
    """A bar over the blocks that Dask computes and writes."""
    from dask.callbacks import Callback

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        task = bars.add_task(escape(name), total=None)

        def on_start(_graph: Any, state: dict[str, Any]) -> None:
            bars.reset(task, total=len(state["ready"]) + len(state["waiting"]))

        def on_done(*_: Any) -> None:
            bars.advance(task)

        with Callback(start_state=on_start, posttask=on_done):
            yield


def _plain(done: RegionBuild) -> dict[str, Any]:
    return {
        "path": done.path,
        "epsg": done.grid.epsg,
        "transform": list(done.grid.transform[:6]),
        "shape": list(done.grid.shape),
        "bands": list(done.bands),
        "periods": [str(day) for day in done.periods],
        "scenes": list(done.scenes),
        "refusals": [vars(refusal) for refusal in done.refusals],
        "snapshot_id": done.snapshot_id,
        "tag": done.tag,
    }


def _show(done: RegionBuild) -> None:
    out.print(f"[bold]{escape(done.path)}[/]: {escape(done.tag) if done.tag else 'nothing new'}", soft_wrap=True)
    rows, columns = done.grid.shape
    row = {
        "mosaics": len(done.periods),
        "scenes": len(done.scenes),
        "bands": ", ".join(done.bands),
        "shape": f"{rows} × {columns}",
        "CRS": f"EPSG:{done.grid.epsg}",
        "pixel": max(done.grid.resolution),
    }
    out.print(table([row], numeric=NUMBERS))
    for refusal in done.refusals:
        err.print(f"not used: {refusal.item_id}: {refusal.reason}", markup=False, highlight=False, soft_wrap=True)
