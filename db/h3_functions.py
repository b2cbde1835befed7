"""H3 in SQL under the names of DuckDB's ``h3`` community extension, with or without that extension.

Where the extension is not installed, the same names are registered as Arrow functions over the ``h3`` package, which
wraps the same C library, so that the results are equal. h3ronpy, an independent implementation, is faster, but
assigns points on cell edges and polygons through cell centres differently and does not return for longitudes beyond
180°; it serves ``h3_grid_disk`` only, where its sets are identical (H3 promises no order) and 20 times faster.

What a query sees:

* NULL in any argument gives NULL. So does whatever H3 rejects: a NaN or infinite coordinate, a resolution outside
  0–15, a negative distance, an unknown unit, cells too far apart. Latitudes beyond ±90°
  and longitudes beyond ±180° are wrapped, as H3 does.
* Cells are ``UBIGINT``. The extension also takes ``BIGINT`` and ``VARCHAR`` cells: cast, or use ``h3_string_to_h3``.
* ``h3_polygon_*`` also take MULTIPOLYGON and Z or M coordinates, which the extension does not (it returns ``[]`` for WKT
  and raises for WKB). For both, WKT of other geometries gives ``[]`` and WKB of them is an error. Malformed text is an
  error.
* An integer that is not a cell gives NULL (``h3_is_pentagon``: false) throughout, where some of the extension's functions
  (``h3_get_resolution``, ``h3_cell_to_parent``, ``h3_cell_area``) make of its bits what they can.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from inspect import Parameter, Signature
from itertools import chain
from typing import Any

import duckdb
import h3.api.basic_int as h3
import h3ronpy
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from duckdb import sqltypes as sql
from h3 import H3BaseException

from db.arrow_functions import ArrowFunction, provide

log = logging.getLogger(__name__)

CELLS = duckdb.list_type(sql.UBIGINT)
STRINGS = duckdb.list_type(sql.VARCHAR)
_ARROW_TYPES = {
    str(sql.BOOLEAN): pa.bool_(),
    str(sql.INTEGER): pa.int32(),
    str(sql.BIGINT): pa.int64(),
    str(sql.UBIGINT): pa.uint64(),
    str(sql.DOUBLE): pa.float64(),
    str(sql.VARCHAR): pa.string(),
    str(sql.BLOB): pa.binary(),
    str(CELLS): pa.list_(pa.uint64()),
    str(STRINGS): pa.list_(pa.string()),
    str(duckdb.list_type(sql.DOUBLE)): pa.list_(pa.float64()),
}
_CONTAINMENT = {
    "center": "center",
    "full": "full",
    "overlap": "overlap",
    "overlap_bbox": "bbox_overlap",
    "CONTAINMENT_CENTER": "center",
    "CONTAINMENT_FULL": "full",
    "CONTAINMENT_OVERLAPPING": "overlap",
    "CONTAINMENT_OVERLAPPING_BBOX": "bbox_overlap",
}


def _rowwise(scalar: Callable[..., Any], parameters: tuple[Any, ...], returns: Any) -> Callable[..., pa.Array]:
    """Arrow function that applies ``scalar`` to every row; NULL where an argument is, or where H3 objects."""
    arrow_type = _ARROW_TYPES[str(returns)]

    def evaluate(*columns: pa.ChunkedArray) -> pa.Array:
        results: list[Any] = []
        for row in zip(*(column.to_pylist() for column in columns), strict=True):
            try:
                results.append(None if None in row else scalar(*row))
            except H3BaseException:
                results.append(None)
        return pa.array(results, type=arrow_type)

    # DuckDB counts the parameters of the signature and takes *columns for one
    names = (f"column_{position}" for position in range(len(parameters)))
    evaluate.__signature__ = Signature([Parameter(name, Parameter.POSITIONAL_ONLY) for name in names])  # type: ignore[attr-defined]
    return evaluate


def _grid_disk(cells: pa.ChunkedArray, k: pa.ChunkedArray) -> pa.Array:
    """``h3_grid_disk`` by h3ronpy, which takes one ``k`` a call: one call for each distinct ``k``."""
    cells, k = cells.combine_chunks(), k.combine_chunks()
    usable = pc.and_(pc.greater_equal(k, 0), pa.array(h3ronpy.cells_valid(cells, booleanarray=True)))
    disks: list[Any] = [None] * len(cells)
    for distance in pc.unique(k.filter(usable)).to_pylist():
        rows = pc.indices_nonzero(pc.fill_null(pc.and_(usable, pc.equal(k, distance)), False))
        found = pa.array(h3ronpy.grid_disk(cells.take(rows), distance)).cast(pa.list_(pa.uint64()))
        if len(rows) == len(cells):
            return found
        for row, disk in zip(rows.to_pylist(), found.to_pylist(), strict=True):
            disks[row] = disk
    return pa.array(disks, type=pa.list_(pa.uint64()))


def _parse(text: str) -> int | None:
    try:
        return h3.str_to_int(text)
    except ValueError:
        return None


def _compact(cells: list[int | None]) -> list[int] | None:
    return None if None in cells else h3.compact_cells(cells)


def _uncompact(cells: list[int | None], res: int) -> list[int] | None:
    return None if None in cells else h3.uncompact_cells(cells, res)


def _grid_ring_unsafe(origin: int, k: int) -> list[int] | None:
    # "Unsafe" gives up where a pentagon distorts the grid; the safe ring then has fewer than 6k cells
    ring = h3.grid_ring(origin, k)
    return ring if len(ring) == max(6 * k, 1) else None


def _area(cell: int, unit: str) -> float | None:
    # H3 itself gives the area of some other cell where the integer is not one
    return h3.cell_area(cell, unit) if unit in {"km^2", "m^2", "rads^2"} and h3.is_valid_cell(cell) else None


def _great_circle_distance(lat1: float, lng1: float, lat2: float, lng2: float, unit: str) -> float | None:
    return h3.great_circle_distance((lat1, lng1), (lat2, lng2), unit) if unit in {"km", "m", "rads"} else None


def _closed_boundary(cell: int) -> list[tuple[float, float]]:
    boundary = [(lng, lat) for lat, lng in h3.cell_to_boundary(cell)]
    return [*boundary, boundary[0]]


def _boundary_wkt(cell: int) -> str:
    return f"POLYGON (({', '.join(f'{lng:f} {lat:f}' for lng, lat in _closed_boundary(cell))}))"


def _cover(geometry: shapely.Geometry, res: int, fill: Callable[..., list[int]], *options: str) -> list[int]:
    """Cells of the polygons of a geometry, each cell once."""
    parts = [part for part in shapely.get_parts(geometry) if isinstance(part, shapely.Polygon) and not part.is_empty]
    cells = chain.from_iterable(fill(h3.geo_to_h3shape(shapely.force_2d(part)), res, *options) for part in parts)
    return list(dict.fromkeys(cells))


def _polygonal(wkb: bytes) -> shapely.Geometry:
    geometry = shapely.from_wkb(wkb)
    if not isinstance(geometry, shapely.Polygon | shapely.MultiPolygon):
        raise ValueError(f"Invalid WKB: expected a polygon or multipolygon, not a {geometry.geom_type}.")  # noqa: TRY004
    return geometry


def _containment(flags: str) -> str:
    if flags not in _CONTAINMENT:
        raise ValueError(f"Invalid mode {flags!r}: one of {', '.join(_CONTAINMENT)}.")
    return _CONTAINMENT[flags]


def _wkt_to_cells(wkt: str, res: int) -> list[int]:
    return _cover(shapely.from_wkt(wkt), res, h3.h3shape_to_cells)


def _wkb_to_cells(wkb: bytes, res: int) -> list[int]:
    return _cover(_polygonal(wkb), res, h3.h3shape_to_cells)


def _wkt_to_cells_experimental(wkt: str, res: int, flags: str) -> list[int]:
    return _cover(shapely.from_wkt(wkt), res, h3.h3shape_to_cells_experimental, _containment(flags))


def _wkb_to_cells_experimental(wkb: bytes, res: int, flags: str) -> list[int]:
    return _cover(_polygonal(wkb), res, h3.h3shape_to_cells_experimental, _containment(flags))


def _as_strings(scalar: Callable[..., list[int]]) -> Callable[..., list[str]]:
    return lambda *arguments: [h3.int_to_str(cell) for cell in scalar(*arguments)]


def _table() -> dict[str, ArrowFunction]:
    cell, res, text = sql.UBIGINT, sql.INTEGER, sql.VARCHAR
    degrees = sql.DOUBLE
    rowwise: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any]] = {
        # indexing
        "h3_latlng_to_cell": (h3.latlng_to_cell, (degrees, degrees, res), cell),
        "h3_latlng_to_cell_string": (
            lambda lat, lng, resolution: h3.int_to_str(h3.latlng_to_cell(lat, lng, resolution)),
            (degrees, degrees, res),
            text,
        ),
        "h3_cell_to_latlng": (h3.cell_to_latlng, (cell,), duckdb.list_type(degrees)),
        "h3_cell_to_lat": (lambda index: h3.cell_to_latlng(index)[0], (cell,), degrees),
        "h3_cell_to_lng": (lambda index: h3.cell_to_latlng(index)[1], (cell,), degrees),
        "h3_cell_to_boundary_wkt": (_boundary_wkt, (cell,), text),
        "h3_cell_to_boundary_wkb": (
            lambda index: shapely.to_wkb(shapely.Polygon(_closed_boundary(index)), byte_order=1),
            (cell,),
            sql.BLOB,
        ),
        # inspection
        "h3_get_resolution": (h3.get_resolution, (cell,), res),
        "h3_get_base_cell_number": (h3.get_base_cell_number, (cell,), sql.INTEGER),
        "h3_is_valid_cell": (h3.is_valid_cell, (cell,), sql.BOOLEAN),
        "h3_is_pentagon": (h3.is_pentagon, (cell,), sql.BOOLEAN),
        "h3_is_res_class_iii": (h3.is_res_class_III, (cell,), sql.BOOLEAN),
        "h3_h3_to_string": (h3.int_to_str, (cell,), text),
        "h3_string_to_h3": (_parse, (text,), cell),
        # hierarchy
        "h3_cell_to_parent": (h3.cell_to_parent, (cell, res), cell),
        "h3_cell_to_children": (h3.cell_to_children, (cell, res), CELLS),
        "h3_cell_to_children_size": (h3.cell_to_children_size, (cell, res), sql.BIGINT),
        "h3_cell_to_center_child": (h3.cell_to_center_child, (cell, res), cell),
        "h3_compact_cells": (_compact, (CELLS,), CELLS),
        "h3_uncompact_cells": (_uncompact, (CELLS, res), CELLS),
        # traversal
        "h3_grid_ring": (h3.grid_ring, (cell, sql.INTEGER), CELLS),
        "h3_grid_ring_unsafe": (_grid_ring_unsafe, (cell, sql.INTEGER), CELLS),
        "h3_grid_path_cells": (h3.grid_path_cells, (cell, cell), CELLS),
        "h3_grid_distance": (h3.grid_distance, (cell, cell), sql.BIGINT),
        "h3_are_neighbor_cells": (h3.are_neighbor_cells, (cell, cell), sql.BOOLEAN),
        # measures
        "h3_cell_area": (_area, (cell, text), sql.DOUBLE),
        "h3_get_num_cells": (h3.get_num_cells, (res,), sql.BIGINT),
        "h3_great_circle_distance": (_great_circle_distance, (degrees,) * 4 + (text,), sql.DOUBLE),
    }
    polygons: dict[str, tuple[Callable[..., list[int]], tuple[Any, ...]]] = {
        "h3_polygon_wkt_to_cells": (_wkt_to_cells, (text, res)),
        "h3_polygon_wkb_to_cells": (_wkb_to_cells, (sql.BLOB, res)),
        "h3_polygon_wkt_to_cells_experimental": (_wkt_to_cells_experimental, (text, res, text)),
        "h3_polygon_wkb_to_cells_experimental": (_wkb_to_cells_experimental, (sql.BLOB, res, text)),
    }
    for name, (scalar, parameters) in polygons.items():
        rowwise[name] = (scalar, parameters, CELLS)
        rowwise[f"{name}_string"] = (_as_strings(scalar), parameters, STRINGS)
    table = {name: ArrowFunction(_rowwise(*row), *row[1:]) for name, row in rowwise.items()}
    table["h3_grid_disk"] = ArrowFunction(_grid_disk, (cell, sql.INTEGER), CELLS)
    return table


FUNCTIONS = _table()


def _load_installed_extension(con: duckdb.DuckDBPyConnection) -> bool:
    """Load the community extension where its file is already there; nothing is ever downloaded."""
    row = con.execute("SELECT installed FROM duckdb_extensions() WHERE extension_name = 'h3'").fetchone()
    if row is None or not row[0]:
        return False
    try:
        con.execute("LOAD h3")
    except duckdb.Error as error:
        log.warning("the installed h3 extension cannot be loaded, using Arrow functions instead: %s", error)
        return False
    return True


def register(con: duckdb.DuckDBPyConnection) -> str:
    """Make the H3 functions callable on this connection and on every other one of the same DuckDB instance.

    May be called any number of times, from any cursor or thread.

    Args:
        con: an open connection or cursor, outside a transaction.

    Returns:
        ``"extension"`` where the community extension was loaded, ``"arrow"`` where the functions of this module serve.
    """
    if _load_installed_extension(con):
        return "extension"
    provide(con, FUNCTIONS)
    return "arrow"
