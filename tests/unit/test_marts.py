"""Marts of random sites: the models' own text against sums in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import duckdb
import h3.api.basic_int as h3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resolution_sql import Project

from dataflows.elt import PROJECT_DIR
from db import h3_functions
from db.extensions import TRUST_WHEELS, load_extensions

MODELS = PROJECT_DIR / "models" / "curated" / "marts"
PROJECT = Project("marts")

# Neighbours at several resolutions, across the antimeridian, at a pole and at a pentagon
CELLS = [
    *(h3.latlng_to_cell(52.5 + 0.03 * k, 13.4 + 0.2 * k, 8) for k in range(6)),
    h3.latlng_to_cell(-17.0, 179.999, 8),
    h3.latlng_to_cell(-17.0, -179.999, 8),
    h3.latlng_to_cell(89.99, 10.0, 8),
    h3.cell_to_center_child(h3.get_pentagons(3)[0], 8),
]
# Region ids belong to a country, county ids to a region
AREAS = [
    (None, None, None),
    ("XHE", None, None),
    ("XHE", "a", None),
    ("XHE", "a", "a1"),
    ("XHE", "a", "a2"),
    ("XHE", "b", "b1"),
    ("DEU", None, None),
    ("DEU", "c", None),
]

SITES = st.lists(
    st.fixed_dictionaries(
        {
            "is_part": st.booleans(),
            "h3_r8": st.sampled_from([None, *CELLS]),
            "area": st.sampled_from(AREAS),
            "mount": st.sampled_from(["rooftop", "ground", "canopy", "unknown"]),
            "geometry_kind": st.sampled_from(["point", "polygon"]),
            # Sums of tenths depend on their order
            "area_m2": st.none() | st.integers(0, 50).map(lambda tenths: tenths / 10),
            "capacity_mw": st.none() | st.integers(0, 50).map(lambda tenths: tenths / 10),
            "installed_year": st.none() | st.integers(2010, 2014),
            "confidence": st.sampled_from([0.1, 0.9, 0.97]),
        }
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": "2", **TRUST_WHEELS}) as con:
        load_extensions(con, ("spatial",))
        h3_functions.register(con)
        con.execute("CREATE TABLE stg_admin_areas (area_id VARCHAR, geometry GEOMETRY)")
        yield con


def built(con: duckdb.DuckDBPyConnection, sites: list[dict[str, Any]], *models: str) -> list[dict[str, Any]]:
    """Rows of the last of these models."""
    con.execute("""
        CREATE OR REPLACE TABLE pv_installations (
            installation_id VARCHAR, part_of VARCHAR, h3_r8 UBIGINT, mount VARCHAR, geometry_kind VARCHAR, area_m2 DOUBLE,
            capacity_mw DOUBLE, installed_year INTEGER, confidence DOUBLE, country_code VARCHAR, country_name VARCHAR,
            country_id VARCHAR, region_code VARCHAR, region_name VARCHAR, region_id VARCHAR, county_name VARCHAR,
            county_id VARCHAR
        )
    """)
    columns = ("h3_r8", "mount", "geometry_kind", "area_m2", "capacity_mw", "installed_year", "confidence")
    rows = []
    for number, site in enumerate(sites):
        country, region, county = site["area"]
        names = [country, country, country, region, region, region, county, county]
        rows.append([f"pv-{number:03}", "pv-plant" if site["is_part"] else None, *(site[column] for column in columns), *names])
    if rows:
        con.executemany(f"INSERT INTO pv_installations VALUES ({', '.join('?' * len(rows[0]))})", rows)
    for model in models:
        con.execute(
            f"CREATE OR REPLACE TABLE {model} AS {PROJECT.render((MODELS / f'{model}.sql').read_text(encoding='utf-8'))}"
        )
    return con.sql(f"FROM {models[-1]}").to_arrow_table().to_pylist()


def total(sites: list[dict[str, Any]], column: str) -> float:
    return math.fsum(site[column] or 0 for site in sites)


@settings(max_examples=15)
@given(sites=SITES)
def test_cells_hold_their_sites_and_their_children(con: duckdb.DuckDBPyConnection, sites: list[dict[str, Any]]) -> None:
    held = defaultdict(list)
    for site in sites:
        if site["h3_r8"] is not None:
            for resolution in range(3, 9):
                held[h3.cell_to_parent(site["h3_r8"], resolution)].append(site)
    rows = {row["cell"]: row for row in built(con, sites, "pv_h3")}
    assert set(rows) == set(held)
    for cell, row in rows.items():
        alone = [site for site in held[cell] if not site["is_part"]]
        years = [site["installed_year"] for site in alone if site["installed_year"] is not None]
        assert row["resolution"] == h3.get_resolution(cell)
        assert row["parent_cell"] == (h3.cell_to_parent(cell) if row["resolution"] > 3 else None)
        assert row["n_installations"] == len(alone)
        assert row["n_parts"] == len(held[cell]) - len(alone)
        for mount in ("rooftop", "ground", "canopy"):
            assert row[f"n_{mount}"] == sum(site["mount"] == mount for site in alone)
        assert row["n_points"] == sum(site["geometry_kind"] == "point" for site in alone)
        assert row["n_polygons"] == len(alone) - row["n_points"]
        assert row["n_with_year"] == len(years)
        assert (row["first_installed_year"], row["last_installed_year"]) == (min(years, default=None), max(years, default=None))
        for known, column in (("n_with_area", "area_m2"), ("n_with_capacity", "capacity_mw")):
            assert row[known] == sum(site[column] is not None for site in alone)
            assert row[column] == pytest.approx(total(alone, column))
        assert row["n_installations_expected"] == pytest.approx(total(alone, "confidence"))
        assert row["cell_area_km2"] == pytest.approx(h3.cell_area(cell, "km^2"))
        children = [child for child in rows if rows[child]["parent_cell"] == cell]
        if children:
            assert row["n_installations"] == sum(rows[child]["n_installations"] for child in children)


@settings(max_examples=15)
@given(sites=SITES)
def test_areas_and_years_add_up(con: duckdb.DuckDBPyConnection, sites: list[dict[str, Any]]) -> None:
    held = defaultdict(list)
    for site in sites:
        if not site["is_part"]:
            key = [one or "unknown" for one in site["area"]]
            for area in ("world", "/".join(key[:1]), "/".join(key[:2]), "/".join(key)):
                years = "unknown" if site["installed_year"] is None else "one"
                held[area, years, site["installed_year"]].append(site)
                held[area, "all", None].append(site)
    rows = built(con, sites, "pv_by_admin")
    assert len(rows) == len({(row["area_key"], row["years"], row["year"]) for row in rows})
    assert {(row["area_key"], row["years"], row["year"]) for row in rows} == set(held)
    for row in rows:
        of_row = held[row["area_key"], row["years"], row["year"]]
        assert row["n_installations"] == len(of_row)
        assert row["n_rooftop"] == sum(site["mount"] == "rooftop" for site in of_row)
        assert row["capacity_mw"] == pytest.approx(total(of_row, "capacity_mw"))
        through = [
            site
            for (area, years, year), members in held.items()
            if area == row["area_key"] and years == "one" and row["years"] == "one" and year <= row["year"]
            for site in members
        ]
        if row["years"] == "unknown":
            assert row["n_installations_cumulative"] is None
        else:
            standing = of_row if row["years"] == "all" else through
            assert row["n_installations_cumulative"] == len(standing)
            assert row["area_m2_cumulative"] == pytest.approx(total(standing, "area_m2"))
        assert row["boundary_area_km2"] is None
        assert row["capacity_mw_per_km2"] is None


@settings(max_examples=15)
@given(sites=SITES)
def test_growth_has_every_year_once(con: duckdb.DuckDBPyConnection, sites: list[dict[str, Any]]) -> None:
    alone = [site for site in sites if not site["is_part"]]
    rows = built(con, sites, "pv_by_admin", "pv_growth")
    last = max((site["installed_year"] for site in alone if site["installed_year"] is not None), default=None)
    for country in {None, *(row["country_code"] for row in rows if row["level"] == "country")}:
        of_country = [site for site in alone if country in (None, site["area"][0] or "unknown")]
        dated = [site for site in of_country if site["installed_year"] is not None]
        years = sorted((row for row in rows if row["country_code"] == country), key=lambda row: row["year"])
        if not dated:
            assert years == []
            continue
        assert [row["year"] for row in years] == list(range(min(site["installed_year"] for site in dated), last + 1))
        for row in years:
            added = [site for site in dated if site["installed_year"] == row["year"]]
            standing = [site for site in dated if site["installed_year"] <= row["year"]]
            before = total([site for site in dated if site["installed_year"] < row["year"]], "capacity_mw")
            assert row["n_installations_added"] == len(added)
            assert row["n_installations_cumulative"] == len(standing)
            assert row["capacity_mw_cumulative"] == pytest.approx(total(standing, "capacity_mw"))
            expected = 100 * total(added, "capacity_mw") / before if before else None
            assert row["capacity_growth_pct"] == (None if expected is None else pytest.approx(expected))
            assert row["n_installations_undated"] == len(of_country) - len(dated)
            assert row["known_year_share"] == pytest.approx(len(dated) / len(of_country))
