"""What chips are to be built: installations, the scenes chosen for each period, and the files of those scenes.

The lake is asked in this module and nowhere else in the chips' code.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from db.errors import LakeError
from db.lake import has_table

# Cells of this resolution have edges of 9.9 km: whatever reaches into a chip lies in a site's cell or beside it
NEIGHBOUR_COLUMN = "h3_r5"


@dataclass(frozen=True)
class ChipPlan:
    """Input of a build.

    Attributes:
        installations: installation_id, geometry (WKB, EPSG:4326, longitude before latitude), h3_r8, area_m2, capacity_mw:
            those to make chips of, and those around them, which show in their masks.
        scenes: installation_id, catalog, collection, item_id, version, period (first day of a month), rank (1 is tried
            first), datetime (UTC), epsg, processing_baseline, boa_offset_applied.
        assets: catalog, collection, item_id, version, asset_key, href, media_type, roles, bands (in file order), gsd_m,
            proj_transform, nodata, scale, value_offset, checksum.
        snapshot_id: DuckLake snapshot that it was read from; ``None`` for a plan made by hand.
    """

    installations: pa.Table
    scenes: pa.Table
    assets: pa.Table
    snapshot_id: int | None = None

    @property
    def digest(self) -> str:
        """Identity of the plan's content, whatever snapshot it was read from (sha256, 16 hex digits)."""
        found = hashlib.sha256()
        for table in (self.installations, self.scenes, self.assets):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema.remove_metadata()) as writer:
                writer.write_table(table.replace_schema_metadata(None).combine_chunks())
            found.update(memoryview(sink.getvalue()))
        return found.hexdigest()[:16]


def read_plan(
    con: duckdb.DuckDBPyConnection,
    *,
    collections: list[str] | None = None,
    first_period: date | None = None,
    last_period: date | None = None,
    installations: list[str] | None = None,
) -> ChipPlan:
    """The plan that the lake's tables make: ``curated.pv_scenes``, ``staging.stg_stac_assets``, ``curated.pv_installations``.

    Args:
        con: a connection to a built lake.
        collections: STAC collections; all when omitted.
        first_period: first day of the first month; all when omitted.
        last_period: first day of the last month.
        installations: ids; all that have scenes when omitted.

    Raises:
        LakeError: the tables have not been built.
    """
    for schema, table in (("curated", "pv_scenes"), ("curated", "pv_installations"), ("staging", "stg_stac_assets")):
        if not has_table(con, schema, table):
            raise LakeError(f"There is no {schema}.{table}.", remedy="Run 'eopv stac ingest' and 'eopv build' first.")
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE planned_scenes AS
        SELECT
            scenes.installation_id, scenes.catalog, scenes.collection, scenes.item_id, scenes.version, scenes.period,
            scenes.rank, scenes.datetime, scenes.epsg, items.processing_baseline, items.boa_offset_applied
        FROM lake.curated.pv_scenes AS scenes
        JOIN lake.staging.stg_stac_items AS items USING (catalog, collection, item_id, version)
        WHERE ($collections IS NULL OR scenes.collection IN (SELECT unnest($collections::VARCHAR[])))
            AND ($first IS NULL OR scenes.period >= $first)
            AND ($last IS NULL OR scenes.period <= $last)
            AND ($installations IS NULL OR scenes.installation_id IN (SELECT unnest($installations::VARCHAR[])))
        """,
        {"collections": collections, "first": first_period, "last": last_period, "installations": installations},
    )
    try:
        scenes = con.execute(
            "SELECT * FROM planned_scenes ORDER BY installation_id, collection, period, rank, catalog, item_id"
        ).to_arrow_table()
        assets = con.execute(
            """
            SELECT
                catalog, collection, item_id, version, asset_key, href, media_type, roles, bands, gsd_m, proj_transform,
                nodata, scale, value_offset, checksum
            FROM lake.staging.stg_stac_assets
            SEMI JOIN planned_scenes USING (catalog, collection, item_id, version)
            ORDER BY catalog, collection, item_id, version, asset_key
            """
        ).to_arrow_table()
        around = con.execute(
            f"""
            WITH chosen AS (
                SELECT DISTINCT {NEIGHBOUR_COLUMN} AS cell FROM lake.curated.pv_installations
                SEMI JOIN planned_scenes USING (installation_id)
            ),
            cells AS (SELECT DISTINCT unnest(h3_grid_disk(cell, 1)) AS cell FROM chosen WHERE cell IS NOT NULL)
            SELECT installation_id, ST_AsWKB(geometry)::BLOB AS geometry, h3_r8, area_m2, capacity_mw
            FROM lake.curated.pv_installations
            WHERE {NEIGHBOUR_COLUMN} IN (SELECT cell FROM cells)
                OR installation_id IN (SELECT installation_id FROM planned_scenes)
            ORDER BY installation_id
            """
        ).to_arrow_table()
        (snapshot,) = con.execute("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone() or (None,)
    finally:
        con.execute("DROP TABLE IF EXISTS planned_scenes")
    return ChipPlan(around, scenes, assets, snapshot)
