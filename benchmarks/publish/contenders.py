"""One way to write one format, measured in a process of its own: WAY FORMAT HOME PARQUET OUTPUT.

All begin with the same rows as Parquet (ours: as a table of a lake, which is Parquet too) and end with a file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd
import pyarrow.parquet as pq
import pyogrio

from benchmarks.measuring import measure
from dataflows.publish.export import Request, export
from dataflows.publish.formats import DRIVERS, ExportFormat
from db.extensions import load_extensions
from db.settings import Settings

OURS, GEOPANDAS, DUCKDB = "eopv export", "GeoPandas", "DuckDB COPY"
TABLE = "sites"
MAXZOOM = 6
"""Of tiles: each further zoom takes as long as all before it together."""


def by_us(kind: ExportFormat, home: Path, _: Path, output: Path) -> int:
    """The whole command: look at shapes, write, describe."""
    return export(Request(TABLE, kind, output, maxzoom=MAXZOOM), Settings(home=home, _env_file=None)).rows


def by_geopandas(kind: ExportFormat, _: Path, parquet: Path, output: Path) -> int:
    """``to_file`` (pyogrio), ``to_parquet`` or, with WKT, ``to_csv``."""
    frame = gpd.read_parquet(parquet)
    if kind is ExportFormat.GEOPARQUET:
        frame.to_parquet(output, compression="zstd", write_covering_bbox=True)
    elif kind is ExportFormat.CSV:
        frame.to_wkt().to_csv(output, index=False)
    elif kind is ExportFormat.PMTILES:
        frame.to_file(output, driver=DRIVERS[kind], dataset_options={"MINZOOM": 0, "MAXZOOM": MAXZOOM})
    else:
        frame.to_file(output, driver=DRIVERS[kind])
    return len(frame)


def by_duckdb(kind: ExportFormat, _: Path, parquet: Path, output: Path) -> int:
    """``COPY``, through the GDAL of DuckDB's spatial extension where the format is GDAL's."""
    with duckdb.connect() as con:
        load_extensions(con, ("spatial",))
        rows = f"FROM read_parquet('{parquet}')"
        options = "FORMAT parquet, COMPRESSION zstd"
        if kind is ExportFormat.CSV:
            rows, options = f"SELECT * REPLACE (ST_AsText(geometry) AS geometry) {rows}", "FORMAT csv, HEADER"
        elif kind is not ExportFormat.GEOPARQUET:
            options = f"FORMAT GDAL, DRIVER '{DRIVERS[kind]}', SRS 'EPSG:4326'"
        (count,) = con.execute(f"COPY ({rows}) TO '{output}' ({options})").fetchone() or (0,)
    return int(count)


WAYS: dict[str, Callable[[ExportFormat, Path, Path, Path], int]] = {
    OURS: by_us,
    GEOPANDAS: by_geopandas,
    DUCKDB: by_duckdb,
}


def main() -> None:
    way, kind, home, parquet, output = sys.argv[1:]
    file = Path(output)

    def written() -> dict[str, Any]:
        return {"rows": WAYS[way](ExportFormat(kind), Path(home), Path(parquet), file)}

    def read_back() -> dict[str, Any]:
        # Tiles hold a row in each tile that it touches
        features = None
        if kind == ExportFormat.GEOPARQUET:
            features = pq.read_metadata(file).num_rows
        elif kind not in (ExportFormat.CSV, ExportFormat.PMTILES):
            features = pyogrio.read_info(file)["features"]
        return {"bytes": file.stat().st_size, "features": features}

    measure(written, read_back)


if __name__ == "__main__":
    main()
