"""One contender on one file, in a fresh process: ``python -m benchmarks.ingest.contenders NAME KEY CACHE``.

Imports are done before the clock starts, for both sides and only what each needs.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.measuring import measure

Operation = Callable[[], dict[str, Any]]


def landing(key: str, cache: Path, scratch: Path, *, export: bool) -> Operation:
    """The whole DAG into an empty lake: acquire, verify, read, transform, land, check; with ``export`` also GeoParquet."""
    from benchmarks.ingest.cases import MAIN_TABLE, OTHER_FORMATS
    from dataflows.raw.ingest import Options
    from dataflows.raw.ingest_run import ingest
    from db import Settings

    case = next(case for case in (*MAIN_TABLE, *OTHER_FORMATS) if case.key == key)
    options = Options(
        Settings(home=scratch / "home", _env_file=None), mirror=str(cache), offline=True, export=export, workers=1
    )

    def operation() -> dict[str, Any]:
        (outcome,) = ingest([case.dataset()], options)
        if outcome.status != "landed":
            raise RuntimeError(outcome.error)
        return {"rows": outcome.rows, "dataset_seconds": outcome.seconds}

    return operation


def geopandas(path: Path, scratch: Path, *, use_arrow: bool) -> Operation:
    """Read, transform where the file is not in EPSG:4326, write Parquet."""
    import geopandas as gpd
    import pandas as pd

    for imported_at_first_use in ("pyarrow.csv", "pyarrow.parquet", "pyogrio"):
        import_module(imported_at_first_use)

    def read() -> gpd.GeoDataFrame:
        if path.suffix == ".csv":
            # What one writes: GDAL's CSV driver gives neither types nor points without half a dozen options
            table = pd.read_csv(path, engine="pyarrow" if use_arrow else "c")
            return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(table.longitude, table.latitude), crs="EPSG:4326")
        return gpd.read_file(path, use_arrow=use_arrow)

    def operation() -> dict[str, Any]:
        started = perf_counter()
        frame = read()
        if frame.crs != "EPSG:4326":
            frame = frame.to_crs("EPSG:4326")
        frame.to_parquet(scratch / "out.parquet")
        return {"rows": len(frame), "dataset_seconds": perf_counter() - started}

    return operation


CONTENDERS: dict[str, Callable[[str, Path, Path, Path], Operation]] = {
    "landing": lambda key, cache, _, scratch: landing(key, cache, scratch, export=False),
    "landing + export": lambda key, cache, _, scratch: landing(key, cache, scratch, export=True),
    "geopandas": lambda _, __, path, scratch: geopandas(path, scratch, use_arrow=False),
    "geopandas (Arrow)": lambda _, __, path, scratch: geopandas(path, scratch, use_arrow=True),
}


def main(name: str, key: str, file: str) -> None:
    path = Path(file)
    with tempfile.TemporaryDirectory(prefix="eopv-benchmark-") as scratch:
        measure(CONTENDERS[name](key, path.parents[1], path, Path(scratch)))


if __name__ == "__main__":
    main(*sys.argv[1:])
