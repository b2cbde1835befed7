"""Readers: one published file → one lazy table. Nothing is read here beyond a file's header.

Each format is one ``config.when`` variant of the node ``layers``. A reader keeps every published attribute under its
published name and adds ``source_row``, the 0-based position of the feature in its file.
"""

from __future__ import annotations

from contextlib import ExitStack

import duckdb
from hamilton.function_modifiers import cache, config, tag

from dataflows.raw.layer import Layer
from dataflows.raw.ogr_layer import SUFFIXES, open_ogr
from dataflows.raw.parquet_layer import open_parquet
from dataflows.raw.text_layer import open_coordinates, open_csv
from db.errors import ReadError
from ingest.acquire import AcquiredFile, Acquisition
from ingest.manifest import Distribution, Format


@config.when_in(format=list(SUFFIXES))
@cache(behavior="disable")
@tag(step="read", layer="landing")
def layers__ogr(
    unpacked: Acquisition, distribution: Distribution, lake: duckdb.DuckDBPyConnection, resources: ExitStack
) -> list[Layer]:
    """Shapefile, GeoPackage, GeoJSON, KML and KMZ through GDAL as Arrow streams."""
    files = _with_suffix(unpacked, SUFFIXES[distribution.format])
    return [open_ogr(file, distribution.format, distribution.layer, lake, resources) for file in files]


@config.when(format=Format.GEOPARQUET)
@cache(behavior="disable")
@tag(step="read", layer="landing")
def layers__geoparquet(unpacked: Acquisition, lake: duckdb.DuckDBPyConnection) -> list[Layer]:
    """GeoParquet of any version and encoding, and Parquet with a WKB column named ``geometry``."""
    return [open_parquet(file, lake) for file in _with_suffix(unpacked, (".parquet", ".geoparquet"))]


@config.when(format=Format.CSV)
@cache(behavior="disable")
@tag(step="read", layer="landing")
def layers__csv(
    unpacked: Acquisition, distribution: Distribution, lake: duckdb.DuckDBPyConnection, resources: ExitStack
) -> list[Layer]:
    """Delimited text with coordinate columns; dialect and types are sniffed over the whole file."""
    return [open_csv(file, distribution, lake, resources) for file in unpacked.files]


@config.when(format=Format.JSON_COORDINATES)
@cache(behavior="disable")
@tag(step="read", layer="landing")
def layers__json_coordinates(unpacked: Acquisition, lake: duckdb.DuckDBPyConnection) -> list[Layer]:
    """A JSON array of ``[x, y]`` pairs; they have no attributes."""
    return [open_coordinates(file, lake) for file in unpacked.files]


def _with_suffix(unpacked: Acquisition, suffixes: tuple[str, ...]) -> list[AcquiredFile]:
    files = [file for file in unpacked.files if file.name.lower().endswith(suffixes)]
    if not files:
        raise ReadError(
            f"{unpacked.dataset}: no {' or '.join(suffixes)} file among {', '.join(file.name for file in unpacked.files)}.",
            remedy="Correct 'format', 'files' or 'members' in the manifest.",
        )
    return files
