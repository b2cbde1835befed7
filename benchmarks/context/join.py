"""One way to find the areas that cover points, measured in a process of its own: NAME AREAS POINTS COVER QUERIES OUTPUT.

All begin with the same Parquet files of points (coordinates, and the cell that they are filed under) and of areas, and end with
pairs of a point and an area in memory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from h3ronpy.vector import coordinates_to_cells

from benchmarks.measuring import measure
from db import covered_points
from db.arrow_functions import provide
from db.extensions import load_extensions

OURS, INDEXING = "ours: H3, cells stored", "ours: H3, indexing too"
SPATIAL_JOIN = "DuckDB SPATIAL_JOIN"
WITHIN, INTERSECTS = "GeoPandas sjoin (within)", "GeoPandas sjoin (intersects)"

# As DuckDB writes them: it reads as many at a time as it has threads
ROW_GROUP = 122_880
# What may be left out where it would take too long; the others are compared at every size
SLOW = (SPATIAL_JOIN, INTERSECTS)


class Contender:
    """A join by files; ``pairs`` are its result: id, area_id."""

    def __init__(self, areas: Path, points: Path, cover: Path, queries: Path) -> None:
        self.areas, self.points, self.cover = areas, points, cover
        self.queries = json.loads(queries.read_text(encoding="utf-8"))
        self.pairs: pa.Table = pa.table({})
        # Extensions and functions count as imports, which are measured of none
        self._con = duckdb.connect()
        load_extensions(self._con, ("spatial",))
        provide(self._con, covered_points.FUNCTIONS)

    def by_h3(self, *, indexing: bool) -> None:
        """Our macro, after the points have been filed under their cells, or with the cells of their file."""
        con = self._holding_areas()
        con.execute(f"CREATE TABLE cover AS SELECT * EXCLUDE (level) FROM read_parquet('{self.cover}')")
        if indexing:
            # All at once: a call for each of DuckDB's vectors costs as much again
            places = pq.read_table(self.points, columns=["id", "lon", "lat"])
            con.register("places", places.append_column("cell", _filed(places)))
        source = "places" if indexing else "given"
        con.execute(f"CREATE TABLE points AS SELECT id AS point_id, lon AS lon_deg, lat AS lat_deg, cell FROM {source}")
        self.pairs = con.sql(self.queries["h3"]).to_arrow_table()

    def by_spatial_join(self) -> None:
        """Our macro for DuckDB's operator."""
        con = self._holding_areas()
        con.execute("CREATE TABLE points AS SELECT id AS point_id, lon AS lon_deg, lat AS lat_deg FROM given")
        self.pairs = con.sql(self.queries["spatial_join"]).to_arrow_table()

    def by_geopandas(self, predicate: str) -> None:
        """GeoPandas; ``within`` leaves points on a border out."""
        frame = pd.read_parquet(self.points, columns=["id", "lon", "lat"])
        points = gpd.GeoDataFrame({"id": frame["id"]}, geometry=gpd.points_from_xy(frame["lon"], frame["lat"]), crs=4326)
        joined = gpd.sjoin(points, gpd.read_parquet(self.areas)[["area_id", "geometry"]], predicate=predicate)
        self.pairs = pa.table({"point_id": joined["id"].to_numpy(), "area_id": joined["area_id"].to_numpy()})

    def _holding_areas(self) -> duckdb.DuckDBPyConnection:
        self._con.execute(f"CREATE VIEW given AS FROM read_parquet('{self.points}')")
        self._con.execute(f"CREATE TABLE areas AS SELECT area_id, geometry FROM read_parquet('{self.areas}')")
        return self._con


def _filed(places: pa.Table) -> pa.Array:
    """The cell of each of a table of points."""
    cells = coordinates_to_cells(places["lat"].to_numpy(), places["lon"].to_numpy(), 8)
    return pa.array(np.asarray(cells), pa.uint64())


CONTENDERS = {
    OURS: lambda contender: contender.by_h3(indexing=False),
    INDEXING: lambda contender: contender.by_h3(indexing=True),
    SPATIAL_JOIN: Contender.by_spatial_join,
    WITHIN: lambda contender: contender.by_geopandas("within"),
    INTERSECTS: lambda contender: contender.by_geopandas("intersects"),
}


def file_cells(points: Path) -> None:
    """Add to a file of points the cell of each, as staging does once for every observation."""
    table = pq.read_table(points)
    if "cell" not in table.column_names:
        pq.write_table(table.append_column("cell", _filed(table)), points, row_group_size=ROW_GROUP)


def main() -> None:
    name, *files, output = sys.argv[1:]
    contender = Contender(*map(Path, files))

    def joined() -> dict[str, Any]:
        CONTENDERS[name](contender)
        return {"pairs": contender.pairs.num_rows}

    def kept() -> dict[str, Any]:
        pq.write_table(contender.pairs, output)
        return {}

    measure(joined, kept)


if __name__ == "__main__":
    main()
