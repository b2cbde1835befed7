"""`eopv explain` on a resolved lake: every verdict, for observations set down beside the sample world."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Iterator
from hashlib import md5
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
from sample_lake import SampleLake
from shapely import Geometry, Point, box, to_wkb

from benchmarks.entity_resolution import observations
from dataflows.elt import run_dbt
from dataflows.prepared.explanation import Explanation, Verdict, explain
from db import Settings, connect
from db.errors import LakeError
from db.settings import using
from eopv.cli import main
from eopv.verdict import sentence

# In the southern ocean, where the sample world has nothing
LON, LAT = -120.0, -50.0
DEGREES_NORTH = 1 / 111_240
DEGREES_EAST = DEGREES_NORTH / math.cos(math.radians(LAT))
# May list parts of a site; any other name here is of a source that lists every site once
SEVERAL_ROWS = "deu_osm_pv_2023"


def place(east_m: float, north_m: float = 0) -> tuple[float, float]:
    return LON + east_m * DEGREES_EAST, LAT + north_m * DEGREES_NORTH


def outline(west_m: float, east_m: float, height_m: float, north_m: float = 0) -> Geometry:
    return box(*place(west_m, north_m), *place(east_m, north_m + height_m))


def strips(dataset: str, start_m: float, count: int) -> dict[str, dict[str, Any]]:
    """Squares of 100 m, each half over the next: one site as far as the guard on the extent lets them be."""
    return {
        f"{dataset} {n}": {
            "dataset": dataset.replace("*", str(n)),
            "geometry": outline(start_m + 50 * n, start_m + 50 * n + 100, 100),
        }
        for n in range(count)
    }


SITES: dict[str, dict[str, Any]] = {
    "site": {"dataset": "one", "geometry": outline(0, 300, 300)},
    "again": {"dataset": "two", "geometry": outline(0, 290, 300)},
    "copy": {"dataset": "one", "geometry": outline(0, 300, 300), "duplicate_of": "site"},
    # two of one source in one of another
    "left": {"dataset": "one", "geometry": outline(10_000, 10_200, 200)},
    "right": {"dataset": "one", "geometry": outline(10_210, 10_300, 200)},
    "both": {"dataset": "two", "geometry": outline(10_000, 10_300, 200)},
    "whole": {"dataset": "one", "geometry": outline(20_000, 21_000, 1000)},
    "part": {"dataset": "two", "geometry": outline(20_400, 20_500, 100)},
    **strips("short *", 30_000, 7),
    "beyond": {"dataset": "tiles", "geometry": Point(place(30_460, 50)), "trust": "low"},
    **strips("long *", 40_000, 12),
    **strips(SEVERAL_ROWS, 50_000, 12),
    "near": {"dataset": "one", "geometry": outline(60_000, 60_200, 200)},
    "far": {"dataset": "two", "geometry": outline(60_300, 60_500, 200)},
    "between": {"dataset": "tiles", "geometry": Point(place(60_190, 100)), "trust": "low"},
    "alone": {"dataset": "tiles", "geometry": Point(place(70_000)), "trust": "low"},
    "company": {"dataset": "other tiles", "geometry": Point(place(70_020)), "trust": "low"},
    "named": {"dataset": "one", "geometry": Point(place(80_000)), "name": "Zanzara Solar Farm II"},
    "named afar": {"dataset": "two", "geometry": Point(place(120_000)), "name": "Zanzara"},
    "unplaced": {"dataset": "two", "geometry": None, "name": "Zanzara"},
}


def identity(name: str) -> str:
    return md5(name.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def settings(sample_lake: SampleLake, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the sample lake with the sites above, resolved."""
    folder = tmp_path_factory.mktemp("explained")
    shutil.copytree(sample_lake.settings.home, folder / "home")
    lake = Settings(home=folder / "home", _env_file=None)
    optional = {"name": None, "trust": "normal", "duplicate_of": None}
    rows = [
        {
            **optional,
            **site,
            "observation_id": identity(name),
            "source_feature_id": name,
            "level": "plant",
            "geometry": None if site["geometry"] is None else to_wkb(site["geometry"]),
            "duplicate_of": identity(site["duplicate_of"]) if "duplicate_of" in site else None,
        }
        for name, site in SITES.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "sites.parquet")
    with connect(lake=lake) as con:
        observations.append(con, folder / "sites.parquet")
    failures = [result for result in run_dbt("run", lake, arguments=("--select", "tag:resolution")) if result.failed]
    assert not failures, failures
    return lake


@pytest.fixture(scope="module")
def lake(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(read_only=True, lake=settings) as con:
        yield con


@pytest.fixture
def told(lake: duckdb.DuckDBPyConnection) -> Callable[[str, str], Explanation]:
    return lambda a, b: explain(lake, identity(a), identity(b))


@pytest.fixture
def run(settings: Settings, lake: duckdb.DuckDBPyConnection, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`eopv` with the lake, which takes one process but many connections of it, and what it printed."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        with using(settings), pytest.raises(SystemExit) as ended:
            main(list(arguments))
        captured = capsys.readouterr()
        return captured.err if ended.value.code else captured.out

    return run


PAIRS = [
    ("site", "again", Verdict.ACCEPTED),
    ("copy", "again", Verdict.ACCEPTED),
    ("site", "copy", Verdict.EXACT_DUPLICATES),
    ("left", "both", Verdict.ACCEPTED),
    ("right", "both", Verdict.ONE_PER_SOURCE),
    ("left", "right", Verdict.LISTED_ONCE),
    ("part", "whole", Verdict.BELOW_THRESHOLD),
    ("short * 0", "short * 1", Verdict.ACCEPTED),
    ("short * 0", "short * 2", Verdict.JOINED_BY_OTHERS),
    ("short * 6", "short * 0", Verdict.JOINED_BY_OTHERS),
    ("beyond", "short * 6", Verdict.LOW_TRUST),
    ("between", "near", Verdict.ACCEPTED),
    ("far", "between", Verdict.LOW_TRUST),
    ("alone", "company", Verdict.LOW_TRUST),
    ("named", "named afar", Verdict.NO_CANDIDATE),
    ("named", "unplaced", Verdict.NO_GEOMETRY),
    ("site", "again", Verdict.ACCEPTED),
    ("site", "far", Verdict.NO_CANDIDATE),
    (f"{SEVERAL_ROWS} 0", f"{SEVERAL_ROWS} 11", Verdict.NO_CANDIDATE),
]
