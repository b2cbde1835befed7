"""Which scenes show an installation, and how much of it: the models' SQL against shapely and GeographicLib."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from resolution_sql import GEOD, Project, cut_at_antimeridian, one_ring

from dataflows.elt import PROJECT_DIR
from db.extensions import TRUST_WHEELS, load_extensions

MODELS = {name: PROJECT_DIR / "models" / layer / "scenes" / f"{name}.sql" for layer, name in (
    ("staging", "stg_stac_items"), ("prepared", "prep_scene_candidates")
)}  # fmt: skip


class Scenes:
    """The models on DuckDB, with tables in the place of what they read."""

    def __init__(self) -> None:
        project = Project("scenes")
        self.sql = {name: project.render(file.read_text(encoding="utf-8")) for name, file in MODELS.items()}
        self.con = duckdb.connect(config={"threads": "2", **TRUST_WHEELS})
        load_extensions(self.con, ("spatial",))
        self.con.execute("SET geometry_always_xy = true")
        self.con.execute("SET TimeZone = 'UTC'")
        self.con.execute(
            "CREATE TABLE raw_stac_assets (catalog VARCHAR, collection VARCHAR, item_id VARCHAR, version INTEGER, epsg INTEGER)"
        )

    def footprints(self, outlines: dict[str, shapely.Geometry]) -> dict[str, shapely.Geometry]:
        """``footprint`` by item of items with these geometries."""
        rows = pa.table({"item_id": list(outlines), "wkb": shapely.to_wkb(list(outlines.values()))})
        self.con.register("published", rows)
        self.con.execute(
            """
            CREATE OR REPLACE TABLE raw_stac_items AS
            SELECT 'c' AS catalog, 'l' AS collection, item_id, 1 AS version, '1.1.0' AS stac_version,
                timestamptz '2025-06-01 00:00:00+00' AS datetime, NULL::TIMESTAMPTZ AS start_datetime,
                NULL::TIMESTAMPTZ AS end_datetime, NULL::TIMESTAMPTZ AS updated, ST_GeomFromWKB(wkb) AS geometry,
                '{}'::JSON AS properties, '' AS item_sha256, '' AS source, now() AS ingested_at, '' AS ingest_run_id
            FROM published
            """
        )
        self.con.execute(f"CREATE OR REPLACE TABLE stg_stac_items AS {self.sql['stg_stac_items']}")
        found = self.con.execute("SELECT item_id, ST_AsWKB(footprint) FROM stg_stac_items").fetchall()
        return {item_id: None if wkb is None else shapely.from_wkb(bytes(wkb)) for item_id, wkb in found}

    def candidates(
        self, sites: dict[str, shapely.Geometry], outlines: dict[str, shapely.Geometry]
    ) -> dict[tuple[str, str], float]:
        """``covered_share`` by installation and item."""
        self.footprints(outlines)
        self.con.register("sites", pa.table({"id": list(sites), "wkb": shapely.to_wkb(list(sites.values()))}))
        self.con.execute(
            "CREATE OR REPLACE TABLE pv_installations AS"
            " SELECT id AS installation_id, ST_GeomFromWKB(wkb) AS geometry FROM sites"
        )
        rows = self.con.execute(
            f"SELECT installation_id, item_id, covered_share FROM ({self.sql['prep_scene_candidates']})"
        ).fetchall()
        assert len({row[:2] for row in rows}) == len(rows)
        return {(site, item): share for site, item, share in rows}


@pytest.fixture(scope="module")
def scenes() -> Iterator[Scenes]:
    found = Scenes()
    yield found
    found.con.close()


def area_m2(geometry: shapely.Geometry) -> float:
    return abs(GEOD.geometry_area_perimeter(shapely.orient_polygons(geometry))[0]) if not geometry.is_empty else 0.0


def square(lon: float, lat: float, side_deg: float, turn_deg: float = 0.0) -> shapely.Polygon:
    turned = shapely.affinity.rotate(shapely.box(-0.5, -0.5, 0.5, 0.5), turn_deg, origin=(0, 0))
    return shapely.transform(turned, lambda places: places * side_deg + np.array([lon, lat]))


def squares(least_deg: float, most_deg: float) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(least_deg, most_deg), st.floats(0, 90))


@settings(max_examples=40)
@given(
    lon=st.sampled_from([-60.0, 0.0, 179.7, 180.0, -180.0, -179.6]),
    lat=st.floats(-75, 75),
    sites=st.lists(squares(0.01, 0.2), min_size=1, max_size=4),
    outlines=st.lists(st.tuples(squares(0.05, 2), st.booleans()), min_size=1, max_size=4),
    points=st.booleans(),
)
def test_covered_shares_are_those_of_geographiclib_on_either_side_of_the_antimeridian(
    scenes, lon, lat, sites, outlines, points
):
    def placed(square_of: tuple[float, ...]) -> shapely.Geometry:
        east, north, side, turn = square_of
        return square(lon + east, lat + north, side, turn)

    whole = {f"s{n}": placed(given).centroid if points else placed(given) for n, given in enumerate(sites)}
    seen = {f"i{n}": placed(given) for n, (given, _) in enumerate(outlines)}
    published = {
        name: one_ring(outline) if as_ring else cut_at_antimeridian(outline)
        for (name, outline), (_, as_ring) in zip(seen.items(), outlines, strict=True)
    }
    found = scenes.candidates({name: cut_at_antimeridian(site) for name, site in whole.items()}, published)
    for site_id, site in whole.items():
        for item_id, outline in seen.items():
            share = found.get((site_id, item_id), 0.0)
            if points:
                # on the edge, the last digits decide
                if abs(outline.exterior.distance(site)) > 1e-9:
                    assert share == float(outline.covers(site))
            else:
                # Edges are geodesics from corner to corner: those that the antimeridian cuts run otherwise than uncut ones
                expected = area_m2(cut_at_antimeridian(site.intersection(outline))) / area_m2(cut_at_antimeridian(site))
                assert share == pytest.approx(expected, abs=1e-5)


def test_what_lies_within_is_covered_whole_and_what_only_touches_is_not_shown(scenes):
    outline = shapely.box(10, 50, 11, 51)
    sites = {
        "inside": shapely.box(10.2, 50.2, 10.3, 50.3),
        "at the edge": shapely.box(10, 50.2, 10.1, 50.3),
        "touching": shapely.box(9.9, 50.2, 10, 50.3),
        "half": shapely.box(9.9, 50.2, 10.1, 50.3),
        "point at the edge": shapely.Point(10, 50.5),
        "away": shapely.box(12, 50.2, 12.1, 50.3),
    }
    found = {site: share for (site, _), share in scenes.candidates(sites, {"i": outline}).items()}
    assert found == {
        "inside": 1.0,
        "at the edge": 1.0,
        "half": pytest.approx(0.5, abs=1e-6),
        "point at the edge": 1.0,
    }


def test_world_wide_products_are_not_taken_for_scenes_across_the_antimeridian(scenes):
    outlines = {
        "world": shapely.box(-180, -90, 180, 90),
        "nearly": shapely.box(-179.95, -60, 179.95, 90),
        "band": shapely.box(-180, 0, 180, 20),
        "in two parts": shapely.MultiPolygon([shapely.box(-180, 0, -178, 2), shapely.box(178, 0, 180, 2)]),
    }
    assert all(shapely.equals(footprint, outlines[name]) for name, footprint in scenes.footprints(outlines).items())


def test_a_ring_across_the_antimeridian_is_cut_in_two(scenes):
    ring = shapely.Polygon([(179, 0), (-178, 0), (-178, 1), (179, 1)])
    (footprint,) = scenes.footprints({"ring": ring}).values()
    assert footprint.is_valid
    parts = shapely.MultiPolygon([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -178, 1)])
    assert footprint.symmetric_difference(parts).area < 1e-12
    assert (footprint.bounds[0], footprint.bounds[2]) == (-180, 180)


def test_footprints_are_mended_or_none(scenes):
    outlines = {
        "bow tie": shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]),
        "height": shapely.Polygon([(0, 0, 5), (1, 0, 5), (1, 1, 5)]),
        "empty": shapely.Polygon(),
    }
    found = scenes.footprints(outlines)
    assert found["bow tie"].is_valid
    assert found["bow tie"].area == pytest.approx(2)
    assert not found["height"].has_z
    assert found["empty"] is None


def test_the_join_is_a_spatial_one(scenes):
    """A plan that compares each installation with each item would show in no small test."""
    scenes.candidates({"s": shapely.Point(0, 0)}, {"i": shapely.box(0, 0, 1, 1)})
    rows = 20_000
    for name in ("pv_installations", "stg_stac_items"):
        scenes.con.execute(f"INSERT INTO {name} SELECT {name}.* FROM {name}, range({rows})")
    ((_, plan),) = scenes.con.execute(f"EXPLAIN (FORMAT JSON) {scenes.sql['prep_scene_candidates']}").fetchall()
    operators = set(_operators(json.loads(plan)))
    assert "SPATIAL_JOIN" in operators
    assert not operators & {"NESTED_LOOP_JOIN", "PIECEWISE_MERGE_JOIN", "BLOCKWISE_NL_JOIN", "CROSS_PRODUCT"}


def _operators(plan: Any) -> Iterator[str]:
    for node in plan if isinstance(plan, list) else [plan]:
        yield node["name"].strip()
        yield from _operators(node.get("children", []))
