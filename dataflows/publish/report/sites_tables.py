"""What the sites are: by country and region, the largest, how mounted, since when.

Counted and summed are sites that are no part of another one, so that a plant's phases and roofs are not counted twice.
"""

from __future__ import annotations

import duckdb

from dataflows.publish.report.table import Heading, Table, table

ROWS = 20
SITES = "lake.curated.pv_installations"
OF_ITS_OWN = "part_of IS NULL"

_SUMS = "count(*), sum(capacity_mw), sum(area_m2) / 1e6"
_SUM_HEADINGS = (Heading("Sites", 0), Heading("Capacity, MW (AC)", 1), Heading("Area, km²", 2))
_STATED = "Capacity and area are sums over the sites where they are known."


def sites_tables(con: duckdb.DuckDBPyConnection) -> tuple[Table, ...]:
    """Tables about sites."""
    return (
        table(
            con,
            "countries",
            f"Countries with the most sites (at most {ROWS})",
            (Heading("Country"), *_SUM_HEADINGS),
            f"""
            SELECT coalesce(country_name, country_code, 'unknown') AS country, {_SUMS} FROM {SITES}
            WHERE {OF_ITS_OWN} GROUP BY ALL ORDER BY count(*) DESC, country LIMIT {ROWS}
            """,
            _STATED,
        ),
        table(
            con,
            "regions",
            f"Regions with the most sites (at most {ROWS})",
            (Heading("Region"), Heading("Country"), *_SUM_HEADINGS),
            f"""
            SELECT region_name AS region, coalesce(country_name, country_code) AS country, {_SUMS} FROM {SITES}
            WHERE {OF_ITS_OWN} AND region_name IS NOT NULL GROUP BY ALL ORDER BY count(*) DESC, region, country LIMIT {ROWS}
            """,
        ),
        table(
            con,
            "largest",
            f"The {ROWS} largest sites",
            (
                Heading("Name"),
                Heading("Id"),
                Heading("Country"),
                Heading("Year"),
                Heading("Capacity, MW (AC)", 1),
                Heading("Area, km²", 2),
                Heading("Datasets"),
            ),
            f"""
            SELECT name, installation_id, coalesce(country_name, country_code), installed_year::VARCHAR, capacity_mw,
                area_m2 / 1e6, datasets
            FROM {SITES} WHERE {OF_ITS_OWN} AND capacity_mw IS NOT NULL
            ORDER BY capacity_mw DESC, installation_id LIMIT {ROWS}
            """,
        ),
        table(
            con,
            "mount",
            "Where panels stand",
            (Heading("Mount"), *_SUM_HEADINGS),
            f"SELECT mount, {_SUMS} FROM {SITES} WHERE {OF_ITS_OWN} GROUP BY ALL ORDER BY count(*) DESC, mount",
        ),
        table(
            con,
            "growth",
            "Sites by the year in which they began to work",
            (
                Heading("Year"),
                Heading("Sites", 0),
                Heading("Capacity added, MW (AC)", 1),
                Heading("Capacity in all, MW (AC)", 1),
            ),
            f"""
            SELECT coalesce(installed_year::VARCHAR, 'unknown'), count(*), sum(capacity_mw),
                CASE WHEN installed_year IS NOT NULL THEN sum(sum(capacity_mw)) OVER (ORDER BY installed_year NULLS LAST) END
            FROM {SITES} WHERE {OF_ITS_OWN} GROUP BY installed_year ORDER BY installed_year NULLS LAST
            """,
        ),
    )
