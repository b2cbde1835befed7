"""Where sites are, measured: ``python -m benchmarks.context [join] [agreement] [overlay] [mounts]``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.context import agreement, join, mounts, overlay, points, queries
from benchmarks.context.boundaries import boundaries
from benchmarks.measuring import Measurement, in_child, least_disturbed, medians, warm
from benchmarks.reporting import CACHE, MIB, RESULTS, console, store
from dataflows.prepared.locate import cover

COUNTS = (10**5, 10**6, 10**7)
PEERS = (join.WITHIN, join.INTERSECTS, join.SPATIAL_JOIN)
PACKAGES = ("duckdb", "geopandas", "shapely", "h3", "h3ronpy", "pyarrow", "pandas")

Results = dict[str, Measurement]


def measured_join(chosen: argparse.Namespace, out: Console) -> dict[str, Any]:
    """Seconds, memory and pairs of each way, by boundaries and number of points."""
    cache = chosen.cache.resolve()
    found = {}
    compiled = None
    for name, areas in boundaries(cache).items():
        compiled = compiled or queries.compiled(cache)
        cells, cover_seconds = _covered(areas, cache)
        by_count: dict[int, Results] = {}
        for count in chosen.counts:
            places = points.written(count, areas, cache)
            join.file_cells(places)
            files = (areas, places, cells, compiled)
            by_count[count] = _compared(files, by_count.get(count // 10, {}), chosen, out)
            out.print(_table(f"{count:,} points × {name}", by_count[count]))
        exponents = _exponents(by_count)
        out.print(f"{name}: cover in {cover_seconds:.1f} CPU s; exponents {exponents}", highlight=False)
        found[name] = {
            "cover_cpu_seconds": cover_seconds,
            "exponents": exponents,
            "counts": {count: {way: asdict(run) for way, run in results.items()} for count, results in by_count.items()},
        }
    return found


def _compared(files: tuple[Path, ...], smaller: Results, chosen: argparse.Namespace, out: Console) -> Results:
    """Each way that a tenth of the points leads one to expect within the limit, in alternating order."""
    areas, places, *_ = files
    warm(places)
    runs: dict[str, list[Measurement]] = {}
    expected = {name: 10 * smaller[name].seconds if name in smaller else math.inf for name in join.SLOW if smaller}
    names = [name for name in join.CONTENDERS if expected.get(name, 0) <= chosen.longest]
    for name in sorted(set(join.CONTENDERS) - set(names)):
        out.print(f"left out: {name}, which would take more than {chosen.longest:.0f} s", style="dim", highlight=False)
    results = {name: places.with_suffix(f".{number}.pairs") for number, name in enumerate(names)}
    for repeat in range(chosen.repeats):
        for name in names if repeat % 2 == 0 else reversed(names):
            run = partial(in_child, "benchmarks.context.join", name, *map(str, files), str(results[name]))
            runs.setdefault(name, []).append(least_disturbed(chosen.attempts, run, long_s=5))
            out.print(f"{name}: {runs[name][-1].seconds:.2f} s", style="dim", highlight=False)
    verdicts = _verdicts(areas, places, results)
    for file in results.values():
        file.unlink()
    return {name: medians(measured, {**measured[0].details, **verdicts[name]}) for name, measured in runs.items()}


def _verdicts(areas: Path, places: Path, results: dict[str, Path]) -> dict[str, dict[str, int]]:
    """Of each way, pairs that it does not share with GeoPandas: on a border, where ``within`` has none, or mismatches."""
    frame = gpd.read_parquet(areas)
    geometry = frame.geometry.to_numpy()
    row = {area_id: number for number, area_id in enumerate(frame["area_id"])}
    keys = {}
    for name, file in results.items():
        pairs = pq.read_table(file)
        ids = pairs["area_id"].combine_chunks().dictionary_encode()
        area = np.array([row[area_id] for area_id in ids.dictionary.to_pylist()], np.int64)[np.asarray(ids.indices)]
        keys[name] = np.sort(pairs["point_id"].to_numpy() * len(frame) + area)
    table = pq.read_table(places, columns=["lon", "lat"])
    lon, lat = table["lon"].to_numpy(), table["lat"].to_numpy()
    verdicts = {}
    for name, found in keys.items():
        differing = np.setxor1d(found, keys[join.WITHIN], assume_unique=True)
        point, area = np.divmod(differing, len(frame))
        on_border = shapely.touches(geometry[area], shapely.points(lon[point], lat[point]))
        verdicts[name] = {"on_border": int(on_border.sum()), "mismatches": int((~on_border).sum())}
    return verdicts


def _covered(areas: Path, cache: Path) -> tuple[Path, float]:
    """The file of the cells that cover areas, and the CPU seconds that it took to find them."""
    file = cache / f"{areas.stem}-cover.parquet"
    frame = gpd.read_parquet(areas)
    given = {
        "area_id": frame["area_id"],
        "level": ["region"] * len(frame),
        "geometry": shapely.to_wkb(frame.geometry.to_numpy()),
    }
    started = process_time()
    cells = cover(pa.table(given), 2, 6)
    seconds = process_time() - started
    pq.write_table(cells, file)
    return file, seconds


def _exponents(by_count: dict[int, Results]) -> dict[str, dict[str, float]]:
    """By how much time grows with the number of points: 1 is linear. From CPU seconds, which a busy machine disturbs less."""
    found: dict[str, dict[str, float]] = {}
    for few, many in pairwise(by_count):
        for name in by_count[many]:
            ratio = by_count[many][name].cpu_seconds / by_count[few][name].cpu_seconds
            found.setdefault(name, {})[f"{few}-{many}"] = round(math.log(ratio) / math.log(many / few), 2)
    return found


def _table(title: str, results: Results) -> Table:
    table = Table(title=title)
    table.add_column("", no_wrap=True)
    for heading in ("s", "CPU s", "ours is ×", "peak MiB", "added MiB", "pairs", "on a border", "mismatches", "foreign cores"):
        table.add_column(heading, justify="right")
    for name, run in results.items():
        faster = f"{run.seconds / results[join.INDEXING].seconds:.1f}" if name in PEERS else ""
        memory = [f"{run.peak_rss / MIB:,.0f}", f"{run.added_rss / MIB:,.0f}"]
        counts = [f"{run.details[key]:,}" for key in ("pairs", "on_border", "mismatches")]
        row = [f"{run.seconds:.2f}", f"{run.cpu_seconds:.2f}", faster, *memory, *counts, f"{run.foreign_cores:.2f}"]
        table.add_row(name, *row)
    return table


def measured_agreement(chosen: argparse.Namespace, out: Console) -> dict[str, Any]:
    """What the sources say of their countries, states and counties against what is found."""
    return agreement.measured(chosen.cache.resolve(), out)


def measured_overlay(chosen: argparse.Namespace, out: Console) -> dict[str, Any]:
    """Shares of sites on as many buildings, at the numbers of points up to a million."""
    counts = [count for count in chosen.counts if count <= max(overlay.COUNTS)]
    return overlay.measured(chosen.cache.resolve(), out, counts, chosen.attempts)


def measured_mounts(_: argparse.Namespace, out: Console) -> dict[str, Any]:
    """How often rules of mounting are right where another source says it."""
    return mounts.measured(out)


PARTS: dict[str, Callable[[argparse.Namespace, Console], dict[str, Any]]] = {
    "join": measured_join,
    "agreement": measured_agreement,
    "overlay": measured_overlay,
    "mounts": measured_mounts,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.context", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all of them when omitted")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of points, each ten times the last")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--attempts", type=int, default=2, help="tries for each run to have the machine to itself")
    parser.add_argument("--longest", type=float, default=60, help="leave out what would take longer, in seconds")
    parser.add_argument("--cache", type=Path, default=CACHE / "context", help="where generated files are kept (1 GB)")
    parser.add_argument("--output", type=Path, default=RESULTS / "context.json")
    chosen = parser.parse_args()

    out = console()
    facts = machine.facts(PACKAGES)
    out.print(machine.line(facts), highlight=False)
    store({"machine": facts, **{part: PARTS[part](chosen, out) for part in chosen.parts or PARTS}}, chosen.output, out)


if __name__ == "__main__":
    main()
