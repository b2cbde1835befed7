"""GeoTIFFs → one landing table of pixels around PV: fetched → areas of interest → pixels → landed.

Draw it with ``eopv dag context_rasters``.
"""

from __future__ import annotations

import logging

import duckdb
import numpy as np
import pyarrow as pa
from hamilton.function_modifiers import check_output_custom, tag

from dataflows.raw.context_areas import Areas
from dataflows.raw.context_pixels import SCHEMA, pixels
from dataflows.raw.context_points import provenanced
from dataflows.raw.layer import PROVENANCE, LazyTable
from dataflows.raw.run_identity import Run
from dataflows.raw.validators import HasColumns
from db.errors import NoFileMatchedError
from ingest.acquire import Acquisition
from ingest.context_manifest import Context

log = logging.getLogger(__name__)


@tag(layer="landing")
def places(areas: Areas) -> np.ndarray:
    """Longitude and latitude of the centres of the areas of interest, degrees, (n, 2)."""
    return areas.centres()


@tag(step="read", layer="landing")
def pixel_table(unpacked: Acquisition, context: Context, places: np.ndarray) -> pa.Table:
    """The pixels of all files and variables, as :func:`dataflows.raw.context_pixels.pixels` has them.

    Raises:
        NoFileMatchedError: no file holds any of the variables; lists the files.
    """
    if not unpacked.files:
        return SCHEMA.empty_table()  # no archive of any country that PV stands in
    held: set[str] = set()
    tables, unused = [], [file.name for file in unpacked.files]
    for variable in context.source.variables:
        files = [file for file in unpacked.files if variable.files.accepts(file.name)]
        held.update([variable.name] if files else [])
        tables += [pixels(file, variable, places) for file in files]
        unused = [name for name in unused if not variable.files.accepts(name)]
    if not tables:
        raise NoFileMatchedError(
            f"{context.key}: no variable is in any of {', '.join(unused)}.", remedy="Correct 'variables' in the manifest."
        )
    for name in sorted({variable.name for variable in context.source.variables} - held):
        log.warning("%s: no file holds the variable %s", context.key, name)
    return pa.concat_tables(tables)


@check_output_custom(HasColumns("geometry", *PROVENANCE, importance="fail"))
@tag(part_of="read", layer="landing")
def provenanced_table(pixel_table: pa.Table, run: Run, lake: duckdb.DuckDBPyConnection) -> LazyTable:
    """A row a pixel and variable, with the pixel's centre as ``geometry``."""
    return provenanced(pixel_table, "lon_deg", "lat_deg", run, lake)
