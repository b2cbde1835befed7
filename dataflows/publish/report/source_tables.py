"""Where it all comes from, and how good it is."""

from __future__ import annotations

import duckdb

from dataflows.publish.report.sites_tables import SITES
from dataflows.publish.report.table import Heading, Table, table
from db.lake import has_table

_DOI = "https://doi.org/"

# Attributes of a site whose coverage is told
ATTRIBUTES = (
    "geometry",
    "name",
    "operator",
    "area_m2",
    "capacity_mw",
    "installed_year",
    "country_code",
    "region_name",
    "county_name",
    "land_cover",
    "land_use",
    "mount_probability",
    "ghi_kwh_m2_year",
    "pvout_kwh_kwp_year",
)


def provenance_tables(con: duckdb.DuckDBPyConnection) -> tuple[Table, ...]:
    """Datasets and context with licence, citation and DOI."""
    found = [
        table(
            con,
            "datasets",
            "PV datasets",
            (
                Heading("Dataset"),
                Heading("Vintage"),
                Heading("Rows", 0),
                Heading("Area, km²", 2),
                Heading("Capacity, MW (AC)", 1),
                Heading("Licence"),
                Heading("Commercial use"),
                Heading("DOI", link=_DOI),
                Heading("Citation"),
            ),
            """
            SELECT dataset, vintage, n_observations, total_area_m2 / 1e6, total_capacity_mw, licence, commercial_use, doi,
                citation
            FROM lake.curated.dataset_summary ORDER BY dataset
            """,
        )
    ]
    if has_table(con, "landing", "context_versions"):
        found.append(
            table(
                con,
                "context",
                "Context: boundaries, land, buildings, irradiance",
                (
                    Heading("Source"),
                    Heading("Release"),
                    Heading("Rows", 0),
                    Heading("Licence"),
                    Heading("Commercial use"),
                    Heading("Citation"),
                ),
                """
                SELECT context, release, rows_landed, licence, commercial_use, citation FROM lake.landing.context_versions
                QUALIFY row_number() OVER (PARTITION BY context ORDER BY ingested_at DESC) = 1 ORDER BY context
                """,
            )
        )
    return tuple(found)


def quality_tables(con: duckdb.DuckDBPyConnection) -> tuple[Table, ...]:
    """Geometry, duplicates, links, overlap, coverage of attributes, failures."""
    covered = " UNION ALL ".join(
        f"SELECT '{name}' AS attribute, count({name}), 100.0 * count({name}) / nullif(count(*), 0) FROM {SITES}"
        for name in ATTRIBUTES
    )
    return (
        table(
            con,
            "geometry",
            "Observations by dataset: state of their geometry",
            (Heading("Dataset"), *(Heading(text, 0) for text in ("Valid", "Repaired", "Without geometry", "Duplicates"))),
            """
            SELECT dataset, n_valid, n_repaired, n_without_geometry, n_duplicates FROM lake.curated.dataset_summary
            ORDER BY dataset
            """,
        ),
        table(
            con,
            "attributes",
            "Of how many sites an attribute is known",
            (Heading("Attribute"), Heading("Sites", 0), Heading("Share, %", 1)),
            covered,
        ),
        table(
            con,
            "overlap",
            "Datasets that see the same sites",
            (
                Heading("Dataset A"),
                Heading("Dataset B"),
                Heading("Sites of A", 0),
                Heading("Sites of B", 0),
                Heading("Sites of both", 0),
                Heading("Share of A, %", 1),
            ),
            """
            SELECT dataset_a, dataset_b, n_installations_a, n_installations_b, n_installations_shared, 100 * share_of_a
            FROM lake.curated.pv_dataset_overlap WHERE dataset_a < dataset_b
            ORDER BY n_installations_shared DESC, dataset_a, dataset_b
            """,
        ),
        table(
            con,
            "links",
            "Links between observations, and why some were refused",
            (Heading("Rule"), Heading("Outcome"), Heading("Links", 0), Heading("Mean match probability", 3)),
            """
            SELECT rule_id,
                CASE WHEN accepted THEN 'accepted' ELSE coalesce('refused: ' || refusal, 'refused') END AS outcome,
                count(*), avg(match_probability)
            FROM lake.curated.pv_links GROUP BY ALL ORDER BY count(*) DESC, rule_id, outcome
            """,
        ),
        table(
            con,
            "outcomes",
            "Steps that failed in each dataset's last run",
            (Heading("Dataset"), Heading("Step"), Heading("Kind"), Heading("What happened"), Heading("When")),
            """
            SELECT dataset, step, error_kind, error_message, strftime(started_at, '%Y-%m-%d %H:%M')
            FROM lake.landing.ingest_outcomes
            QUALIFY started_at = max(started_at) OVER (PARTITION BY dataset) AND status = 'failed' ORDER BY dataset, step
            """,
        ),
    )
