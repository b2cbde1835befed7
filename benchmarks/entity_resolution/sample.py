"""Borderline pairs of the real datasets, for reading by hand: ``python -m benchmarks.entity_resolution.sample``.

Accepted and rejected pairs nearest to the threshold, as many of each pair of datasets as of any other, with all evidence and
room for a verdict. The file holds rows of the published datasets: it stays out of the repository.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import duckdb

from benchmarks.entity_resolution.real_lake import FOLDER, all_resolved
from benchmarks.reporting import console
from db.sql import literal

COUNT = 50

ATTRIBUTES = (
    "source_feature_id",
    "name",
    "operator",
    "capacity_mw",
    "capacity_mw_dc",
    "installed_year",
    "level",
    "area_m2",
    "reported_area_m2",
    "country_iso3",
    "centroid_lon_deg",
    "centroid_lat_deg",
)

# Refused by a guard is rejected too; its probability may be high, so that these come last
BORDERLINE = f"""
    WITH ranked AS (
        SELECT *, row_number() OVER (
            PARTITION BY accepted, least(dataset_a, dataset_b), greatest(dataset_a, dataset_b)
            ORDER BY abs(match_weight), observation_id_a, observation_id_b
        ) AS rank
        FROM lake.curated.pv_links
    ),
    chosen AS (
        SELECT * EXCLUDE (rank) FROM ranked
        QUALIFY row_number() OVER (PARTITION BY accepted ORDER BY rank, abs(match_weight), observation_id_a) <= $count
    )
    SELECT
        '' AS verdict,
        '' AS remark,
        chosen.*,
        {", ".join(f"{side}.{name} AS {name}_{side}" for name in ATTRIBUTES for side in ("a", "b"))}
    FROM chosen
    JOIN lake.prepared.prep_pv_observations AS a ON a.observation_id = chosen.observation_id_a
    JOIN lake.prepared.prep_pv_observations AS b ON b.observation_id = chosen.observation_id_b
    ORDER BY accepted DESC, dataset_a, dataset_b, abs(match_weight)
"""


def write(con: duckdb.DuckDBPyConnection, file: Path, count: int = COUNT) -> int:
    """Write ``count`` accepted and ``count`` rejected pairs as CSV; returns how many there were."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    con.execute(f"COPY ({BORDERLINE.replace('$count', str(count))}) TO {literal(str(part))} (FORMAT csv, HEADER)")
    part.rename(file)
    (written,) = con.execute(f"SELECT count(*) FROM read_csv({literal(str(file))})").fetchone() or (0,)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.entity_resolution.sample", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="accepted pairs, and rejected ones")
    parser.add_argument("--output", type=Path, default=FOLDER / "borderline_pairs.csv")
    chosen = parser.parse_args()
    with all_resolved().connect() as con:
        written = write(con, chosen.output, chosen.count)
    console().print(f"{written} pairs written to {chosen.output}")


if __name__ == "__main__":
    main()
