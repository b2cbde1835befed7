"""Cubes against other readers: ``python -m benchmarks.cubes [layers] [chips] [growth] [zonal] [exactness]``."""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.cubes import chips, exactness, layers, stores, zonal
from benchmarks.cubes.scenes import Scenes, written
from benchmarks.measuring import Measurement, in_child, least_disturbed, medians, warm
from benchmarks.reporting import CACHE, MIB, RESULTS, console, store
from db import services
from db.connection import with_services
from db.settings import Settings, Target

# 12 dates × 4 bands × 2048²: 200 chips of 64 pixels meet each of its 16 tiles
SCENES = Scenes(12, 2048)
CHIPS, SIZE = 200, 64
SITES = 1_000

# Chips of the same density, on one date whose edge grows with them: the last is about a Sentinel-2 tile
GROWTH = ((200, Scenes(1, 1_024)), (2_000, Scenes(1, 3_238)), (20_000, Scenes(1, 10_240)))

# What takes so long runs once: what disturbs it for a moment is little of that
LONG_S = 10.0

BOUND, OURS = "each tile once (rasterio)", "ours: build_chips"
PACKAGES = ("icechunk", "zarr", "rasterio", "async-geotiff", "odc-stac", "rioxarray", "xarray", "exactextract", "virtual-tiff")

Results = dict[str, Measurement]


class Runs:
    """How often each contender runs.

    Args:
        repeats: runs of each; medians are reported. Of those that take :data:`LONG_S` or more, one is enough.
        attempts: tries for each run to have the machine to itself.
        out: where progress is told.
    """

    def __init__(self, repeats: int, attempts: int, out: Console) -> None:
        self._repeats, self._attempts, self._out = repeats, attempts, out

    def of(self, module: str, names: list[str], *arguments: object) -> Results:
        """Each contender in a process of its own, in alternating order."""
        runs: dict[str, list[Measurement]] = {name: [] for name in names}
        for repeat in range(self._repeats):
            for name in names if repeat % 2 == 0 else reversed(names):
                if runs[name] and runs[name][0].seconds >= LONG_S:
                    continue
                run = partial(in_child, f"benchmarks.cubes.{module}", name, *map(str, arguments))
                runs[name].append(least_disturbed(self._attempts, run, long_s=LONG_S))
                self._out.print(f"{module}: {name}: {runs[name][-1].seconds:.2f} s", style="dim", highlight=False)
        return {name: medians(measured, measured[0].details) for name, measured in runs.items()}


def _same(results: Results, detail: str, without: tuple[str, ...] = ()) -> None:
    """Raise where contenders did not get the same pixels: their times would say nothing."""
    found = {name: run.details.get(detail) for name, run in results.items() if name not in without}
    if len(set(found.values())) > 1:
        raise RuntimeError(f"The contenders got different pixels: {found}")


def _table(title: str, results: Results, against: tuple[str, ...] = ()) -> Table:
    table = Table(title=title)
    table.add_column("", no_wrap=True)
    for heading in ("s", "CPU s", *(f"{name} ×" for name in against), "peak MiB", "added MiB", "foreign cores"):
        table.add_column(heading, justify="right")
    for name, run in results.items():
        factors = [f"{run.seconds / results[other].seconds:.2f}" for other in against]
        numbers = [f"{run.peak_rss / MIB:,.0f}", f"{run.added_rss / MIB:,.0f}", f"{run.foreign_cores:.2f}"]
        table.add_row(name, f"{run.seconds:.2f}", f"{run.cpu_seconds:.2f}", *factors, *numbers)
    return table


def measured_layers(runs: Runs, cache: Path, out: Console) -> dict[str, Any]:
    """Whole layers."""
    _prepared(SCENES, cache)
    results = runs.of("layers", list(layers.CONTENDERS), SCENES.dates, SCENES.edge, cache)
    _same(results, "checksum")
    out.print(_table(f"{SCENES.dates} dates × 4 bands × {SCENES.edge}²", results))
    return _stored(results)


def measured_chips(runs: Runs, cache: Path, out: Console) -> dict[str, Any]:
    """Chips, and the two targets that compare them."""
    _prepared(SCENES, cache)
    results = runs.of("chips", list(chips.CONTENDERS), SCENES.dates, SCENES.edge, CHIPS, SIZE, cache)
    _same(results, "checksum", without=(BOUND,))
    out.print(_table(f"{CHIPS} chips × {SIZE} px × {len(SCENES.layers)} layers", results, (BOUND, OURS)))
    return _stored(results)


def measured_growth(runs: Runs, cache: Path, out: Console) -> dict[str, Any]:
    """Time and memory of ours, by the number of chips."""
    results = {}
    for count, scenes in GROWTH:
        written(scenes, cache)
        warm(cache / scenes.name)
        results |= {str(count): runs.of("chips", [OURS], scenes.dates, scenes.edge, count, SIZE, cache)[OURS]}
    out.print(_table("build_chips by number of chips, 4 layers", results))
    exponents = {}
    for (few, _), (many, _) in pairwise(GROWTH):
        ratio = results[str(many)].seconds / results[str(few)].seconds
        exponents[f"{few}-{many}"] = round(math.log(ratio) / math.log(many / few), 3)
    out.print(f"Growth exponents: {exponents}", highlight=False)
    return _stored(results) | {"exponents": exponents}


def measured_zonal(runs: Runs, cache: Path, out: Console) -> dict[str, Any]:
    """Statistics of installations, and the greatest difference of their means from exactextract's (relative)."""
    _prepared(SCENES, cache)
    results = runs.of("zonal", list(zonal.CONTENDERS), SCENES.dates, SCENES.edge, SITES, cache)
    means = {name: np.array(run.details.pop("means")) for name, run in results.items()}
    expected = means[zonal.BARE]
    error = {name: float(np.abs(found / expected - 1).max()) for name, found in means.items()}
    out.print(_table(f"Means of {SITES} outlines × {len(SCENES.layers)} layers", results, (zonal.BARE,)))
    out.print(f"Greatest relative difference of a mean: {error}", highlight=False)
    return _stored(results) | {"differences": error}


def measured_exactness(_: Runs, __: Path, out: Console) -> dict[str, Any]:
    """Pixels that differ from rasterio's."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, s3_lake(Path(folder) / "services") as lake:
        found = list(exactness.verdicts(Path(folder), lake))
    columns = list(dict.fromkeys((each.transport, each.path) for each in found))
    table = Table(title="Pixels against rasterio's, bit for bit")
    for heading in ("source", *(f"{path} over {transport}" for transport, path in columns)):
        table.add_column(heading)
    for source in dict.fromkeys(each.source for each in found):
        by_column = {(each.transport, each.path): each.text for each in found if each.source == source}
        table.add_row(source, *(by_column[column] for column in columns))
    out.print(table)
    return {"verdicts": [asdict(each) for each in found]}


@contextmanager
def s3_lake(home: Path) -> Iterator[Settings]:
    """A lake whose data are on an S3 server of its own, which runs as long as the block."""
    dev = Settings(home=home, target=Target.DEV, _env_file=None)
    services.up(dev)
    try:
        yield with_services(dev)
    finally:
        services.down(dev)


def _prepared(scenes: Scenes, cache: Path) -> None:
    warm(written(scenes, cache))
    warm(stores.made(scenes, cache).home)


def _stored(results: Results) -> dict[str, Any]:
    return {name: asdict(run) for name, run in results.items()}


PARTS: dict[str, Callable[[Runs, Path, Console], dict[str, Any]]] = {
    "layers": measured_layers,
    "chips": measured_chips,
    "growth": measured_growth,
    "zonal": measured_zonal,
    "exactness": measured_exactness,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cubes", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all of them when omitted")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--attempts", type=int, default=2, help="tries for each run to have the machine to itself")
    parser.add_argument("--cache", type=Path, default=CACHE / "cubes", help="where generated files are kept (2 GB)")
    parser.add_argument("--output", type=Path, default=RESULTS / "cubes.json")
    chosen = parser.parse_args()

    out = console()
    facts = machine.facts(PACKAGES)
    out.print(machine.line(facts), highlight=False)
    runs = Runs(chosen.repeats, chosen.attempts, out)
    found = {part: PARTS[part](runs, chosen.cache.resolve(), out) for part in chosen.parts or PARTS}
    store({"machine": facts, **found}, chosen.output, out)


if __name__ == "__main__":
    main()
