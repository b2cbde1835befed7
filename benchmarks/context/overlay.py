"""Share of each site on buildings: the project's macro, DuckDB cutting every pair, GeoPandas' overlay; time, memory, agreement.

All begin with the same GeoParquet files and end with a table of sites and shares in memory; overlapping footprints count once.
As a program it runs one of them in a process of its own: NAME SITES BUILDINGS QUERY OUTPUT.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
from dbt.cli.main import dbtRunner
from rich.console import Console
from rich.table import Table

from benchmarks.context import footprints
from benchmarks.entity_resolution.resolving import lake_at
from benchmarks.measuring import Measurement, in_child, least_disturbed, measure, warm
from benchmarks.reporting import MIB
from dataflows.elt import PROJECT_DIR
from db import convex_overlap, shares_in_order
from db.arrow_functions import provide
from db.extensions import load_extensions
from db.settings import REPOSITORY_ROOT, using

COUNTS = (10**4, 10**5, 10**6)
# Beyond, what cuts every pair is left out
MOST_CUT = 10**5
OURS, CUT, GEOPANDAS = "shares_of_sites", "DuckDB, every pair cut", "GeoPandas overlay"
# What GeoPandas is measured with; equal-area
LAEA = "EPSG:3035"
CALL = "with sites as ({{ sites_of_installations() }}) select * from ({{ shares_of_sites('sites', 'buildings') }})"
EVERY_PAIR = """
    SELECT installation_id, 'building' AS kind,
        ST_Area_Spheroid(ST_Union_Agg(ST_Intersection(sites.geometry, buildings.geometry)))
            / any_value(ST_Area_Spheroid(sites.geometry)) AS share
    FROM lake.prepared.prep_pv_installations AS sites JOIN buildings ON ST_Intersects(sites.geometry, buildings.geometry)
    GROUP BY installation_id
"""


def engine() -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory; its extension and functions count as imports, as in the benchmark of joins."""
    con = duckdb.connect()
    load_extensions(con, ("spatial",))
    con.execute("SET geometry_always_xy = true")
    provide(con, convex_overlap.FUNCTIONS | shares_in_order.FUNCTIONS)
    return con


def by_duckdb(con: duckdb.DuckDBPyConnection, sites: Path, buildings: Path, query: str) -> pd.DataFrame:
    """A query over ``lake.prepared.prep_pv_installations`` and ``buildings``."""
    con.execute("ATTACH ':memory:' AS lake")
    con.execute("CREATE SCHEMA lake.prepared")
    con.execute(f"CREATE TABLE lake.prepared.prep_pv_installations AS FROM read_parquet('{sites}')")
    con.execute(f"CREATE TABLE buildings AS SELECT *, 0 AS layer, 0 AS area_rank FROM read_parquet('{buildings}')")
    return con.sql(query).df()


def by_geopandas(sites: Path, buildings: Path) -> pd.DataFrame:
    """The overlay in an equal-area projection, then the union of a site's pieces where there are several."""
    outlines = gpd.read_parquet(sites).to_crs(LAEA)
    pieces = gpd.overlay(outlines, gpd.read_parquet(buildings).to_crs(LAEA), how="intersection", keep_geom_type=True)
    several = pieces.duplicated("installation_id", keep=False)
    united = pieces[several].dissolve("installation_id").area
    covered_m2 = pd.concat([pieces[~several].set_index("installation_id").area, united])
    whole_m2 = outlines.set_index("installation_id").area
    return (covered_m2 / whole_m2[covered_m2.index]).rename("share").reset_index()


def compiled(file: Path) -> Path:
    """The project's SQL in a file, over the tables that :func:`by_duckdb` makes.

    Raises:
        RuntimeError: dbt could not compile it.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as home:
        folders = ("--project-dir", PROJECT_DIR, "--profiles-dir", REPOSITORY_ROOT, "--target-path", home, "--log-path", home)
        with using(lake_at(Path(home))):
            outcome = dbtRunner().invoke(["compile", "--quiet", "--inline", CALL, *map(str, folders)])
    if outcome.exception is not None or not outcome.result:
        raise RuntimeError(f"dbt could not compile the overlay: {outcome.exception}")
    file.write_text(outcome.result[0].node.compiled_code, encoding="utf-8")  # type: ignore[union-attr,index]
    return file


def measured(cache: Path, out: Console, counts: Sequence[int] = COUNTS, attempts: int = 2) -> dict[str, Any]:
    """Run each way at each size, print the tables and return them."""
    folder = cache / "overlay"
    folder.mkdir(parents=True, exist_ok=True)
    query = compiled(folder / "shares_of_sites.sql")
    found = {}
    for count in counts:
        files = footprints.written(count, folder)
        for file in files:
            warm(file)
        runs, shares = {}, {}
        ways = (OURS, CUT, GEOPANDAS) if count <= MOST_CUT else (OURS, GEOPANDAS)
        for number, name in enumerate(ways):
            result = folder / f"{count}-{number}.parquet"
            run = partial(in_child, "benchmarks.context.overlay", name, *map(str, (*files, query, result)))
            runs[name] = least_disturbed(attempts, run, long_s=5)
            shares[name] = pd.read_parquet(result).set_index("installation_id")["share"]
            result.unlink()
        apart = {name: _greatest_difference(shares[name], shares[GEOPANDAS]) for name in runs}
        out.print(_table(count, runs, apart))
        found[count] = {name: {**asdict(run), "greatest_difference": apart[name]} for name, run in runs.items()}
    return found


def _greatest_difference(one: pd.Series, other: pd.Series) -> float:
    return float(np.abs(one.sub(other, fill_value=0)).max())


def _table(count: int, runs: dict[str, Measurement], apart: dict[str, float]) -> Table:
    table = Table(title=f"{count:,} sites × {count:,} buildings")
    for heading in ("", "s", "CPU s", "peak MiB", "added MiB", "sites on buildings", "share differs by ≤", "foreign cores"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, run in runs.items():
        seconds, memory = f"{run.seconds:.2f}", (f"{run.peak_rss / MIB:,.0f}", f"{run.added_rss / MIB:,.0f}")
        found = f"{run.details['sites']:,}", f"{apart[name]:.1e}"
        table.add_row(name, seconds, f"{run.cpu_seconds:.2f}", *memory, *found, f"{run.foreign_cores:.2f}")
    return table


def main() -> None:
    name, sites, buildings, query, output = sys.argv[1:]
    text = Path(query).read_text(encoding="utf-8") if name == OURS else EVERY_PAIR
    con = engine()
    result: list[pd.DataFrame] = []

    def laid_over() -> dict[str, Any]:
        files = Path(sites), Path(buildings)
        result.append(by_geopandas(*files) if name == GEOPANDAS else by_duckdb(con, *files, text))
        return {"sites": len(result[0])}

    def kept() -> dict[str, Any]:
        result[0].to_parquet(output)
        return {}

    measure(laid_over, kept)


if __name__ == "__main__":
    main()
