"""Benchmark 2: pairs of real datasets that are known to overlap; links by rule, accepted and refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.entity_resolution.real_lake import all_resolved

OSM, UFZ = "deu_osm_pv_2023", "deu_ufz_open_field_pv_2015"
INDIA, CHINA = "ind_pv_solar_farms_2022", "chn_med_res_pv_2024"
GPPD, DUNNETT = "global_wri_gppd_2021", "global_harmonized_large_solar_farms_2020"
USPVDB, BRADBURY = "usa_uspvdb_v3_2025", "usa_cali_usgs_pv_2016"


@dataclass(frozen=True)
class Pair:
    """Two datasets; ``known`` is what the mirror's own description says of their overlap."""

    a: str
    b: str
    known: str


PAIRS = (
    Pair(UFZ, OSM, "2,566 intersecting pairs"),
    Pair(INDIA, GPPD, "365 points inside, 620 within 1 km"),
    Pair(INDIA, DUNNETT, "164 points inside"),
    Pair(GPPD, DUNNETT, "4,716 within 1 km"),
    Pair(CHINA, CHINA, "94 pairs (training and test)"),
    Pair(DUNNETT, USPVDB, "1,043 within 500 m"),
    Pair(OSM, DUNNETT, "1,690 points inside"),
    Pair(UFZ, DUNNETT, "2,574 within 250 m"),
    Pair(BRADBURY, USPVDB, "463 rooftops beside 13 plants"),
)

LINKS = """
    SELECT rule_id, count(*) AS compared, count(*) FILTER (accepted) AS accepted,
        count(*) FILTER (refusal IS NOT NULL AND refusal != 'below_threshold') AS refused,
        count(*) FILTER (part_observation_id IS NOT NULL AND NOT accepted) AS part
    FROM lake.curated.pv_links
    WHERE (dataset_a = $a AND dataset_b = $b) OR (dataset_a = $b AND dataset_b = $a)
    GROUP BY rule_id ORDER BY accepted DESC, rule_id
"""

SHARED = """
    SELECT count(*) FROM (
        SELECT installation_id FROM lake.curated.pv_installation_observations
        GROUP BY installation_id
        HAVING count(*) FILTER (dataset = $a) >= $least AND count(*) FILTER (dataset = $b) >= $least
    )
"""


def measure(out: Console) -> dict[str, Any]:
    """Run the benchmark, print its table and return it."""
    rows = []
    with all_resolved().connect() as con:
        for pair in PAIRS:
            datasets = {"a": pair.a, "b": pair.b}
            found = con.execute(LINKS, datasets).fetchall()
            (shared,) = con.execute(SHARED, {**datasets, "least": 2 if pair.a == pair.b else 1}).fetchone() or (0,)
            names = ("rule", "compared", "accepted", "refused", "part")
            links = [dict(zip(names, row, strict=True)) for row in found]
            rows.append({**asdict(pair), "installations_shared": shared, "links": links})
    out.print(_as_table(rows))
    return {"pairs": rows}


def _as_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(
        title="Real overlap: links by rule (refused: probable enough, but a guard objected; part: may be part of the other)"
    )
    for heading in ("datasets", "known of them", "rule", "compared", "accepted", "refused", "part", "installations of both"):
        table.add_column(heading, justify="left" if heading in ("datasets", "known of them", "rule") else "right")
    for row in rows:
        total = {name: sum(link[name] for link in row["links"]) for name in ("compared", "accepted", "refused", "part")}
        heading = f"{row['a']} ↔ {row['b']}", row["known"], "all"
        table.add_row(*heading, *(f"{number:,}" for number in total.values()), f"{row['installations_shared']:,}")
        for link in row["links"]:
            table.add_row("", "", link["rule"], *(f"{link[name]:,}" for name in total))
        table.add_section()
    return table
