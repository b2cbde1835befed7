"""Benchmark 4: from the union of polygon observations to installations, against peers that do less; and one per cent more."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from math import log
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.entity_resolution import polygon_rules
from benchmarks.entity_resolution.generated import written
from benchmarks.entity_resolution.real_lake import FOLDER
from benchmarks.entity_resolution.resolving import in_process_of_its_own
from benchmarks.measuring import Measurement, in_child, least_disturbed, warm
from benchmarks.reporting import MIB

FULL, MORE = "this method", "this method, 1 % more"
SIZES = (10**5, 540_000, 3 * 10**6)
# Peers are not made to run for an hour; this method gets a limit there, of what DuckDB takes: GEOS and Python come on top
LARGEST_FOR_PEERS = 540_000
LEAST_LIMITED = 3 * 10**6
MEMORY_LIMIT = "2500MB"
ATTEMPTS = 2


def measure(out: Console, sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """Run the benchmark, print its tables and return them."""
    results = {}
    for size in sizes:
        files = written(size, FOLDER)
        with out.status(f"{size:,} observations"):
            results[size] = ours(files) | (peers(files[0]) if size <= LARGEST_FOR_PEERS else {})
    out.print(_as_table(results), _model_table(results))
    return {
        "runs": {str(size): {name: asdict(run) for name, run in runs.items()} for size, runs in results.items()},
        "growth_exponent": growth_exponents(results),
    }


def ours(files: tuple[Path, Path]) -> dict[str, Measurement]:
    """A full resolution, then one per cent more observations of another dataset, scattered over all towns."""
    home = FOLDER / "speed"
    shutil.rmtree(home, ignore_errors=True)
    loaded = in_process_of_its_own("load", home, files[0])
    limit = MEMORY_LIMIT if loaded.details["rows"] >= 0.9 * LEAST_LIMITED else None
    full = in_process_of_its_own("resolve", home, memory_limit=limit)
    in_process_of_its_own("append", home, files[1])
    more = in_process_of_its_own("resolve", home, memory_limit=limit)
    shutil.rmtree(home)
    return {FULL: full, MORE: more}


def peers(file: Path) -> dict[str, Measurement]:
    """Each peer on its own."""
    warm(file)
    return {
        name: least_disturbed(ATTEMPTS, partial(in_child, polygon_rules.MODULE, name, str(file)))
        for name in polygon_rules.PEERS
    }


def model_seconds(run: Measurement) -> float:
    """Seconds of the resolution without dbt's start: the sum over its models; of a peer, all of them."""
    return sum(run.details["model_seconds"].values()) if "model_seconds" in run.details else run.seconds


def growth_exponents(results: dict[int, dict[str, Measurement]]) -> dict[str, float]:
    """Slope of log seconds over log size between the smallest and the largest size that a contender was run on."""
    slopes = {}
    for name in {name for runs in results.values() for name in runs}:
        sizes = sorted(size for size, runs in results.items() if name in runs)
        if len(sizes) > 1:
            first, last = (model_seconds(results[size][name]) for size in (sizes[0], sizes[-1]))
            slopes[name] = log(last / first) / log(sizes[-1] / sizes[0])
    return slopes


def _as_table(results: dict[int, dict[str, Measurement]]) -> Table:
    table = Table(title="From the union to installations (GeoPandas: join and intersection area alone)")
    table.add_column("observations", justify="right")
    table.add_column("contender")
    for heading in (
        "models s",
        "wall s",
        "CPU s",
        "peak MiB",
        "time / GeoPandas",
        "memory / GeoPandas",
        "of a full run",
        "overlaps found",
    ):
        table.add_column(heading, justify="right")
    for size, runs in results.items():
        peer, full = runs.get("GeoPandas"), model_seconds(runs[FULL])
        for name, run in runs.items():
            seconds, found = model_seconds(run), run.details.get("overlapping")
            table.add_row(
                f"{size:,}" if name == FULL else "",
                name,
                f"{seconds:.1f}",
                f"{run.seconds:.1f}",
                f"{run.cpu_seconds:.1f}",
                f"{run.peak_rss / MIB:,.0f}",
                f"{run.seconds / peer.seconds:.2f}" if peer else "",
                f"{run.peak_rss / peer.peak_rss:.2f}" if peer else "",
                f"{seconds / full:.1%}" if name == MORE else "",
                f"{found:,}" if found is not None else "",
            )
        table.add_section()
    for name, slope in sorted(growth_exponents(results).items()):
        table.add_row("", f"growth exponent, {name}", f"{slope:.2f}")
    return table


def _model_table(results: dict[int, dict[str, Measurement]]) -> Table:
    table = Table(title="Seconds by model (full resolution, and one per cent more)")
    table.add_column("model")
    for size in results:
        table.add_column(f"{size:,}", justify="right")
        table.add_column("+ 1 %", justify="right")
    columns = [runs[name].details["model_seconds"] for runs in results.values() for name in (FULL, MORE)]
    for model in columns[0]:
        table.add_row(model, *(f"{column.get(model, 0):.2f}" for column in columns))
    return table
