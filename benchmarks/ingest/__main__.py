"""Rows per second and peak memory of landing against GeoPandas: ``python -m benchmarks.ingest [--quick]``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median

from rich.progress import Progress
from rich.table import Table

from benchmarks import machine
from benchmarks.ingest.cases import MAIN_TABLE, OTHER_FORMATS, Case, written
from benchmarks.measuring import Measurement, in_child, least_disturbed, medians, warm
from benchmarks.reporting import CACHE, MIB, RESULTS, console, store

OURS = "landing"
CONTENDERS = (OURS, "landing + export", "geopandas", "geopandas (Arrow)")
PEERS = CONTENDERS[2:]


def compare(case: Case, file: Path, repeats: int, attempts: int, progress: Progress) -> dict[str, Measurement]:
    """Each contender ``repeats`` times in alternating order; medians of seconds and of memory."""
    runs: dict[str, list[Measurement]] = {name: [] for name in CONTENDERS}
    task = progress.add_task(case.key, total=repeats * len(CONTENDERS))
    warm(file.parent)
    for repeat in range(repeats):
        for name in CONTENDERS if repeat % 2 == 0 else reversed(CONTENDERS):
            run = least_disturbed(attempts, partial(in_child, "benchmarks.ingest.contenders", name, case.key, str(file)))
            if run.details["rows"] != case.rows:
                raise RuntimeError(f"{name} read {run.details['rows']} of {case.rows} rows of {file}")
            runs[name].append(run)
            progress.advance(task)
    progress.remove_task(task)
    return {name: summarised(measured) for name, measured in runs.items()}


def summarised(runs: list[Measurement]) -> Measurement:
    """Median of each quantity; ``details`` keep every run's seconds, and the median of those without opening the lake."""
    return medians(runs, {"dataset_seconds": median(run.details["dataset_seconds"] for run in runs)})


def as_table(results: dict[Case, dict[str, Measurement]]) -> Table:
    """One line a case and contender.

    The factors compare with landing without export: like its peers, it writes the rows as Parquet once. The second one leaves
    out the opening of the lake, which a run over many datasets pays once.
    """
    table = Table(title="Landing against geopandas.read_file (+ to_crs) + to_parquet")
    for heading in ("file", "rows", "contender"):
        table.add_column(heading, justify="right" if heading == "rows" else "left", no_wrap=True)
    for heading in ("s", "dataset s", "CPU s", "rows/s", "landing is ×", "dataset ×", "peak MiB", "added MiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for case, contenders in results.items():
        for name, run in contenders.items():
            first = name == OURS
            table.add_row(
                f"{case.format.value} {case.crs}" if first else "",
                f"{case.rows:,}" if first else "",
                name,
                f"{run.seconds:.2f}",
                f"{run.details['dataset_seconds']:.2f}",
                f"{run.cpu_seconds:.2f}",
                f"{case.rows / run.seconds:,.0f}",
                f"{run.seconds / contenders[OURS].seconds:.1f}" if name in PEERS else "",
                f"{run.seconds / contenders[OURS].details['dataset_seconds']:.1f}" if name in PEERS else "",
                f"{run.peak_rss / MIB:,.0f}",
                f"{run.added_rss / MIB:,.0f}",
                end_section=name == CONTENDERS[-1],
            )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the smallest files, once each")
    parser.add_argument("--only", default="", help="only cases whose key contains this text")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--attempts", type=int, default=3, help="tries for each run to have the machine to itself")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where generated files are kept (1 GB)")
    parser.add_argument("--output", type=Path, default=RESULTS / "ingest.json")
    chosen = parser.parse_args()
    repeats = 1 if chosen.quick else chosen.repeats
    cases = [case for case in (*MAIN_TABLE, *OTHER_FORMATS) if chosen.only in case.key]
    cases = [case for case in cases if not chosen.quick or case.rows <= 10**4]

    out = console()
    facts = machine.facts()
    out.print(machine.line(facts), highlight=False)
    with Progress(console=out, transient=True) as progress:
        results = {case: compare(case, written(case, chosen.cache), repeats, chosen.attempts, progress) for case in cases}
    out.print(as_table(results))
    disturbance = max(run.foreign_cores for contenders in results.values() for run in contenders.values())
    out.print(f"Other processes kept at most {disturbance:.1f} cores at work during a run.", highlight=False)
    measured = [
        {**asdict(case), "contenders": {name: asdict(run) for name, run in contenders.items()}}
        for case, contenders in results.items()
    ]
    store({"machine": facts, "cases": measured}, chosen.output, out)


if __name__ == "__main__":
    main()
