"""Where the context of an installation comes from: boundaries, buildings, land, sun; each to its release and landing."""

from __future__ import annotations

from typing import Any

import duckdb

from db.lake import has_table, rows

_TABLES = (
    ("landing", "context_versions"),
    *(("prepared", f"prep_pv_{name}") for name in ("admin", "land", "buildings", "resource")),
)

# Which landed context the columns of an installation rest on: the newest landing of each, which a build reads
_CONTEXT = """
    WITH used AS (
        SELECT 'overture_division_area' AS context, ['country', 'region', 'county'] AS says
        FROM lake.prepared.prep_pv_admin WHERE installation_id = $id AND admin_source = 'overture'
        UNION ALL
        SELECT unnest(['natural_earth_admin_0', 'natural_earth_admin_1']), unnest([['country'], ['region']])
        FROM lake.prepared.prep_pv_admin WHERE installation_id = $id AND admin_source = 'natural_earth'
        UNION ALL
        SELECT 'overture_building', ['building_share', 'mount']
        FROM lake.prepared.prep_pv_buildings WHERE installation_id = $id AND building_share IS NOT NULL
        UNION ALL
        SELECT 'overture_infrastructure', ['mount']
        FROM lake.prepared.prep_pv_buildings WHERE installation_id = $id AND mount_rule = 'over_parking'
        UNION ALL
        SELECT 'overture_land_cover', ['land_cover']
        FROM lake.prepared.prep_pv_land WHERE installation_id = $id AND land_cover IS NOT NULL
        UNION ALL
        SELECT 'overture_land_use', ['land_use']
        FROM lake.prepared.prep_pv_land WHERE installation_id = $id AND land_use IS NOT NULL
        UNION ALL
        SELECT resource_source, ['ghi_kwh_m2_year', 'pvout_kwh_kwp_year', 'temperature_c']
        FROM lake.prepared.prep_pv_resource WHERE installation_id = $id AND resource_source IS NOT NULL
        UNION ALL
        SELECT irradiance_source, ['energy yield']
        FROM lake.prepared.prep_pv_resource WHERE installation_id = $id AND irradiance_source IS NOT NULL
    )
    SELECT v.context, used.says, v.release, v.url, v.licence, v.content_digest,
        s.snapshot_id AS landed_in, s.snapshot_time AS landed_at
    FROM used
    JOIN lake.landing.context_versions AS v USING (context)
    LEFT JOIN lake.snapshots() AS s
        ON (s.commit_extra_info ->> 'run_id') = v.ingest_run_id AND (s.commit_extra_info ->> 'context') = v.context
    QUALIFY row_number() OVER (PARTITION BY v.context ORDER BY v.ingested_at DESC) = 1
    ORDER BY v.context
"""


def of_place(con: duckdb.DuckDBPyConnection, installation_id: str) -> list[dict[str, Any]]:
    """The sources of context that say something of an installation.

    Args:
        con: connection to the lake.
        installation_id: whole id.

    Returns:
        Rows with context (key of the manifest), says (columns that it decided), release, url, licence, content_digest,
        landed_in (DuckLake snapshot) and landed_at; none where no context has been landed or built.
    """
    if not all(has_table(con, schema, table) for schema, table in _TABLES):
        return []
    return rows(con, _CONTEXT, {"id": installation_id})
