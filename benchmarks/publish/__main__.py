"""Exports of generated sites: ``python -m benchmarks.publish [--counts 100000,1000000] [--formats csv,gpkg]``."""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks import machine
from benchmarks.generated import sites
from benchmarks.measuring import Measurement, in_child, warm
from benchmarks.publish.contenders import DUCKDB, GEOPANDAS, OURS, TABLE
from benchmarks.reporting import CACHE, MIB, RESULTS, console, store
from dataflows.publish.formats import SUFFIXES, ExportFormat
from db import Settings, connect

COUNTS = (10**5, 10**6)
WAYS = (OURS, GEOPANDAS, DUCKDB)
# DuckDB's own GDAL has no driver for tiles, and its writing of GeoPackage aborts the process now and then ("failed to prepare
# SQL: INSERT INTO my_rtree", DuckDB 1.5.2); tiles of a million sites take many minutes on any way
MISSING = {(DUCKDB, ExportFormat.PMTILES), (DUCKDB, ExportFormat.GPKG)}
MOST_ROWS = {ExportFormat.PMTILES: 10**5}

Results = dict[str, Measurement]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publish", description=__doc__)
    parser.add_argument("--counts", type=_integers, default=COUNTS, metavar="N,…", help="rows")
    parser.add_argument("--formats", type=_formats, default=tuple(ExportFormat), metavar="F,…", help="of eopv export")
    parser.add_argument("--cache", type=Path, default=CACHE / "publish")
    parser.add_argument("--output", type=Path, default=RESULTS / "publish.json")
    chosen = parser.parse_args()
    out = console()
    facts = machine.facts()
    out.print(machine.line(facts), highlight=False)
    found: dict[int, dict[ExportFormat, Results]] = {}
    for count in chosen.counts:
        home, parquet = given(count, chosen.cache.resolve())
        found[count] = {}
        for kind in chosen.formats:
            if count > MOST_ROWS.get(kind, count):
                continue
            found[count][kind] = {way: run(way, kind, home, parquet) for way in WAYS if (way, kind) not in MISSING}
            rows = {measured.details["rows"] for measured in found[count][kind].values()}
            features = {measured.details["features"] for measured in found[count][kind].values()} - {None}
            if rows != {count} or features - {count}:
                raise RuntimeError(f"{kind}: {rows} rows were written and {features} are there, not {count}")
        out.print(_table(count, found[count]))
    exponents = _exponents(found)
    out.print(f"Growth exponents of our CPU seconds and added memory: {exponents}", highlight=False)
    measured = {
        count: {kind.value: {way: asdict(one) for way, one in by.items()} for kind, by in kinds.items()}
        for count, kinds in found.items()
    }
    store({"machine": facts, "exponents": exponents, "exports": measured}, chosen.output, out)


def given(count: int, cache: Path) -> tuple[Path, Path]:
    """A lake with ``curated.sites``, and the same rows as GeoParquet; made once."""
    home, parquet = cache / f"lake-{count}", cache / f"sites-{count}.parquet"
    if not parquet.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = parquet.with_suffix(".part")
        sites(count).to_parquet(part)
        part.rename(parquet)
    lake = Settings(home=home, _env_file=None)
    if not lake.catalog_file.exists():
        # As after a build of a project that describes nothing: else dbt would be asked for each table
        manifest = home / "dbt" / "target" / "manifest.json"
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(json.dumps({"nodes": {}, "sources": {}}), encoding="utf-8")
        with connect(lake=lake) as con:
            con.execute(f"CREATE TABLE lake.curated.{TABLE} AS FROM read_parquet('{parquet}')")
    return home, parquet


def run(way: str, kind: ExportFormat, home: Path, parquet: Path) -> Measurement:
    """One export in a process of its own; the file is thrown away."""
    warm(parquet)
    warm(home / "data")
    with tempfile.TemporaryDirectory(dir=parquet.parent) as folder:
        file = Path(folder) / f"x{SUFFIXES[kind]}"
        return in_child("benchmarks.publish.contenders", way, kind.value, str(home), str(parquet), str(file))


def _table(count: int, found: dict[ExportFormat, Results]) -> Table:
    table = Table(title=f"{count:,} sites: seconds (of processor time), added MiB")
    for heading in ("format", *WAYS):
        table.add_column(heading, justify="left" if heading == "format" else "right")
    for kind, results in found.items():
        cells = [
            f"{one.seconds:.2f} ({one.cpu_seconds:.2f}), {one.added_rss / MIB:,.0f}" if one is not None else "-"
            for one in map(results.get, WAYS)
        ]
        table.add_row(kind.value, *cells)
    return table


def _exponents(found: dict[int, dict[ExportFormat, Results]]) -> dict[str, Any]:
    """log(cost ratio) / log(row ratio) between the two greatest counts, by format."""
    measured = {}
    for less, more in list(pairwise(sorted(found)))[-1:]:
        for kind in found[more]:
            a, b = found[less][kind][OURS], found[more][kind][OURS]
            measured[kind.value] = {
                "cpu_seconds": round(math.log(b.cpu_seconds / a.cpu_seconds) / math.log(more / less), 2),
                "added_rss": round(math.log(b.added_rss / a.added_rss) / math.log(more / less), 2),
            }
    return measured


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _formats(text: str) -> tuple[ExportFormat, ...]:
    return tuple(ExportFormat(part) for part in text.split(","))


if __name__ == "__main__":
    main()
