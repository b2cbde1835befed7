"""Windows and cells that are studied: the models' own text, against shapely and the h3 package."""

from __future__ import annotations

import duckdb
import h3.api.basic_int as h3
import numpy as np
import pytest
import shapely
from resolution_sql import Project

from dataflows.elt import PROJECT_DIR
from db import h3_functions
from db.extensions import TRUST_WHEELS, load_extensions

MODELS = PROJECT_DIR / "models" / "prepared" / "statistics"


class CompilerError(Exception):
    """What dbt's ``raise_compiler_error`` raises."""


class Exceptions:
    @staticmethod
    def raise_compiler_error(text: str) -> None:
        raise CompilerError(text)


PROJECT = Project("marts", exceptions=Exceptions)


@pytest.fixture(scope="module")
def con():
    with duckdb.connect(config={"threads": "1", **TRUST_WHEELS}) as con:
        load_extensions(con, ("spatial",))
        con.execute("SET geometry_always_xy = true")
        h3_functions.register(con)
        yield con


def build(con, sites: list[tuple], boundaries: dict[str, shapely.Geometry], **variables) -> None:
    """Sites are (country, region, longitude, latitude, part_of)."""
    con.execute("CREATE OR REPLACE TABLE stg_admin_areas (area_id VARCHAR, geometry GEOMETRY)")
    for area_id, geometry in boundaries.items():
        con.execute("INSERT INTO stg_admin_areas VALUES (?, ST_GeomFromWKB(?))", [area_id, shapely.to_wkb(geometry)])
    con.execute("""
        CREATE OR REPLACE TABLE pv_installations (
            installation_id VARCHAR, part_of VARCHAR, country_code VARCHAR, country_id VARCHAR, region_code VARCHAR,
            region_id VARCHAR, centroid_lon_deg DOUBLE, centroid_lat_deg DOUBLE, h3_r8 UBIGINT
        )
    """)
    rows = [
        (
            f"pv-{place:04}",
            part,
            country,
            country and f"id of {country}",
            region,
            region and f"id of {region}",
            lon,
            lat,
            lat,
            lon,
        )
        for place, (country, region, lon, lat, part) in enumerate(sites)
    ]
    con.executemany("INSERT INTO pv_installations VALUES (?, ?, ?, ?, ?, ?, ?, ?, h3_latlng_to_cell(?, ?, 8))", rows)
    with PROJECT.having(study_min_cells=2, **variables):
        for model in ("prep_study_sites", "prep_study_areas"):
            text = PROJECT.render((MODELS / f"{model}.sql").read_text(encoding="utf-8"))
            con.execute(f"CREATE OR REPLACE TABLE {model} AS {text}")
        (resolution,) = variables.get("study_resolutions", [5])
        con.execute(f"""
            CREATE OR REPLACE TABLE pv_h3 AS
            SELECT
                h3_cell_to_parent(h3_r8, {resolution}) AS cell, count(*) AS n_installations, 2.0 * count(*) AS capacity_mw,
                h3_cell_area(cell, 'km^2') AS cell_area_km2
            FROM pv_installations WHERE part_of IS NULL GROUP BY cell
        """)
        text = PROJECT.render((MODELS / "prep_study_cells.sql").read_text(encoding="utf-8"))
        con.execute(f"CREATE OR REPLACE TABLE prep_study_cells AS {text}")


def areas(con) -> dict[str, dict]:
    table = con.sql("SELECT * REPLACE (ST_AsWKB(study_window)::BLOB AS study_window) FROM prep_study_areas").to_arrow_table()
    return {row["area"]: {**row, "study_window": shapely.from_wkb(row["study_window"])} for row in table.to_pylist()}


def cells(con, area: str) -> dict[int, int]:
    return dict(con.execute("SELECT cell, n_installations FROM prep_study_cells WHERE area = ?", [area]).fetchall())


SQUARE = shapely.box(10, 50, 12, 51.5)
SITES = [("XHE", "XH-A", 10.2 + 0.1 * k, 50.2 + 0.05 * k, None) for k in range(12)]


def test_the_window_is_the_boundary_and_its_empty_cells_are_zeros(con) -> None:
    offshore = ("XHE", None, 12.6, 50.6, None)
    build(con, [*SITES, offshore, ("XHE", None, 10.5, 51.4, "pv-0000")], {"id of XHE": SQUARE})
    found = cells(con, "XHE")
    within = set(h3.h3shape_to_cells(h3.geo_to_h3shape(SQUARE), 5))
    held = [h3.cell_to_parent(h3.latlng_to_cell(lat, lon, 8), 5) for _, _, lon, lat, _ in [*SITES, offshore]]
    assert set(found) == within | set(held)
    assert held[-1] not in within
    # The part of a plant does not make its cell occupied
    assert {cell: n for cell, n in found.items() if n} == {cell: held.count(cell) for cell in held}
    assert 0 in found.values()
    area = areas(con)["XHE"]
    assert area["study_window"].equals(SQUARE)
    assert (area["study_window_source"], area["is_chosen"], area["n_installations"]) == ("boundary", True, 13)


def test_without_a_boundary_the_window_is_the_hull_of_the_sites(con) -> None:
    random = np.random.default_rng(0)
    sites = [("XHE", None, *place, None) for place in random.uniform((10, 50), (12, 51.5), (40, 2)).tolist()]
    build(con, sites, {})
    area = areas(con)["XHE"]
    hull = shapely.MultiPoint([(lon, lat) for _, _, lon, lat, _ in sites]).convex_hull
    assert area["study_window_source"] == "hull"
    assert area["study_window"].equals(hull)
    assert set(h3.h3shape_to_cells(h3.geo_to_h3shape(hull.buffer(-0.01)), 5)) <= set(cells(con, "XHE"))


def test_a_hull_across_the_antimeridian_is_no_belt_around_the_world(con) -> None:
    random = np.random.default_rng(1)
    places = random.uniform((178, -19), (182, -16), (40, 2)).tolist()
    sites = [("FJI", None, lon - 360 if lon > 180 else lon, lat, None) for lon, lat in places]
    build(con, sites, {})
    window = areas(con)["FJI"]["study_window"]
    hull = shapely.MultiPoint(places).convex_hull
    assert window.bounds[0] == -180
    assert window.bounds[2] == 180
    assert window.area == pytest.approx(hull.area)
    expected = len(h3.h3shape_to_cells(h3.geo_to_h3shape(shapely.transform(hull, lambda xy: xy - [40, 0])), 5))
    assert len(cells(con, "FJI")) == pytest.approx(expected, rel=0.25)


def test_the_country_with_most_sites_is_chosen_unless_another_area_is(con) -> None:
    others = [("DEU", "DE-BB", 13.2 + 0.1 * k, 52.2, None) for k in range(14)]
    build(con, [*SITES, *others, (None, None, 0.0, 0.0, None)], {})
    assert {name: area["is_chosen"] for name, area in areas(con).items()} == {"XHE": False, "DEU": True}
    build(con, [*SITES, *others], {}, study_area="XHE")
    assert {name: area["is_chosen"] for name, area in areas(con).items()} == {"XHE": True, "DEU": False}


def test_a_region_is_studied_besides_the_countries(con) -> None:
    boundaries = {"id of XH-A": SQUARE}
    build(con, [*SITES, ("XHE", "XH-B", 14.0, 50.6, None)], boundaries, study_area="XH-A")
    found = areas(con)
    assert {name: (area["kind"], area["is_chosen"]) for name, area in found.items()} == {
        "XHE": ("country", False),
        "XH-A": ("region", True),
    }
    assert found["XH-A"]["n_installations"] == 12
    assert found["XH-A"]["study_window_source"] == "boundary"
    assert sum(cells(con, "XH-A").values()) == 12


@pytest.mark.parametrize(("box", "n"), [([10.0, 50.0, 10.75, 51.0], 6), ([170.0, -20.0, -170.0, -10.0], 2)])
def test_a_box_is_studied_besides_also_across_the_antimeridian(con, box, n) -> None:
    far = [("FJI", None, 178.0, -17.0, None), ("FJI", None, -179.0, -16.0, None), ("FJI", None, 150.0, -17.0, None)]
    build(con, [*SITES, *far], {}, study_area=box)
    name = ",".join(str(degrees) for degrees in box)
    area = areas(con)[name]
    assert (area["kind"], area["is_chosen"], area["n_installations"], area["study_window_source"]) == ("box", True, n, "box")
    west, south, east, north = box
    assert area["study_window"].area == pytest.approx((east - west) % 360 * (north - south))
    of_sites = con.execute(
        "SELECT h3_cell_to_parent(h3_r8, 5), count(*) FROM prep_study_sites WHERE area = ? GROUP BY ALL", [name]
    ).fetchall()
    found = cells(con, name)
    assert sum(n_sites for _, n_sites in of_sites) == n
    # A cell has all that stands in it, also beyond the edge of the box
    assert all(found[cell] >= n_sites for cell, n_sites in of_sites)


def test_an_area_with_few_cells_has_no_statistics_of_cells(con) -> None:
    build(
        con,
        [*SITES, ("DEU", None, 13.2, 52.2, None), ("DEU", None, 13.2, 52.2, None)],
        {"id of DEU": shapely.box(13, 52, 14, 53)},
    )
    assert {area for (area,) in con.sql("SELECT DISTINCT area FROM prep_study_cells").fetchall()} == {"XHE"}


def test_an_unknown_kind_of_area_is_refused(con) -> None:
    with pytest.raises(CompilerError, match="west, south, east, north"):
        build(con, SITES, {}, study_area=[1, 2, 3])
