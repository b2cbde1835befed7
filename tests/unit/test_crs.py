"""Assertion of reference systems, and transformation compared with pyproj."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyproj
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflows.raw import crs
from db.errors import CrsError
from db.extensions import TRUST_WHEELS, load_extensions

# CRS → an area of use (west, south, east, north) that stays clear of its edges
PROJECTED = {
    "EPSG:3857": (-179.0, -80.0, 179.0, 80.0),
    "EPSG:3035": (-8.0, 36.0, 30.0, 68.0),
    "EPSG:32632": (6.5, 1.0, 11.5, 80.0),
    "EPSG:2154": (-3.0, 42.5, 8.0, 50.0),
    "ESRI:54012": (-170.0, -80.0, 170.0, 80.0),
    "ESRI:54009": (-170.0, -80.0, 170.0, 80.0),
}

# 2 mm: DuckDB's PROJ is older than pyproj's, and their series for authalic latitudes differ by that much
TOLERANCE_DEG = 2e-8


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config=TRUST_WHEELS) as con:
        load_extensions(con)
        con.execute("SET geometry_always_xy = true")
        yield con


def test_neither_file_nor_manifest_states_a_crs() -> None:
    with pytest.raises(CrsError, match=r"a\.shp has no CRS.*Add 'crs'"):
        crs.asserted(None, None, "a.shp")


@pytest.mark.parametrize(
    ("in_file", "in_manifest", "expected"),
    [
        ("EPSG:3035", None, "EPSG:3035"),
        (None, "ESRI:54012", "ESRI:54012"),
        (pyproj.CRS("EPSG:3035").to_wkt(), "EPSG:3035", "EPSG:3035"),
        (pyproj.CRS("EPSG:25832").to_json(), "EPSG:25832", "EPSG:25832"),
        # Axis order is no contradiction: GeoJSON's CRS84 is EPSG:4326 with longitude first
        ("OGC:CRS84", "EPSG:4326", "OGC:CRS84"),
    ],
)
def test_what_is_stated_is_asserted(in_file: str | None, in_manifest: str | None, expected: str) -> None:
    assert crs.asserted(in_file, in_manifest, "a.shp") == expected


def test_a_crs_without_authority_is_asserted_in_full() -> None:
    local = "+proj=laea +lat_0=51 +lon_0=9 +datum=WGS84 +units=m"
    assert pyproj.CRS(crs.asserted(local, None, "a.shp")).equals(pyproj.CRS(local))


@pytest.mark.parametrize(("in_file", "in_manifest"), [("EPSG:3857", "EPSG:4326"), ("EPSG:4269", "EPSG:4326")])
def test_a_contradiction_names_both(in_file: str, in_manifest: str) -> None:
    with pytest.raises(CrsError) as caught:
        crs.asserted(in_file, in_manifest, "a.shp")
    assert pyproj.CRS(in_file).name in caught.value.message
    assert pyproj.CRS(in_manifest).name in caught.value.message


@pytest.mark.parametrize("unknown", ["EPSG:999999", "nonsense", '{"type": "GeographicCRS"}', ""])
@pytest.mark.parametrize("source", ["file", "manifest"])
def test_an_unknown_crs_is_an_error(unknown: str, source: str) -> None:
    stated = {"file": (unknown, None), "manifest": (None, unknown)}[source]
    with pytest.raises(CrsError):
        crs.asserted(*stated, "a.shp")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("EPSG:4326", True),
        ("OGC:CRS84", True),
        ("OGC:CRS84h", True),
        ("EPSG:4979", True),
        ("EPSG:4269", False),
        ("EPSG:4258", False),
        ("EPSG:3857", False),
    ],
)
def test_which_systems_need_no_transformation(text: str, expected: bool) -> None:
    assert crs.is_geographic(text) is expected


def located(con: duckdb.DuckDBPyConnection, system: str, x: float, y: float, axis_order: str = "xy") -> tuple[float, float]:
    table = con.sql(f"SELECT ST_Point({x!r}, {y!r}) AS geometry, 'kept' AS name")
    moved = crs.to_geographic(table, system, axis_order)
    assert moved.columns == ["geometry", "name"]
    return moved.project("ST_X(geometry), ST_Y(geometry)").fetchone()


@pytest.mark.parametrize("system", PROJECTED)
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_projected_coordinates_come_back_as_pyproj_has_them(con, system: str, data: st.DataObject) -> None:
    west, south, east, north = PROJECTED[system]
    lon = data.draw(st.floats(west, east))
    lat = data.draw(st.floats(south, north))
    there = pyproj.Transformer.from_crs("EPSG:4326", system, always_xy=True)
    back = pyproj.Transformer.from_crs(system, "EPSG:4326", always_xy=True)
    x, y = there.transform(lon, lat)
    expected = back.transform(x, y)
    assert located(con, system, x, y) == pytest.approx(expected, abs=TOLERANCE_DEG)
    assert located(con, system, y, x, "yx") == pytest.approx(expected, abs=TOLERANCE_DEG)


@pytest.mark.parametrize("system", ["EPSG:4326", "OGC:CRS84"])
def test_geographic_coordinates_are_not_touched(con, system: str) -> None:
    assert located(con, system, 10.1, 50.2) == (10.1, 50.2)
    assert located(con, system, 50.2, 10.1, "yx") == (10.1, 50.2)


def test_a_column_with_a_crs_of_its_own_is_transformed_all_the_same(con) -> None:
    table = con.sql("SELECT 'POINT (4321000 3210000)'::GEOMETRY('EPSG:3035') AS geometry")
    assert crs.to_geographic(table, "EPSG:3035", "xy").project("ST_AsText(geometry)").fetchone() == ("POINT (10 52)",)
