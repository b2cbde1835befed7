"""Irradiance at stations → one landing table of time series: fetched → readings → landed.

Each kind is one ``config.when`` variant of the node ``readings``. Draw it with ``eopv dag context_irradiance``.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
from hamilton.function_modifiers import check_output_custom, config, tag

from dataflows.raw import nsrdb, typical_years
from dataflows.raw.context_areas import Areas
from dataflows.raw.context_points import provenanced
from dataflows.raw.layer import PROVENANCE, LazyTable
from dataflows.raw.run_identity import Run
from dataflows.raw.validators import HasColumns
from ingest.acquire import Acquisition
from ingest.context_manifest import Context


@config.when(kind="nsrdb")
@tag(layer="landing")
def places(areas: Areas) -> np.ndarray:
    """Longitude and latitude of the centres of the areas of interest, degrees, (n, 2)."""
    return areas.centres()


@config.when(kind="nsrdb")
@tag(step="read", layer="landing")
def readings__nsrdb(unpacked: Acquisition, context: Context, places: np.ndarray) -> pa.Table:
    """The stations nearest to PV, file by file; a series that a file lacks is null."""
    tables = [nsrdb.readings(file, places, context.source.max_distance_km) for file in unpacked.files]
    if not tables:
        tables = [nsrdb.none_nearby(context.source.origin.datasets)]
    table = pa.concat_tables(tables, promote_options="permissive")
    return table.append_column("series", pa.repeat(pa.scalar(context.source.series), table.num_rows))


@config.when(kind="pvgis_tmy")
@tag(step="read", layer="landing")
def readings__typical_year(unpacked: Acquisition, context: Context) -> pa.Table:
    """One typical year a file."""
    tables = [typical_years.readings(file, context.source.format) for file in unpacked.files]
    return pa.concat_tables(tables or [typical_years.none_nearby()], promote_options="permissive")


@check_output_custom(HasColumns("geometry", *PROVENANCE, importance="fail"))
@tag(part_of="read", layer="landing")
def provenanced_table(readings: pa.Table, run: Run, lake: duckdb.DuckDBPyConnection) -> LazyTable:
    """A row a station and time, with the station as ``geometry``."""
    return provenanced(readings, "longitude", "latitude", run, lake)
