"""Files of features → one table in EPSG:4326 with provenance, whichever publication they are of.

Nodes are lazy DuckDB relations: nothing is read before the table is landed.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

import duckdb
from hamilton.function_modifiers import cache, check_output_custom, tag

from dataflows.raw import crs as reference_systems
from dataflows.raw.layer import PROVENANCE, Layer, LazyTable, provenance
from dataflows.raw.run_identity import Run
from dataflows.raw.validators import HasColumns
from db.sql import identifier, literal
from ingest.acquire import Acquisition
from ingest.manifest import Distribution


@tag(layer="landing")
def distribution(unpacked: Acquisition) -> Distribution:
    """The published form that was taken."""
    return unpacked.distribution


@tag(part_of="read", layer="landing")
def asserted_crs(layers: list[Layer], distribution: Distribution) -> list[str]:
    """The CRS of each layer: what the file says, or what the manifest says where the file says nothing."""
    return [reference_systems.asserted(layer.crs, distribution.crs, layer.file.name) for layer in layers]


@cache(behavior="disable")
@tag(part_of="read", layer="landing")
def geographic_layers(layers: list[Layer], asserted_crs: list[str], distribution: Distribution) -> list[Layer]:
    """Layers with ``geometry`` in EPSG:4326, longitude before latitude."""
    return [
        replace(layer, table=reference_systems.to_geographic(layer.table, crs, distribution.axis_order))
        for layer, crs in zip(layers, asserted_crs, strict=True)
    ]


@cache(behavior="disable")
@check_output_custom(HasColumns("geometry", *PROVENANCE, importance="fail"))
@tag(part_of="read", layer="landing")
def provenanced_table(geographic_layers: list[Layer], run: Run, lake: duckdb.DuckDBPyConnection) -> LazyTable:
    """All files of the dataset in one table, each row with the file, the row and the run that it came from."""
    parts = []
    for layer in geographic_layers:
        name = f"layer_{uuid.uuid4().hex}"
        source = provenance(run, literal(layer.file.name), literal(layer.file.sha256))
        lake.register(name, layer.table.project(f"* EXCLUDE (source_row), {source}"))
        parts.append(f"SELECT * FROM {name}")
    table = lake.sql(" UNION ALL BY NAME ".join(parts))
    attributes = [name for name in table.columns if name not in ("geometry", *PROVENANCE)]
    return LazyTable(table.project(", ".join(identifier(name) for name in (*attributes, "geometry", *PROVENANCE))))
