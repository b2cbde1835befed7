"""The macros and models of administrative areas, rendered without dbt and run on a DuckDB in memory, without a lake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from resolution_sql import Project

from dataflows.elt import PROJECT_DIR
from dataflows.prepared.locate import cover, nearby
from db import covered_points
from db.arrow_functions import provide
from db.extensions import TRUST_WHEELS, load_extensions

METHODS = ("h3", "spatial_join")
# What points are filed under: finer than any cell of a cover
POINT_RESOLUTION = 8
MODELS = PROJECT_DIR / "models" / "prepared" / "context" / "admin"

AREA = {"source": "natural_earth", "release": "5.1", "level": "country", "country_iso3": "AAA", "is_disputed": False}
AREA_SCHEMA = pa.schema(
    {
        **dict.fromkeys(
            ("area_id", "source", "release", "level", "name", "country_iso2", "country_iso3", "region_code"), pa.string()
        ),
        "is_disputed": pa.bool_(),
        "country_by_view": pa.map_(pa.string(), pa.string()),
        "geometry": pa.binary(),
    }
)


class _Exceptions:
    """What dbt has of that name."""

    @staticmethod
    def raise_compiler_error(message: str) -> None:
        raise ValueError(message)


class Areas:
    """Areas in a table ``areas``, their cover in ``cover``, and points joined to them."""

    def __init__(self) -> None:
        self.project = Project("admin", "context", exceptions=_Exceptions)
        self.con = duckdb.connect(config={"threads": "2", **TRUST_WHEELS})
        load_extensions(self.con, ("spatial",))
        provide(self.con, covered_points.FUNCTIONS)
        seed = str(PROJECT_DIR / "seeds" / "countries.csv")
        self.con.execute("CREATE TABLE countries AS FROM read_csv(?, header = true)", [seed])

    def hold(self, polygons: Sequence[shapely.Geometry], coarsest: int = 2, finest: int = 6) -> None:
        """Replace the areas; ids are their positions."""
        areas = pa.table(
            {
                "area_id": [f"{number:03d}" for number in range(len(polygons))],
                "level": ["region"] * len(polygons),
                "geometry": pa.array(shapely.to_wkb(np.array(polygons, object)), pa.binary()),
            }
        )
        cells = cover(areas, coarsest, finest)
        self.con.register("given_areas", areas)
        self.con.register("given_cells", cells)
        self.con.execute(
            "CREATE OR REPLACE TABLE areas AS SELECT * REPLACE (ST_GeomFromWKB(geometry) AS geometry) FROM given_areas"
        )
        self.con.execute("CREATE OR REPLACE TABLE cover AS FROM given_cells")

    def place(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> None:
        """Replace the points; ids are their positions."""
        cells = [h3.latlng_to_cell(y, x, POINT_RESOLUTION) for x, y in zip(lon.tolist(), lat.tolist(), strict=True)]
        given = {"point_id": np.arange(len(lon)), "lon_deg": lon, "lat_deg": lat, "cell": np.array(cells, np.uint64)}
        self.con.register("given_points", pa.table(given))
        self.con.execute("CREATE OR REPLACE TABLE points AS FROM given_points")

    def query(self, method: str) -> str:
        """SQL of the join by a method."""
        with self.project.having(admin_join_method=method):
            return self.project.render("{{ points_in_areas('points', 'areas', 'cover') }}")

    def joined(self, method: str) -> set[tuple[int, int]]:
        """Pairs of a point and an area that covers it; each has to occur once."""
        rows = self.con.sql(self.query(method)).fetchall()
        assert len(set(rows)) == len(rows)
        return {(point, int(area)) for point, area in rows}


class LocatedSites:
    """Installations located by the models of prepared/context/admin, run in their order."""

    STAGING = PROJECT_DIR / "models" / "staging" / "context"

    def __init__(self) -> None:
        self.areas = Areas()

    def locate(
        self, areas: Sequence[dict[str, Any]], sites: Sequence[tuple[float, float]], **changed: Any
    ) -> list[dict[str, Any]]:
        """Rows of ``prep_pv_admin`` by position of the site, empty where it has none.

        Args:
            areas: rows of ``stg_admin_areas``, ``geometry`` as a shape; by default, countries of Natural Earth.
            sites: longitudes and latitudes, degrees.
            changed: vars.
        """
        con, project = self.areas.con, self.areas.project
        rows = [{**AREA, "name": area.get("area_id"), **area, "geometry": shapely.to_wkb(area["geometry"])} for area in areas]
        con.register("given_areas", pa.Table.from_pylist(rows, schema=AREA_SCHEMA))
        made = "SELECT * REPLACE (ST_GeomFromWKB(geometry) AS geometry) FROM given_areas"
        con.execute(f"CREATE OR REPLACE TABLE stg_admin_areas AS {made}")
        lon, lat = np.array(sites, float).T
        self.areas.place(lon, lat)
        con.execute(
            "CREATE OR REPLACE TABLE prep_pv_installations AS SELECT point_id::VARCHAR AS installation_id,"
            " lon_deg AS centroid_lon_deg, lat_deg AS centroid_lat_deg, cell AS h3_r8 FROM points"
        )
        with_wkb = con.sql("SELECT area_id, level, ST_AsWKB(geometry)::BLOB AS geometry FROM stg_admin_areas").to_arrow_table()
        con.register("prep_h3_admin", cover(with_wkb, 2, 6))
        with project.having(**changed):
            self._build("prep_pv_admin_covering")
            self._build("prep_pv_admin_open")
            con.register("prep_pv_admin_nearby", nearby(con.table("prep_pv_admin_open").to_arrow_table(), with_wkb, 25_000))
            self._build("prep_pv_admin")
        located = {row["installation_id"]: row for row in con.table("prep_pv_admin").to_arrow_table().to_pylist()}
        assert len(located) == con.table("prep_pv_admin").count("*").fetchone()[0]
        return [located.get(str(number), {}) for number in range(len(sites))]

    def _build(self, model: str) -> None:
        text = (MODELS / f"{model}.sql").read_text(encoding="utf-8")
        self.areas.con.execute(f"CREATE OR REPLACE TABLE {model} AS {self.areas.project.render(text)}")
