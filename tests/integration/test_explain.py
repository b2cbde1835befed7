"""`eopv explain` on a resolved lake: every verdict, on observations of the sample world and beside them."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyproj
import pytest
import shapely
from sample_lake import SampleLake
from shapely import Point, Polygon, box

from benchmarks.entity_resolution import observations
from dataflows.elt import run_dbt
from dataflows.prepared.explanation import Explanation, Verdict, explain
from db import Settings, connect
from db.errors import LakeError
from db.settings import using
from eopv.cli import main

# A corner of the southern ocean where the sample world has nothing
LON, LAT = -120.0, -50.0
METRES_NORTH = 1 / 111_240
METRES_EAST = METRES_NORTH / math.cos(math.radians(LAT))

OUTLINES = "deu_ufz_open_field_pv_2015"  # lists every site once, as the points do
OTHER_OUTLINES = "ind_pv_solar_farms_2022"
POINTS = "global_wri_gppd_2021"
SEVERAL_ROWS = "deu_osm_pv_2023"  # may list parts of a site
DISTRUSTED = "global_pv_inventory_sent2_2024"


def square(east_m: float, north_m: float, width_m: float, height_m: float | None = None) -> Polygon:
    """A rectangle around a place, metres from the corner."""
    half, tall = width_m / 2 * METRES_EAST, (height_m or width_m) / 2 * METRES_NORTH
    x, y = LON + east_m * METRES_EAST, LAT + north_m * METRES_NORTH
    return box(x - half, y - tall, x + half, y + tall)


def point(east_m: float, north_m: float) -> Point:
    return Point(LON + east_m * METRES_EAST, LAT + north_m * METRES_NORTH)


# Each place is a case, kilometres from the next
SITES: dict[str, dict[str, Any]] = {
    # the same outline in two sources
    "outline": {"dataset": OUTLINES, "geometry": square(0, 0, 300)},
    "same outline": {"dataset": OTHER_OUTLINES, "geometry": square(0, 0, 290)},
    "copy of the outline": {"dataset": OUTLINES, "geometry": square(0, 0, 300), "duplicate_of": "outline"},
    "tile corner in it": {"dataset": DISTRUSTED, "geometry": point(20, 0), "trust": "low"},
    "plots' own outline": {"dataset": SEVERAL_ROWS, "geometry": square(0, 5, 305)},
    # two outlines of one source, both met by one of another
    "west": {"dataset": OUTLINES, "geometry": square(10_000, 0, 200)},
    "east": {"dataset": OUTLINES, "geometry": square(10_150, 0, 100, 200)},
    "both": {"dataset": OTHER_OUTLINES, "geometry": square(10_050, 0, 300, 200)},
    # strips, each the other's neighbour, that would be one site far too long
    # a small outline in a large one
    "whole": {"dataset": OUTLINES, "geometry": square(30_000, 0, 1000)},
    "part": {"dataset": OTHER_OUTLINES, "geometry": square(30_300, 0, 100)},
    # outlines that only touch the reach of one another, and say different years
    "old": {"dataset": OUTLINES, "geometry": square(40_000, 0, 200), "installed_year": 2005},
    "new": {"dataset": OTHER_OUTLINES, "geometry": square(40_210, 0, 200), "installed_year": 2020},
    # named places
    "named": {"dataset": POINTS, "geometry": point(50_000, 0), "name": "Zanzara Solar Farm", "capacity_mw": 10.0},
    "named afar": {"dataset": OTHER_OUTLINES, "geometry": square(90_000, 0, 200), "name": "Zanzara Nord"},
    "nowhere": {"dataset": POINTS, "geometry": None, "name": "Zanzara"},
}
