"""Spatial statistics and false discoveries: ``python -m benchmarks.statistics [cells] [points] [null]``, all by default."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from statsmodels.stats.multitest import multipletests

from benchmarks import machine
from benchmarks.measuring import in_child
from benchmarks.reporting import MIB, RESULTS, console, store
from benchmarks.statistics.contenders import ESDA, OUR_CELLS, OUR_POINTS, POINTPATS, SEED, disk, study
from dataflows.prepared.statistics.tables import hotspots

CELLS, POINTS = (1_000, 10_000, 50_000), (500, 2_000, 5_000)
MAPS, MAP_CELLS, RATE = 200, 1_000, 0.05
# Mean sites of a cell: dense, as in the sample, and as rare as PV is in most countries' cells
MEANS = (100.0, 10.0, 1.0, 0.1)
# The one that varies
MEASURE = "n_installations_per_km2"
# Relative; sums of other orders
SAME = 1e-9


def compared(title: str, ours: str, theirs: str, sizes: tuple[int, ...], out: Console) -> dict[str, Any]:
    """Seconds, memory and the greatest relative difference of what both have to agree on.

    Raises:
        RuntimeError: they do not agree.
    """
    table = Table(title=title)
    for heading in ("n", ours, theirs, "faster by", "greatest difference"):
        table.add_column(heading, justify="right")
    found: dict[str, Any] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{number}.npz" for number in range(2)]
            runs = [
                in_child("benchmarks.statistics.contenders", way, str(size), str(file))
                for way, file in zip((ours, theirs), files, strict=True)
            ]
            one, other = (dict(np.load(file)) for file in files)
        # What is simulated is random on either side
        difference = max(
            float(np.nanmax(np.abs(one[name] - other[name]) / np.maximum(np.abs(other[name]), 1e-9)))
            for name in one
            if not name.endswith("_simulated")
        )
        if difference > SAME:
            raise RuntimeError(f"{title}: {size} differ by {difference}")
        cells = [f"{run.seconds:.2f} s ({run.cpu_seconds:.2f}), {run.added_rss / MIB:,.0f} MiB" for run in runs]
        table.add_row(f"{size:,}", *cells, f"{runs[1].seconds / runs[0].seconds:.1f}", f"{difference:.0e}")
        found[str(size)] = {ours: asdict(runs[0]), theirs: asdict(runs[1]), "difference": difference}
    out.print(table)
    return found


def cells(out: Console) -> dict[str, Any]:
    """Moran's I with 99 permutations and Gi* of a disk of cells, weights built by each way."""
    return compared("Moran's I (99 permutations) and Gi*: seconds (CPU), added memory", OUR_CELLS, ESDA, CELLS, out)


def points(out: Console) -> dict[str, Any]:
    """Ripley's K of 20 distances with 99 random patterns; pointpats works in processes whose CPU seconds are not counted."""
    return compared("Ripley's K (99 patterns): seconds (CPU), added memory", OUR_POINTS, POINTPATS, POINTS, out)


def null(out: Console) -> dict[str, Any]:
    """Hot and cold spots of maps without any: each is false, so that the false discovery rate is the share of maps with one."""
    cells_of_map = disk(MAP_CELLS)
    table = Table(title=f"{MAPS} maps of {len(cells_of_map):,} cells, sites uniformly at random, rate {RATE}")
    for heading in ("sites a cell", "maps with a spot", "cells called spots", "q as of statsmodels", "unadjusted p ≤ rate"):
        table.add_column(heading, justify="right")
    found = {}
    for mean in MEANS:
        random = np.random.default_rng(SEED)
        # A fixed number of sites in cells of equal size: uniform in space
        drawn = random.multinomial(round(mean * len(cells_of_map)), np.full(len(cells_of_map), 1 / len(cells_of_map)), MAPS)
        maps = [study(cells_of_map, sites, area=f"{number:03}", rate=RATE) for number, sites in enumerate(drawn)]
        spots = hotspots(pa.concat_tables(maps)).to_pandas()
        spots = spots[spots["measure"] == MEASURE]
        by_map = spots.groupby("area")
        called = spots["class"] != "none"
        p, q = spots["p_value"].to_numpy(), spots["q_value"].to_numpy()
        places = by_map.indices.values()
        difference = max(
            float(np.abs(multipletests(p[rows], alpha=RATE, method="fdr_bh")[1] - q[rows]).max()) for rows in places
        )
        row = {
            "maps_with_a_spot": float(called.groupby(spots["area"]).any().mean()),
            "cells_called": float(called.mean()),
            "q_difference": difference,
            "unadjusted": float((p <= RATE).mean()),
        }
        found[str(mean)] = row
        table.add_row(
            f"{mean:g}",
            f"{row['maps_with_a_spot']:.1%}",
            f"{row['cells_called']:.3%}",
            f"± {difference:.0e}",
            f"{row['unadjusted']:.1%}",
        )
    out.print(table)
    return found


PARTS: dict[str, Callable[[Console], dict[str, Any]]] = {"cells": cells, "points": points, "null": null}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--output", type=Path, default=RESULTS / "statistics.json")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    out = console()
    facts = machine.facts((*machine.PACKAGES, "esda", "libpysal", "pointpats", "scipy", "statsmodels"))
    out.print(machine.line(facts), highlight=False)
    store({"machine": facts, **{name: PARTS[name](out) for name in chosen.parts or PARTS}}, chosen.output, out)


if __name__ == "__main__":
    main()
