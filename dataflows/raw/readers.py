"""Readers: one published file → one lazy table. Nothing is read here beyond a file's header.

Each format is one ``config.when`` variant of the node ``layers``. A reader keeps every published attribute under its
published name and adds ``source_row``, the 0-based position of the feature in its file.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import duckdb
import geoarrow.rust.core as geoarrow
import geoarrow.rust.io as geoarrow_io
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
from hamilton.function_modifiers import cache, config, tag
from pyogrio.errors import DataLayerError, DataSourceError

from dataflows.outcomes import measures
from db.errors import ReadError, SchemaError
from db.sql import identifier, literal
from ingest.acquire import AcquiredFile, Acquisition
from ingest.manifest import Distribution, Format

BATCH_ROWS = 65_536
OGR_FORMATS = [Format.SHAPEFILE, Format.GEOPACKAGE, Format.GEOJSON, Format.KML]
OGR_SUFFIXES = {
    Format.SHAPEFILE: (".shp",),
    Format.GEOPACKAGE: (".gpkg",),
    Format.GEOJSON: (".geojson", ".json"),
    Format.KML: (".kml", ".kmz"),
}
# Counting features or listing layers of the other formats means parsing the whole file
INDEXED_FORMATS = {Format.SHAPEFILE, Format.GEOPACKAGE}
LAYERED_FORMATS = {Format.GEOPACKAGE, Format.KML}


@dataclass(frozen=True)
class Layer:
    """One file as a lazy table.

    Attributes:
        file: the file and its checksum.
        table: published columns, ``geometry`` (in ``crs``) and ``source_row`` (BIGINT).
        crs: what the file says about itself, as anything ``pyproj.CRS`` takes; ``None`` when it says nothing.
        rows: features that the file announces, where the format does.
    """

    file: AcquiredFile
    table: duckdb.DuckDBPyRelation
    crs: str | None
    rows: int | None


@measures.register
def _(result: list) -> dict[str, int]:
    counts = [layer.rows for layer in result]
    rows = {} if None in counts else {"rows": sum(counts)}
    return {"files": len(result), "bytes": sum(layer.file.bytes for layer in result), **rows}


@config.when_in(format=OGR_FORMATS)
@cache(behavior="disable")
@tag(step="read", layer="landing")
def layers__ogr(
    unpacked: Acquisition, distribution: Distribution, lake: duckdb.DuckDBPyConnection, resources: ExitStack
) -> list[Layer]:
    """Shapefile, GeoPackage, GeoJSON, KML and KMZ through GDAL as Arrow streams."""
    suffixes = OGR_SUFFIXES[distribution.format]
    files = [file for file in unpacked.files if file.name.lower().endswith(suffixes)]
    return [
        _open_ogr(file, distribution.format, distribution.layer, lake, resources) for file in _some(files, unpacked, suffixes)
    ]


@config.when(format=Format.GEOPARQUET)
@cache(behavior="disable")
@tag(step="read", layer="landing")
def layers__geoparquet(unpacked: Acquisition, lake: duckdb.DuckDBPyConnection) -> list[Layer]:
    """GeoParquet of any version and encoding, and Parquet with a WKB column named ``geometry``."""
    suffixes = (".parquet", ".geoparquet")
    files = [file for file in unpacked.files if file.name.lower().endswith(suffixes)]
    return [_open_parquet(file, lake) for file in _some(files, unpacked, suffixes)]


@config.when(format=Format.CSV)
@cache(behavior="disable")
@tag(step="read", layer="landing")
def layers__csv(unpacked: Acquisition, distribution: Distribution, lake: duckdb.DuckDBPyConnection) -> list[Layer]:
    """Delimited text with coordinate columns; dialect and types are sniffed over the whole file."""
    assert distribution.points is not None
    return [_open_csv(file, distribution, lake) for file in unpacked.files]


@config.when(format=Format.JSON_COORDINATES)
@cache(behavior="disable")
@tag(step="read", layer="landing")
def layers__json_coordinates(unpacked: Acquisition, lake: duckdb.DuckDBPyConnection) -> list[Layer]:
    """A JSON array of ``[x, y]`` pairs; they have no attributes."""
    return [_open_coordinates(file, lake) for file in unpacked.files]


def _some(files: list[AcquiredFile], unpacked: Acquisition, suffixes: tuple[str, ...]) -> list[AcquiredFile]:
    if not files:
        raise ReadError(
            f"{unpacked.dataset}: no {' or '.join(suffixes)} file among {', '.join(file.name for file in unpacked.files)}.",
            remedy="Correct 'format', 'files' or 'members' in the manifest.",
        )
    return files


def _numbered(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Batches with ``source_row`` appended; numbering here keeps DuckDB's plan parallel, a window function would not."""
    start = 0
    for batch in reader:
        rows = pa.array(range(start, start + batch.num_rows), pa.int64())
        start += batch.num_rows
        yield pa.RecordBatch.from_arrays([*batch.columns, rows], schema=schema)


def _scan(reader: pa.RecordBatchReader, lake: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    schema = reader.schema.append(pa.field("source_row", pa.int64()))
    name = f"stream_{uuid.uuid4().hex}"
    lake.register(name, pa.RecordBatchReader.from_batches(schema, _numbered(reader, schema)))
    return lake.sql(f"SELECT * FROM {name}")


def _as_geometry(table: duckdb.DuckDBPyRelation, column: str, file: AcquiredFile) -> duckdb.DuckDBPyRelation:
    """The table with its geometry column named ``geometry``, whatever it was called and wherever it stood."""
    others = [name for name in table.columns if name not in (column, "source_row")]
    if taken := [name for name in others if name.lower() in {"geometry", "source_row"}]:
        raise SchemaError(
            f"{file.name}: attribute {taken[0]!r} has the name of a column that the lake adds.",
            remedy="Say so in an issue: the dataset needs a rename in the manifest.",
        )
    columns = ", ".join(identifier(name) for name in others)
    return table.project(f"{columns}{', ' if columns else ''}{identifier(column)} AS geometry, source_row")


def _open_ogr(
    file: AcquiredFile, kind: Format, layer: str | None, lake: duckdb.DuckDBPyConnection, resources: ExitStack
) -> Layer:
    try:
        rows, encoding = None, None
        if kind in INDEXED_FORMATS:
            info = pyogrio.read_info(file.path, layer=layer, force_feature_count=True)
            # Said explicitly, because pyogrio hands Arrow the file's bytes, not UTF-8, where it only detects an encoding
            rows, encoding = int(info["features"]), info["encoding"]
        if layer is None and kind in LAYERED_FORMATS:
            available = [str(name) for name, _ in pyogrio.list_layers(file.path)]
            if len(available) > 1:
                raise SchemaError(
                    f"{file.name} has several layers: {', '.join(available)}.", remedy="Name one as 'layer' in the manifest."
                )
        # use_pyarrow=False hands over GDAL's own Arrow stream, without building the table
        meta, stream = resources.enter_context(
            pyogrio.raw.open_arrow(file.path, layer=layer, encoding=encoding, use_pyarrow=False, batch_size=BATCH_ROWS)
        )
    except (DataSourceError, DataLayerError) as error:
        raise ReadError(
            f"{file.name} cannot be read: {error}.", remedy="Check 'format' and 'layer' in the manifest."
        ) from error
    table = _scan(pa.RecordBatchReader.from_stream(stream), lake)
    geometry = meta["geometry_name"] or "wkb_geometry"
    if geometry not in table.columns:
        raise SchemaError(f"{file.name} has no geometry column.", remedy="Check 'format' in the manifest.")
    return Layer(file, _as_geometry(table, geometry, file), meta["crs"], rows)


def _open_parquet(file: AcquiredFile, lake: duckdb.DuckDBPyConnection) -> Layer:
    try:
        parquet = pq.ParquetFile(file.path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ReadError(f"{file.name} cannot be read as Parquet: {error}.") from error
    rows = parquet.metadata.num_rows
    geo = json.loads((parquet.metadata.metadata or {}).get(b"geo", b"{}"))
    if not geo:
        return _open_plain_parquet(file, parquet, lake, rows)
    column = geo["primary_column"]
    description = geo["columns"][column]
    # GeoParquet: an absent CRS means OGC:CRS84, a null one means unknown
    crs = description.get("crs", "OGC:CRS84")
    if description["encoding"] == "WKB":
        reader = pa.RecordBatchReader.from_batches(parquet.schema_arrow, parquet.iter_batches(BATCH_ROWS))
        table = _as_geometry(_wkb_to_geometry(_scan(reader, lake), column), column, file)
    else:
        native = pa.table(geoarrow_io.read_parquet(str(file.path)))
        position = native.schema.get_field_index(column)
        encoded = pa.chunked_array(geoarrow.to_wkb(native.column(position)))
        wkb = native.set_column(position, pa.field(column, pa.binary()), encoded.cast(pa.binary()))
        table = _as_geometry(_wkb_to_geometry(_scan(wkb.to_reader(BATCH_ROWS), lake), column), column, file)
    return Layer(file, table, json.dumps(crs) if isinstance(crs, dict) else crs, rows)


def _open_plain_parquet(file: AcquiredFile, parquet: pq.ParquetFile, lake: duckdb.DuckDBPyConnection, rows: int) -> Layer:
    if "geometry" not in parquet.schema_arrow.names:
        raise SchemaError(
            f"{file.name} has neither GeoParquet metadata nor a column 'geometry';"
            f" it has {', '.join(parquet.schema_arrow.names)}."
        )
    reader = pa.RecordBatchReader.from_batches(parquet.schema_arrow, parquet.iter_batches(BATCH_ROWS))
    return Layer(file, _as_geometry(_wkb_to_geometry(_scan(reader, lake), "geometry"), "geometry", file), None, rows)


def _wkb_to_geometry(table: duckdb.DuckDBPyRelation, column: str) -> duckdb.DuckDBPyRelation:
    kind = str(dict(zip(table.columns, table.types, strict=True))[column])
    if kind.startswith("GEOMETRY"):
        return table
    quoted = identifier(column)
    return table.project(f"* REPLACE (ST_GeomFromWKB({quoted}) AS {quoted})")


def _open_csv(file: AcquiredFile, distribution: Distribution, lake: duckdb.DuckDBPyConnection) -> Layer:
    assert distribution.points is not None
    nulls = ", ".join(literal(text) for text in ("", *distribution.null_values))
    try:
        # One thread reads a file front to back, so that row_number() is the row's place in it.
        table = lake.sql(
            f"SELECT *, row_number() OVER () - 1 AS source_row FROM read_csv({literal(str(file.path))}, sample_size = -1,"
            f" header = true, nullstr = [{nulls}], encoding = {literal(_encoding(file.path))}, parallel = false)"
        )
    except duckdb.Error as error:
        raise ReadError(f"{file.name} cannot be read as CSV: {str(error).splitlines()[0]}.") from error
    points = distribution.points
    if missing := [name for name in (points.x, points.y) if name not in table.columns]:
        raise SchemaError(f"{file.name} has no column {missing[0]!r}; it has {', '.join(table.columns)}.")
    x, y = (f"TRY_CAST({identifier(name)} AS DOUBLE)" for name in (points.x, points.y))
    point = f"CASE WHEN isfinite({x}) AND isfinite({y}) THEN ST_Point({x}, {y}) END AS geometry"
    return Layer(file, table.project(f"* EXCLUDE (source_row), {point}, source_row"), None, None)


def _encoding(path: Path) -> str:
    """``utf-8`` when every byte sequence of the file is, else ``latin-1``, which any file is."""
    try:
        with path.open(encoding="utf-8") as text:
            while text.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _open_coordinates(file: AcquiredFile, lake: duckdb.DuckDBPyConnection) -> Layer:
    try:
        table = lake.sql(
            f"SELECT pair, row_number() OVER () - 1 AS source_row FROM read_json({literal(str(file.path))}, format = 'array',"
            " records = false, columns = {pair: 'DOUBLE[]'}, maximum_object_size = 1073741824)"
        )
    except duckdb.Error as error:
        raise ReadError(f"{file.name} is not a JSON list of coordinates: {str(error).splitlines()[0]}.") from error
    point = "CASE WHEN isfinite(pair[1]) AND isfinite(pair[2]) THEN ST_Point(pair[1], pair[2]) END AS geometry"
    return Layer(file, table.project(f"{point}, source_row"), None, None)
