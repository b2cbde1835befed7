"""The text of the resolution's macros and models, rendered without dbt and run on a DuckDB in memory, without a lake."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyproj
import shapely
import yaml
from jinja2 import Environment, StrictUndefined, Template, nodes
from numpy.typing import NDArray

from dataflows.elt import PROJECT_DIR
from db import convex_overlap, h3_functions
from db.arrow_functions import provide
from db.extensions import TRUST_WHEELS, load_extensions

GEOD = pyproj.Geod(ellps="WGS84")
WORLD = shapely.box(-180, -90, 180, 90)
Pairs = set[tuple[int, int]]
Rows = tuple[dict[str, Any], dict[str, Any]]

SEEDS = ("source_profiles", "match_weights")
MODELS = PROJECT_DIR / "models" / "prepared" / "resolution"

# Datasets as source_profiles.csv declares them
LISTED_ONCE = "deu_ufz_open_field_pv_2015"
LISTED_OFTEN = "deu_osm_pv_2023"
FAR_OFF = "global_wri_gppd_2021"
WITHOUT_PROFILE = "some_dataset_2026"
AC, DC, STATED = "usa_uspvdb_v3_2025", "usa_gm_seus_v1_2025", "usa_cali_usgs_pv_2016"
MODELLED = "global_harmonized_large_solar_farms_2020"

OBSERVATION = pa.schema(
    {
        "observation_id": pa.string(),
        "dataset": pa.string(),
        "external_ids": pa.map_(pa.string(), pa.string()),
        "geometry": pa.binary(),
        "geometry_kind": pa.string(),
        "centroid_lon_deg": pa.float64(),
        "centroid_lat_deg": pa.float64(),
        "area_m2": pa.float64(),
        "reported_area_m2": pa.float64(),
        "capacity_mw": pa.float64(),
        "capacity_mw_dc": pa.float64(),
        "installed_year": pa.int32(),
        "level": pa.string(),
        "name": pa.string(),
        "operator": pa.string(),
        "country_iso3": pa.string(),
        "trust": pa.string(),
        "duplicate_of": pa.string(),
    }
)


class _Returned(Exception):  # noqa: N818 - no error
    """What a macro returns with dbt's ``return``."""


class Project:
    """Macros of folders and models, with what dbt's context gives them; ``context`` is more of that, such as ``this``."""

    def __init__(self, *folders: str, **context: Any) -> None:
        self._vars = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
        self._replaces_part = False
        self._macros: dict[str, Callable[..., str]] = {}
        self._jinja = Environment(undefined=StrictUndefined, extensions=["jinja2.ext.do"])
        self._jinja.globals |= {
            "config": lambda **_: "",
            "ref": lambda name: name,
            "var": lambda name: self._vars[name],
            "return": self._return,
            "replaces_part": lambda: self._replaces_part,
            **context,
        }
        files = [
            file for folder in folders or ("resolution",) for file in sorted((PROJECT_DIR / "macros" / folder).glob("*.sql"))
        ]
        for file in files:
            # Each on its own, as in dbt: a macro's return must not end the one that calls it
            for macro in self._jinja.parse(file.read_text(encoding="utf-8")).find_all(nodes.Macro):
                self._jinja.globals[macro.name] = partial(self._call, macro.name)
                code = self._jinja.compile(nodes.Template([macro], lineno=1))
                self._macros[macro.name] = partial(self._load, code, macro.name)

    def render(self, text: str) -> str:
        """Jinja text with calls of macros → SQL."""
        return self._jinja.from_string(text).render()

    def model(self, name: str) -> str:
        """SQL of a prepared model of the resolution; other models are tables of their own names."""
        return self.render((MODELS / f"{name}.sql").read_text(encoding="utf-8"))

    @contextmanager
    def having(self, *, replaces_part: bool = False, **changed: Any) -> Iterator[None]:
        """For a while, other vars, or a build in part."""
        before = self._vars, self._replaces_part
        self._vars, self._replaces_part = {**self._vars, **changed}, replaces_part
        try:
            yield
        finally:
            self._vars, self._replaces_part = before

    def _load(self, code: Any, name: str, *arguments: Any, **named: Any) -> str:
        # Only now, since names are resolved when a template is loaded
        template = Template.from_code(self._jinja, code, self._jinja.globals)
        self._macros[name] = getattr(template.module, name)
        return self._macros[name](*arguments, **named)

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        try:
            return self._macros[name](*arguments, **named)
        except _Returned as returned:
            return returned.args[0]

    @staticmethod
    def _return(value: Any) -> None:
        raise _Returned(value)


def degrees_from(lon: float, lat: float, east_m: Iterable[float], north_m: Iterable[float]) -> list[tuple[float, float]]:
    """Places at offsets in metres from a place, on the ellipsoid; longitudes are continuous around the place's."""
    local = pyproj.Transformer.from_crs(local_crs("aeqd", lon, lat), "EPSG:4326", always_xy=True)
    lons, lats = local.transform(list(east_m), list(north_m))
    return [(lon + (found - lon + 180) % 360 - 180, lat) for found, lat in zip(lons, lats, strict=True)]


def local_crs(projection: str, lon: float, lat: float) -> str:
    """``aeqd`` or ``laea`` around a place, in metres."""
    return f"+proj={projection} +lon_0={lon} +lat_0={lat} +datum=WGS84 +units=m"


def cut_at_antimeridian(geometry: shapely.Geometry) -> shapely.Geometry:
    """A geometry that goes on beyond ±180° as RFC 7946 wants it."""
    pieces = []
    for turn in (-360, 0, 360):
        piece = shapely.transform(geometry, lambda places, turn=turn: places + np.array([turn, 0])).intersection(WORLD)
        # What touches the antimeridian leaves a line on its other side
        pieces += [part for part in shapely.get_parts(piece) if part.geom_type in ("Point", "Polygon") and not part.is_empty]
    return pieces[0] if len(pieces) == 1 or geometry.geom_type == "Point" else shapely.MultiPolygon(pieces)


def one_ring(geometry: shapely.Geometry) -> shapely.Geometry:
    """A geometry that goes on beyond 180° as many publish it: each vertex within ±180°, rings not cut."""
    return shapely.transform(geometry, _within_180)


def _within_180(places: NDArray[np.float64]) -> NDArray[np.float64]:
    # What is within already keeps its last digits
    return np.where(np.abs(places) > 180, (places + 180) % 360 - 180, places)


def id_of(number: int) -> str:
    """The observation_id of the row at a position."""
    return hashlib.md5(str(number).encode()).hexdigest()


def observation(geometry: shapely.Geometry, dataset: str, *, cut: bool = True, **attributes: Any) -> dict[str, Any]:
    """A row of ``prep_pv_observations``; longitudes may go on beyond 180°, where the geometry is cut, or stored as one ring."""
    centroid = geometry.centroid
    is_polygon = shapely.get_dimensions(geometry) == 2
    stored = cut_at_antimeridian(geometry) if cut or not is_polygon else one_ring(geometry)
    return {
        "dataset": dataset,
        "external_ids": {},
        "geometry": shapely.to_wkb(stored),
        "geometry_kind": "polygon" if is_polygon else "point",
        "centroid_lon_deg": (centroid.x + 180) % 360 - 180,
        "centroid_lat_deg": centroid.y,
        "area_m2": abs(GEOD.geometry_area_perimeter(shapely.orient_polygons(geometry))[0]) if is_polygon else None,
        "level": "plant",
        "trust": "normal",
        **attributes,
    }


def with_an_end_in(chosen: set[int], whole: Pairs) -> Pairs:
    """Those pairs of which an end is among the chosen keys."""
    return {pair for pair in whole if chosen & set(pair)}


class Resolution:
    """The resolution's models on DuckDB, with the extensions, functions and seeds that they need."""

    def __init__(self) -> None:
        self.project = Project()
        self.con = duckdb.connect(config={"threads": "2", **TRUST_WHEELS})
        load_extensions(self.con, ("spatial",))
        self.con.execute("SET geometry_always_xy = true")
        h3_functions.register(self.con)
        provide(self.con, convex_overlap.FUNCTIONS)
        declared = yaml.safe_load((PROJECT_DIR / "seeds" / "seeds.yml").read_text(encoding="utf-8"))["seeds"]
        for seed in declared:
            if seed["name"] in SEEDS:
                file, types = PROJECT_DIR / "seeds" / f"{seed['name']}.csv", seed["config"]["column_types"]
                self.con.execute(f"CREATE TABLE {seed['name']} AS FROM read_csv(?, types = ?)", [str(file), types])

    def observe(self, rows: list[dict[str, Any]]) -> list[int]:
        """Make ``prep_pv_observations``, ``prep_pv_touched`` and ``prep_pv_footprints`` of rows; returns the rows' keys."""
        ids = [row.get("observation_id") or id_of(number) for number, row in enumerate(rows)]
        columns = {name: [row.get(name) for row in rows] for name in OBSERVATION.names if name != "observation_id"}
        self.con.register("published", pa.table({"observation_id": ids, **columns}, schema=OBSERVATION))
        self.con.execute(
            "CREATE OR REPLACE TABLE prep_pv_observations AS"
            " SELECT * REPLACE (ST_GeomFromWKB(geometry) AS geometry) FROM published"
        )
        keys = [int(text[:16], 16) for text in ids]
        self.touch(keys)
        self.build("prep_pv_footprints")
        return keys

    def touch(self, keys: Iterable[int]) -> None:
        """Make ``prep_pv_touched`` of keys."""
        self.con.execute(
            "CREATE OR REPLACE TABLE prep_pv_touched AS SELECT unnest(?::UBIGINT[]) AS observation_key, 0 AS fingerprint,"
            " 'new' AS change",
            [[str(key) for key in keys]],
        )

    def choose(self, keys: set[int]) -> None:
        """Make ``chosen`` of the footprints of keys."""
        among = f"list_contains({sorted(keys)}::UBIGINT[], observation_key)"
        self.con.execute(f"CREATE OR REPLACE TABLE chosen AS FROM prep_pv_footprints WHERE {among}")

    def build(self, model: str, table: str | None = None) -> None:
        """Make a table of a model."""
        self.con.execute(f"CREATE OR REPLACE TABLE {table or model} AS {self.project.model(model)}")

    def pairs_by(self, macro: str, some: str = "prep_pv_footprints") -> Pairs:
        """Pairs that a macro finds between some footprints and all."""
        return self.pairs(f"{{{{ {macro}('{some}', 'prep_pv_footprints') }}}}")

    def rows(self, text: str) -> list[dict[str, Any]]:
        """Rows of a query, which may call macros."""
        return self.con.sql(self.project.render(text)).to_arrow_table().to_pylist()

    def evidence(self, ends: list[Rows], *, suggested: bool = True) -> list[dict[str, Any]]:
        """Evidence of each pair of rows, with the ``keys`` of both; nothing else of pairs that are left out."""
        keys = self.observe([row for pair in ends for row in pair])
        pairs = list(zip(keys[::2], keys[1::2], strict=True))
        listed = ", ".join(f"({min(pair)}, {max(pair)}, {suggested})" for pair in pairs)
        self.con.execute(
            "CREATE OR REPLACE TABLE prep_pv_candidates AS"
            " SELECT key_a::UBIGINT AS key_a, key_b::UBIGINT AS key_b, true AS is_near, suggested AS is_called_alike,"
            f" false AS shares_an_id FROM (VALUES {listed}) AS listed (key_a, key_b, suggested)"
        )
        self.build("prep_pv_evidence")
        found = {(row["key_a"], row["key_b"]): row for row in self.rows("FROM prep_pv_evidence")}
        return [{**found.get((min(pair), max(pair)), {}), "keys": pair} for pair in pairs]

    def pairs(self, text: str) -> Pairs:
        """Pairs of a query, which may call macros; each has to be ordered and to occur once."""
        found = [(row["key_a"], row["key_b"]) for row in self.rows(f"SELECT key_a, key_b FROM ({text})")]
        assert all(key_a < key_b for key_a, key_b in found)
        assert len(set(found)) == len(found)
        return set(found)
