"""Plain rows of a lake, to compute in Python what a query says in SQL."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import duckdb
import pyproj
import shapely

Rows = list[dict[str, Any]]


class Lake:
    """Plain rows of the lake's tables, to compute with in Python."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def rows(self, query: str) -> Rows:
        found = self._con.execute(query)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def installations(self) -> Rows:
        return self.rows("SELECT * EXCLUDE (geometry) FROM curated.pv_installations")

    def sites(self) -> Rows:
        """Installations that are part of no other one."""
        return [site for site in self.installations() if site["part_of"] is None]

    def observations(self) -> Rows:
        """Observations of installations, with what was published."""
        return self.rows("""
            SELECT installation_id, o.* EXCLUDE (geometry)
            FROM curated.pv_observations AS o JOIN curated.pv_installation_observations AS m USING (observation_id)
        """)


def by(rows: Rows, *keys: str) -> dict[Any, Rows]:
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys) if len(keys) > 1 else row[keys[0]]].append(row)
    return groups


def known(rows: Rows, column: str) -> list[Any]:
    return [row[column] for row in rows if row[column] is not None]


def geodesic_km2(polygons: shapely.Geometry) -> float:
    return abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(polygons))[0]) / 1e6


def descending(values: list[float]) -> bool:
    return values == sorted(values, reverse=True)
