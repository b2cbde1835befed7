"""Shapefile, GeoPackage, GeoJSON, KML and KMZ through GDAL, as Arrow streams."""

from __future__ import annotations

from contextlib import ExitStack

import duckdb
import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from dataflows.raw.layer import BATCH_ROWS, Layer, from_stream
from dataflows.raw.text_encoding import is_utf8
from db.errors import ReadError, SchemaError
from ingest.acquire import AcquiredFile
from ingest.manifest import Format

SUFFIXES = {
    Format.SHAPEFILE: (".shp",),
    Format.GEOPACKAGE: (".gpkg",),
    Format.GEOJSON: (".geojson", ".json"),
    Format.KML: (".kml", ".kmz"),
}
# Counting features or listing layers of the other formats means parsing the whole file
INDEXED_FORMATS = {Format.SHAPEFILE, Format.GEOPACKAGE}
LAYERED_FORMATS = {Format.GEOPACKAGE, Format.KML}


def open_ogr(
    file: AcquiredFile, kind: Format, layer: str | None, lake: duckdb.DuckDBPyConnection, resources: ExitStack
) -> Layer:
    """A file of a format that GDAL reads.

    Args:
        file: the file; a Shapefile's companions lie beside it.
        kind: published format.
        layer: of a container with several; ``None`` for the only one.
        lake: a connection.
        resources: keeps the stream open until the table has been read.

    Raises:
        ReadError: GDAL cannot read it, or it is cut short.
        SchemaError: it has several layers and none is named, no geometry, or an attribute with a reserved name.
    """
    try:
        if layer is None and kind in LAYERED_FORMATS:
            layer = _only_layer(file)
        rows, encoding = None, None
        if kind in INDEXED_FORMATS:
            info = pyogrio.read_info(file.path, layer=layer, force_feature_count=True)
            rows = int(info["features"])
            encoding = _encoding(file, info["encoding"]) if kind is Format.SHAPEFILE else None
        if kind is Format.SHAPEFILE:
            _check_length(file)
        # use_pyarrow=False hands over GDAL's own Arrow stream, without building the table
        meta, stream = resources.enter_context(
            pyogrio.raw.open_arrow(
                file.path,
                layer=layer,
                encoding=encoding,
                # A GeoPackage's primary key is a published column; in the other formats it is only the position
                return_fids=kind is Format.GEOPACKAGE,
                use_pyarrow=False,
                batch_size=BATCH_ROWS,
            )
        )
    except (DataSourceError, DataLayerError) as error:
        raise ReadError(
            f"{file.name} cannot be read: {str(error).rstrip('.')}.", remedy="Check 'format' and 'layer' in the manifest."
        ) from error
    reader = pa.RecordBatchReader.from_stream(stream)
    geometry = meta["geometry_name"] or "wkb_geometry"
    if geometry not in reader.schema.names:
        raise SchemaError(f"{file.name} has no geometry column.", remedy="Check 'format' in the manifest.")
    return Layer(file, from_stream(reader, geometry, file, lake), meta["crs"], rows)


def _only_layer(file: AcquiredFile) -> str:
    """Name of the layer with geometries; tables without (styles, look-ups) do not count."""
    layers = [(str(name), kind) for name, kind in pyogrio.list_layers(file.path)]
    spatial = [name for name, kind in layers if kind is not None]
    if len(spatial) > 1:
        raise SchemaError(
            f"{file.name} has several layers: {', '.join(spatial)}.", remedy="Name one as 'layer' in the manifest."
        )
    if not spatial:
        raise SchemaError(
            f"{file.name} has no layer with geometries; it has {', '.join(name for name, _ in layers) or 'none at all'}.",
            remedy="Check 'files' in the manifest.",
        )
    return spatial[0]


def _encoding(file: AcquiredFile, detected: str) -> str | None:
    """The encoding to name to GDAL; ``None`` where the Shapefile declares one, which GDAL then decodes itself.

    pyogrio reports UTF-8 for text that GDAL decodes, and ISO-8859-1, its guess, for text that is declared nowhere. In the
    second case the Arrow stream would hold the file's own bytes.
    """
    if detected == "UTF-8":
        return None
    path = file.path.with_suffix(".dbf")
    if not path.exists():
        path = file.path.with_suffix(".DBF")
    with path.open("rb") as table:
        start = int.from_bytes(table.read(10)[8:10], "little")
    return "UTF-8" if is_utf8(path, start) else detected


def _check_length(file: AcquiredFile) -> None:
    """GDAL reads the missing shapes of a Shapefile that was cut short as null geometries, silently."""
    with file.path.open("rb") as shapes:
        announced = 2 * int.from_bytes(shapes.read(28)[24:28], "big")  # in 16-bit words
    if announced > file.bytes:
        raise ReadError(
            f"{file.name} is cut short: {file.bytes:,} bytes, its header announces {announced:,}.",
            remedy="Fetch it again ('eopv ingest --refresh').",
        )
