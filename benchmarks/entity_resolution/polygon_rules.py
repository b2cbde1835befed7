"""Peers of the speed benchmark, each in a fresh process: ``python -m benchmarks.entity_resolution.polygon_rules NAME FILE``.

Reading the file is not timed, so that each peer starts with its polygons in memory; ours starts with them in the lake.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import measure

MODULE = "benchmarks.entity_resolution.polygon_rules"

# The predecessor's H3_DEDUP_RES, and its rule
CELL_RESOLUTION = 12
LEAST_OVERLAP = 0.5

Operation = Callable[[], dict[str, Any]]


def geopandas_join(file: Path) -> Operation:
    """``sjoin`` of all polygons with themselves and the area of each pair's intersection: no more than the join alone."""
    import geopandas as gpd
    import shapely

    table = pq.read_table(file, columns=["geometry"])
    # Ratios of areas are the same in degrees; a CRS would only make GeoPandas warn
    frame = gpd.GeoDataFrame(geometry=shapely.from_wkb(table["geometry"].to_numpy()))
    del table

    def operation() -> dict[str, Any]:
        pairs = gpd.sjoin(frame, frame, predicate="intersects")
        left, right = pairs.index.to_numpy(), pairs["index_right"].to_numpy()
        once = left < right
        shapes = frame.geometry.array
        a, b = shapes[left[once]], shapes[right[once]]
        shared = a.intersection(b).area
        smaller = np.minimum(a.area, b.area)
        return {"pairs": int(once.sum()), "overlapping": int((shared > LEAST_OVERLAP * smaller).sum())}

    return operation


def same_cell(file: Path) -> Operation:
    """The predecessor: polygons that share an H3 cell of their covers, compared with ``ST_Overlaps`` and by area."""
    import duckdb
    from h3ronpy import ContainmentMode
    from h3ronpy.vector import wkb_to_cells

    from db.extensions import ALWAYS, load_extensions

    con = duckdb.connect(config={"preserve_insertion_order": "false"})
    load_extensions(con, ALWAYS)
    shapes = pq.read_table(file, columns=["geometry"])["geometry"].combine_chunks()
    con.register("given", pa.table({"id": pa.array(range(len(shapes)), pa.int32()), "wkb": shapes}))
    con.execute("CREATE TABLE sites AS SELECT id, st_geomfromwkb(wkb) AS geometry FROM given")

    def operation() -> dict[str, Any]:
        # Cells whose centre the polygon holds, as H3's own polygonToCells gives them
        cover = wkb_to_cells(shapes, CELL_RESOLUTION, containment_mode=ContainmentMode.ContainsCentroid)
        con.register("cover", pa.table({"id": pa.array(range(len(shapes)), pa.int32()), "cells": cover}))
        con.execute("CREATE TABLE cells AS SELECT id, unnest(cells) AS cell FROM cover")
        con.execute(
            """CREATE TABLE pairs AS SELECT DISTINCT a.id AS a, b.id AS b
            FROM cells AS a JOIN cells AS b ON a.cell = b.cell WHERE a.id < b.id"""
        )
        (found,) = con.execute(
            f"""SELECT count(*) FROM pairs JOIN sites AS a ON a.id = pairs.a JOIN sites AS b ON b.id = pairs.b
            WHERE st_overlaps(a.geometry, b.geometry) AND st_area(st_intersection(a.geometry, b.geometry))
                > {LEAST_OVERLAP} * least(st_area(a.geometry), st_area(b.geometry))"""
        ).fetchone() or (0,)
        (pairs,) = con.execute("SELECT count(*) FROM pairs").fetchone() or (0,)
        return {"pairs": pairs, "overlapping": found}

    return operation


PEERS: dict[str, Callable[[Path], Operation]] = {"GeoPandas": geopandas_join, "same H3 cell": same_cell}


def main(name: str, file: str) -> None:
    measure(PEERS[name](Path(file)))


if __name__ == "__main__":
    main(*sys.argv[1:])
