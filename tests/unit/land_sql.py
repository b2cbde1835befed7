"""Models of land, buildings and solar resource, rendered without dbt and run on a DuckDB in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa
import shapely
import yaml
from resolution_sql import Project, cut_at_antimeridian, degrees_from, id_of

from dataflows.elt import PROJECT_DIR
from db import convex_overlap, h3_functions, shares_in_order
from db.arrow_functions import provide
from db.extensions import TRUST_WHEELS, load_extensions

LON, LAT = 10.0, 50.0
LANDED_AT = datetime(2026, 11, 1, tzinfo=UTC)
MODELS = PROJECT_DIR / "models" / "prepared" / "context"

SITE = pa.schema(
    {
        "installation_id": pa.string(),
        "geometry": pa.binary(),
        "geometry_source": pa.string(),
        "geometry_kind": pa.string(),
        "centroid_lon_deg": pa.float64(),
        "centroid_lat_deg": pa.float64(),
        "h3_r5": pa.uint64(),
        "h3_r8": pa.uint64(),
        "reported_mount": pa.string(),
        "level": pa.string(),
        "area_m2": pa.float64(),
        "part_of": pa.string(),
        "datasets": pa.list_(pa.string()),
        "position_error_m": pa.float64(),
        "ingested_at": pa.timestamp("us", "UTC"),
    }
)
CONTEXT = {
    "stg_buildings": {"building_id": pa.string(), "class": pa.string(), "is_underground": pa.bool_(), "geometry": pa.binary()},
    "stg_parking": {"parking_id": pa.string(), "class": pa.string(), "is_underground": pa.bool_(), "geometry": pa.binary()},
    "stg_land_cover": {"land_cover_id": pa.string(), "subtype": pa.string(), "min_zoom": pa.int32(), "geometry": pa.binary()},
    "stg_land_use": {"land_use_id": pa.string(), "subtype": pa.string(), "class": pa.string(), "geometry": pa.binary()},
    "stg_solar_resource": {
        **dict.fromkeys(("source", "release", "variable"), pa.string()),
        **dict.fromkeys(("value", "lon_deg", "lat_deg", "pixel_width_deg", "pixel_height_deg"), pa.float64()),
    },
    "stg_irradiance": {
        **dict.fromkeys(("source", "station_id", "kind"), pa.string()),
        **dict.fromkeys(("lon_deg", "lat_deg"), pa.float64()),
    },
}
Row = dict[str, Any]


def box(east_m: float, north_m: float, width_m: float, height_m: float, lon: float = LON, lat: float = LAT) -> shapely.Polygon:
    """A rectangle by its lower left corner, metres from a place; degrees, longitudes continuous around the place's."""
    east, north = [0, width_m, width_m, 0], [0, 0, height_m, height_m]
    return shapely.Polygon(degrees_from(lon, lat, np.array(east) + east_m, np.array(north) + north_m))


def point(east_m: float, north_m: float, lon: float = LON, lat: float = LAT) -> shapely.Point:
    """A place, metres from another one; degrees."""
    return shapely.Point(degrees_from(lon, lat, [east_m], [north_m])[0])


def site(geometry: shapely.Geometry, **attributes: Any) -> Row:
    """A golden record of some plant; longitudes may go on beyond 180°, where the geometry is cut."""
    centroid = geometry.centroid
    return {
        "geometry": geometry,
        "geometry_kind": "polygon" if shapely.get_dimensions(geometry) == 2 else "point",
        "centroid_lon_deg": (centroid.x + 180) % 360 - 180,
        "centroid_lat_deg": centroid.y,
        "level": "plant",
        "datasets": ["some_dataset_2026"],
        "position_error_m": 5.0,
        "ingested_at": LANDED_AT,
        **attributes,
    }


def area(geometry: shapely.Geometry, subtype: str | None = None, **attributes: Any) -> Row:
    """A building, a land use or a land cover; longitudes may go on beyond 180°, where the geometry is cut."""
    return {"geometry": geometry, "subtype": subtype, **attributes}


class Land:
    """The models, with tables in the place of what they read."""

    def __init__(self) -> None:
        self.project = Project("resolution", "scenes", "context", landed=lambda name: name)
        self.con = duckdb.connect(config={"threads": "2", **TRUST_WHEELS})
        load_extensions(self.con, ("spatial",))
        self.con.execute("SET geometry_always_xy = true")
        h3_functions.register(self.con)
        provide(self.con, convex_overlap.FUNCTIONS)
        provide(self.con, shares_in_order.FUNCTIONS)
        declared = yaml.safe_load((PROJECT_DIR / "seeds" / "seeds.yml").read_text(encoding="utf-8"))["seeds"]
        types = next(seed for seed in declared if seed["name"] == "mount_rules")["config"]["column_types"]
        file = PROJECT_DIR / "seeds" / "mount_rules.csv"
        self.con.execute("CREATE TABLE mount_rules AS FROM read_csv(?, types = ?)", [str(file), types])
        self.con.execute("CREATE TABLE context_versions (context VARCHAR, ingested_at TIMESTAMPTZ)")
        for table in CONTEXT:
            self.have(table, [])

    def place(self, sites: Sequence[Row]) -> None:
        """Make ``prep_pv_installations`` of rows of :func:`site`; they are called s0, s1 …, if nothing else."""
        rows = [
            {
                "installation_id": f"s{number}",
                "geometry_source": id_of(number),
                **{f"h3_r{size}": h3.latlng_to_cell(row["centroid_lat_deg"], row["centroid_lon_deg"], size) for size in (5, 8)},
                **row,
                "geometry": _stored(row["geometry"]),
            }
            for number, row in enumerate(sites)
        ]
        self._table("sites", rows, SITE)
        self.con.execute(
            "CREATE OR REPLACE TABLE prep_pv_installations AS SELECT * EXCLUDE (position_error_m, ingested_at) FROM sites"
        )
        self.con.execute(
            "CREATE OR REPLACE TABLE prep_pv_observations AS SELECT geometry_source AS observation_id, ingested_at FROM sites"
        )
        key = self.project.render("{{ observation_key('geometry_source') }}")
        self.con.execute(
            f"CREATE OR REPLACE TABLE prep_pv_footprints AS SELECT {key} AS observation_key, position_error_m FROM sites"
        )

    def have(self, table: str, rows: Sequence[Row]) -> None:
        """Make a table of context; areas are called a0, a1 …, if nothing else."""
        schema = pa.schema(CONTEXT[table])
        id_column = schema.names[0]
        made = [{id_column: f"a{number}", **row} for number, row in enumerate(rows)]
        if "geometry" in schema.names:
            made = [{**row, "geometry": _stored(row["geometry"])} for row in made]
        self._table(table, [{name: row.get(name) for name in schema.names} for row in made], schema)

    def acquire(self, at: datetime | None) -> None:
        """Buildings were acquired then, or never."""
        self.con.execute("DELETE FROM context_versions")
        self.con.execute(
            "INSERT INTO context_versions VALUES ('overture_land_use', ?), ('overture_building', ?)", [LANDED_AT, at]
        )

    def sql(self, model: str) -> str:
        """SQL of a model."""
        return self.project.render((MODELS / f"{model}.sql").read_text(encoding="utf-8"))

    def build(self, model: str) -> dict[str, Row]:
        """Rows of a model by installation; it becomes a table."""
        self.con.execute(f"CREATE OR REPLACE TABLE {model} AS {self.sql(model)}")
        rows = self.con.sql(f"FROM {model}").to_arrow_table().to_pylist()
        found = {row["installation_id"]: row for row in rows}
        assert len(found) == len(rows) == self.con.sql("FROM prep_pv_installations").shape[0]
        return found

    def mounts(self) -> dict[str, Row]:
        """Rows of prep_pv_buildings, land and all."""
        self.build("prep_pv_land")
        return self.build("prep_pv_buildings")

    def shares(self, areas: Sequence[Row]) -> dict[tuple[str, str], float]:
        """Share by site and kind of areas that have an ``area_id``, ``kind``, ``layer`` and ``area_rank``."""
        schema = pa.schema(
            {
                "area_id": pa.string(),
                "kind": pa.string(),
                "layer": pa.int32(),
                "area_rank": pa.float64(),
                "geometry": pa.binary(),
            }
        )
        rows = [
            {"area_id": f"a{number}", "layer": 0, "area_rank": 0.0, **row, "geometry": _stored(row["geometry"])}
            for number, row in enumerate(areas)
        ]
        self._table("some_areas", rows, schema)
        text = "WITH sites AS ({{ sites_of_installations() }}) FROM ({{ shares_of_sites('sites', 'some_areas') }})"
        found = self.con.execute(self.project.render(text)).to_arrow_table().to_pylist()
        return {(row["installation_id"], row["kind"]): row["share"] for row in found}

    def _table(self, name: str, rows: list[Row], schema: pa.Schema) -> None:
        self.con.register("made", pa.Table.from_pylist(rows, schema))
        typed = " REPLACE (ST_GeomFromWKB(geometry) AS geometry)" if "geometry" in schema.names else ""
        self.con.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT *{typed} FROM made")
        self.con.unregister("made")


def _stored(geometry: shapely.Geometry) -> bytes:
    return shapely.to_wkb(cut_at_antimeridian(geometry) if shapely.is_valid(geometry) else geometry)
