"""Overture Maps → one landing table a type: areas of interest → snapshot of a release → table → landed.

Draw it with ``eopv dag context_overture``.
"""

from __future__ import annotations

import duckdb
from hamilton.function_modifiers import check_output_custom, tag

from dataflows.outcomes import measures
from dataflows.raw.context_areas import Areas, areas_of_interest
from dataflows.raw.context_landing import Material
from dataflows.raw.layer import PROVENANCE, LazyTable, provenance
from dataflows.raw.run_identity import Run
from dataflows.raw.validators import HasColumns
from db.sql import identifier, literal
from ingest import overture
from ingest.context_access import ContextAccess
from ingest.context_manifest import Context
from ingest.overture_snapshot import Snapshot


@measures.register
def _(result: Snapshot) -> dict[str, int]:
    return {"files": 1, "bytes": result.bytes_read, "rows": result.rows}


@tag(step="areas", layer="landing")
def areas(context: Context, lake: duckdb.DuckDBPyConnection) -> Areas:
    """Cells that hold landed PV, and those around them."""
    return areas_of_interest(lake, context.source.h3_resolution, context.source.ring)


@tag(step="fetch", layer="landing")
def snapshot(context: Context, areas: Areas, access: ContextAccess) -> Snapshot:
    """The features of a release around PV, as one file on this machine."""
    return overture.snapshot(context, areas.surroundings(), access)


@tag(layer="landing")
def material(snapshot: Snapshot) -> Material:
    """What is in the file; nothing, where there is no such feature around PV."""
    return Material(snapshot.release, snapshot.origin, snapshot.sha256, may_be_empty=True)


@check_output_custom(HasColumns("geometry", *PROVENANCE, importance="fail"))
@tag(part_of="fetch", layer="landing")
def provenanced_table(snapshot: Snapshot, run: Run, lake: duckdb.DuckDBPyConnection) -> LazyTable:
    """Published columns, ``geometry`` typed, and provenance; ``source_sha256`` is that of the snapshot.

    A release's own files are never read whole, so that they have no checksum here.
    """
    stored = lake.sql(f"FROM read_parquet({literal(str(snapshot.path))})")
    kinds = dict(zip(stored.columns, map(str, stored.types), strict=True))
    geometry = "geometry::GEOMETRY" if kinds["geometry"].startswith("GEOMETRY") else "ST_GeomFromWKB(geometry)"
    published = [identifier(name) for name in stored.columns if name not in ("geometry", *PROVENANCE)]
    source = provenance(run, "source_file", literal(snapshot.sha256))
    return LazyTable(stored.project(", ".join([*published, f"{geometry} AS geometry", source])))
