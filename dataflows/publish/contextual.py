"""Which columns come from context (boundaries, land, buildings, the sun) and not from PV datasets, and from which source."""

from __future__ import annotations

from typing import Any

import duckdb

from dataflows.publish.source import Source
from db.lake import has_table, rows

# By entries of ingest/context_manifest.yml
_ADMIN = (
    "country_code",
    "country_name",
    "country_id",
    "country_match",
    "region_code",
    "region_name",
    "region_id",
    "county_name",
)
_RESOURCE = (
    *("ghi_kwh_m2_year", "pvout_kwh_kwp_year", "temperature_c", "resource_source", "resource_distance_m"),
    *("energy_mwh", "specific_yield_kwh_kwp"),
)
_MOUNT = ("mount", "mount_probability", "mount_rule", "n_rooftop", "n_ground", "n_canopy")
COLUMNS = {
    "overture_division_area": (*_ADMIN, "county_id", "county_match", "region_match"),
    "natural_earth_admin_0": ("country_code", "country_name", "country_id", "country_match"),
    "natural_earth_admin_1": ("region_code", "region_name", "region_id", "region_match"),
    "overture_building": ("building_share", "n_buildings", *_MOUNT),
    "overture_infrastructure": _MOUNT,
    "overture_land_use": ("land_use", "land_use_class", "land_use_share"),
    "overture_land_cover": ("land_cover", "land_cover_share"),
    "global_solar_atlas": _RESOURCE,
    "nsrdb": _RESOURCE,
    "pvgis_tmy": _RESOURCE,
}


def landed(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Current version of each context source: context, release, title, url, citation, licence, commercial_use."""
    if not has_table(con, "landing", "context_versions"):
        return []
    return rows(
        con,
        """
        SELECT context, release, title, url, citation, licence, commercial_use FROM lake.landing.context_versions
        QUALIFY row_number() OVER (PARTITION BY context ORDER BY ingested_at DESC) = 1 ORDER BY context
        """,
    )


def of_table(con: duckdb.DuckDBPyConnection, source: Source) -> list[dict[str, Any]]:
    """The context sources that columns of a table may come from, or that it is about."""
    return [
        row
        for row in landed(con)
        if row["context"] in source.table or any(source.has(name) for name in COLUMNS.get(row["context"], ()))
    ]


def columns_of_restricted(con: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Columns that come, or may come, from context without permission for commercial use."""
    restricted = [row["context"] for row in landed(con) if row["commercial_use"] != "yes"]
    return frozenset(name for context in restricted for name in COLUMNS.get(context, ()))
