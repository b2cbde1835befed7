"""Benchmark 5: all real datasets of the mirror, from the union to installations."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.entity_resolution.real_lake import FOLDER, real_observations
from benchmarks.entity_resolution.resolving import in_process_of_its_own, lake_at
from benchmarks.reporting import MIB
from db import connect

LARGEST = 10

COUNTS = """
    SELECT
        (SELECT count(*) FROM lake.prepared.prep_pv_observations) AS observations,
        (SELECT count(*) FROM lake.prepared.prep_pv_observations WHERE geometry IS NOT NULL) AS located,
        (SELECT count(*) FROM lake.prepared.prep_pv_candidates) AS candidates,
        (SELECT count(*) FROM lake.curated.pv_links) AS links,
        (SELECT count(*) FROM lake.curated.pv_links WHERE accepted) AS accepted,
        (SELECT count(*) FROM lake.prepared.prep_pv_installations) AS installations,
        (SELECT count(*) FROM lake.prepared.prep_pv_installations WHERE part_of IS NOT NULL) AS parts,
        (SELECT count(*) FROM lake.curated.pv_installation_observations) AS assigned
"""

REFUSALS = "SELECT refusal, count(*) FROM lake.curated.pv_links WHERE refusal IS NOT NULL GROUP BY refusal ORDER BY refusal"

SIZES = """
    SELECT
        CASE WHEN n_observations > 10 THEN '> 10' WHEN n_observations > 5 THEN '6–10' ELSE n_observations::varchar END AS size,
        count(*) AS installations
    FROM lake.prepared.prep_pv_installations GROUP BY size ORDER BY min(n_observations)
"""

# Extent: the diagonal of the box around the centroids, on the sphere
DESCRIBED = f"""
    WITH largest AS (
        SELECT installation_id, n_observations FROM lake.prepared.prep_pv_installations
        ORDER BY n_observations DESC, installation_id LIMIT {LARGEST}
    ),
    members AS (
        SELECT largest.*, observations.* EXCLUDE (geometry)
        FROM largest JOIN lake.curated.pv_installation_observations AS bridge USING (installation_id)
        JOIN lake.prepared.prep_pv_observations AS observations USING (observation_id)
    ),
    by_dataset AS (
        SELECT installation_id, dataset, count(*) AS n FROM members GROUP BY ALL
    )
    SELECT
        installation_id,
        n_observations,
        (SELECT string_agg(dataset || ' ' || n, ', ' ORDER BY n DESC, dataset)
            FROM by_dataset WHERE by_dataset.installation_id = members.installation_id) AS datasets,
        string_agg(DISTINCT name, ' | ' ORDER BY name) AS names,
        round(avg(centroid_lon_deg), 4) AS lon,
        round(avg(centroid_lat_deg), 4) AS lat,
        round(111320 * sqrt(
            pow((max(centroid_lon_deg) - min(centroid_lon_deg)) * cos(radians(avg(centroid_lat_deg))), 2)
            + pow(max(centroid_lat_deg) - min(centroid_lat_deg), 2)
        )) AS extent_m,
        round(sum(coalesce(area_m2, reported_area_m2))) AS area_m2,
        max(capacity_mw) AS largest_mw
    FROM members GROUP BY installation_id, n_observations ORDER BY n_observations DESC, installation_id
"""


def measure(out: Console) -> dict[str, Any]:
    """Run the benchmark, print its tables and return them."""
    home = FOLDER / "mirror"
    shutil.rmtree(home, ignore_errors=True)
    in_process_of_its_own("load", home, real_observations())
    run = in_process_of_its_own("resolve", home)
    with connect(read_only=True, lake=lake_at(home)) as con:
        counts = _records(con, COUNTS)[0]
        refusals = dict(con.execute(REFUSALS).fetchall())
        sizes = dict(con.execute(SIZES).fetchall())
        largest = _records(con, DESCRIBED)
    counts["reduction"] = 1 - counts["installations"] / counts["assigned"]
    out.print(
        _fact_table({**counts, **{f"refused: {reason}": number for reason, number in refusals.items()}}, sizes, run.details)
    )
    out.print(f"wall {run.seconds:.1f} s, CPU {run.cpu_seconds:.1f} s, peak {run.peak_rss / MIB:,.0f} MiB", highlight=False)
    out.print(_largest_table(largest))
    return {"run": asdict(run), "counts": counts, "refusals": refusals, "installations by size": sizes, "largest": largest}


def _records(con: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = con.execute(query)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _fact_table(counts: dict[str, float], sizes: dict[str, int], details: dict[str, Any]) -> Table:
    table = Table(title="All real datasets: counts, installations by number of observations, seconds by model")
    for heading in ("", "count", "observations", "installations", "model", "s"):
        table.add_column(heading, justify="left" if heading in ("", "model") else "right")
    columns = [
        [(name, f"{value:.1%}" if isinstance(value, float) else f"{value:,}") for name, value in counts.items()],
        [(size, f"{number:,}") for size, number in sizes.items()],
        [(model, f"{seconds:.2f}") for model, seconds in details["model_seconds"].items()],
    ]
    for row in range(max(map(len, columns))):
        table.add_row(*(cell for column in columns for cell in (column[row] if row < len(column) else ("", ""))))
    return table


def _largest_table(largest: list[dict[str, Any]]) -> Table:
    table = Table(title="The largest installations")
    for heading in ("observations", "datasets", "names", "lon, lat", "extent m", "area m²", "MW"):
        table.add_column(heading, justify="left" if heading in ("datasets", "names", "lon, lat") else "right")
    for row in largest:
        numbers = ("" if row[name] is None else f"{row[name]:,.0f}" for name in ("extent_m", "area_m2", "largest_mw"))
        table.add_row(str(row["n_observations"]), row["datasets"], row["names"] or "", f"{row['lon']}, {row['lat']}", *numbers)
    return table
