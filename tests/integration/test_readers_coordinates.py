"""CSV tables and JSON lists of coordinates through the real DAG, compared with pyproj and Python's own csv module."""

from __future__ import annotations

import json

import pandas as pd
import pyproj
import pytest
from publishing import TOLERANCE_DEG, Publisher, entry, write_csv

LON_LAT = [(10.5, 50.5), (-120.25, 36.125), (151.2, -33.9)]
POINTS = {"x": "lon", "y": "lat"}


def located(landed) -> list[tuple[float, float] | None]:
    return [None if shape is None else (shape.x, shape.y) for shape in landed.geometry]


def land_text(publisher: Publisher, key: str, text: str, encoding: str = "utf-8", **distribution: object):
    (publisher.folder(key) / "a.csv").write_bytes(text.encode(encoding))
    return publisher.land(entry(key, "csv", **{"crs": "EPSG:4326", "points": POINTS, **distribution}))


@pytest.mark.parametrize("crs", ["EPSG:4326", "ESRI:54012", "EPSG:3857", "ESRI:54009", "EPSG:6933"])
def test_coordinates_in_any_crs(publisher: Publisher, crs: str) -> None:
    key = f"crs_{crs.replace(':', '_').lower()}"
    there = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    back = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    written = [there.transform(*place) for place in LON_LAT]
    write_csv(publisher.folder(key) / "a.csv", [["easting", "northing"], *written])
    landed = publisher.land(entry(key, "csv", crs=crs, points={"x": "easting", "y": "northing"}))
    for found, coordinates in zip(located(landed), written, strict=True):
        assert found == pytest.approx(back.transform(*coordinates), abs=TOLERANCE_DEG)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
def test_each_encoding(publisher: Publisher, encoding: str) -> None:
    text = "lon,lat,Straße\n10.5,50.5,Größe\n11.5,51.5,Köln\n"
    landed = land_text(publisher, f"enc_{encoding.replace('-', '_')}", text, encoding)
    assert landed["Straße"].tolist() == ["Größe", "Köln"]
    assert located(landed) == [(10.5, 50.5), (11.5, 51.5)]


def test_bytes_that_only_windows_has(publisher: Publisher) -> None:
    assert land_text(publisher, "enc_windows", "lon,lat,n\n1,2,„5 €“ – x\n", "cp1252")["n"].tolist() == ["„5 €“ – x"]


@pytest.mark.parametrize(("name", "delimiter"), [("semicolon", ";"), ("tab", "\t"), ("pipe", "|")])
def test_other_separators(publisher: Publisher, name: str, delimiter: str) -> None:
    rows = [["id", "lon", "lat", "text"], ["007", 10.5, 50.5, "a, b"], ["012", 11.5, 51.5, f"c{delimiter}d"]]
    write_csv(publisher.folder(f"sep_{name}") / "a.csv", rows, delimiter=delimiter)
    landed = publisher.land(entry(f"sep_{name}", "csv", crs="EPSG:4326", points=POINTS))
    assert landed["text"].tolist() == ["a, b", f"c{delimiter}d"]
    assert landed["id"].tolist() == ["007", "012"]
    assert located(landed) == [(10.5, 50.5), (11.5, 51.5)]


def test_decimal_commas(publisher: Publisher) -> None:
    landed = land_text(publisher, "decimal_comma", "id;lon;lat\n1;10,5;50,125\n2;-11,25;51\n")
    assert located(landed) == [(10.5, 50.125), (-11.25, 51)]
    assert landed["lon"].tolist() == ["10,5", "-11,25"]  # as published


def test_thousands_separators(publisher: Publisher) -> None:
    text = 'x,y,power\n"500,000.5","5,538,630","1,234.5"\n"512,345","5,600,000.25","2,000"\n'
    landed = land_text(publisher, "thousands", text, crs="EPSG:32632", points={"x": "x", "y": "y"})
    back = pyproj.Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True)
    expected = [back.transform(500000.5, 5538630), back.transform(512345, 5600000.25)]
    assert [found == pytest.approx(place, abs=TOLERANCE_DEG) for found, place in zip(located(landed), expected, strict=True)]
    assert landed["power"].tolist() == ["1,234.5", "2,000"]


def test_rows_without_coordinates_are_landed(publisher: Publisher) -> None:
    text = "id,lon,lat,power\n1,10.5,50.5,NaN\n2,NaN,50.6,_NaN_\n3,,,3\n4,inf,50,4\n5,n/a,50,5\n6,11,51,6\n"
    landed = land_text(publisher, "gaps", text, null_values=["_NaN_"])
    assert landed["id"].tolist() == [1, 2, 3, 4, 5, 6]
    assert located(landed) == [(10.5, 50.5), None, None, None, None, (11, 51)]
    assert pd.to_numeric(landed["power"]).isna().tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_line_breaks_in_quotes_and_doubled_quotes(publisher: Publisher, line_end: str) -> None:
    text = line_end.join(["lon,lat,name", f'10.5,50.5,"two{line_end}lines, ""quoted"""', "11.5,51.5,one", ""])
    landed = land_text(publisher, f"breaks_{len(line_end)}", text)
    assert landed["name"].tolist() == [f'two{line_end}lines, "quoted"', "one"]
    assert landed["source_row"].tolist() == [0, 1]


def test_identifiers_stay_as_published(publisher: Publisher) -> None:
    landed = land_text(publisher, "ids", "lon,lat,zip,big\n10,50,01234,9007199254740993\n11,51,99999,1\n")
    assert landed["zip"].tolist() == ["01234", "99999"]
    assert landed["big"].tolist() == [9007199254740993, 1]


def test_rows_are_numbered_as_in_the_file(publisher: Publisher) -> None:
    n = 100_000
    rows = ((i, i % 360 - 180, 0, "x" * 40) for i in range(n))
    write_csv(publisher.folder("long") / "a.csv", [["n", "lon", "lat", "text"], *rows])
    landed = publisher.land(entry("long", "csv", crs="EPSG:4326", points=POINTS))
    assert len(landed) == n
    assert (landed["n"] == landed["source_row"]).all()


@pytest.mark.parametrize(
    ("key", "text", "kind", "said"),
    [
        ("no_column", "id,longitude,lat\n1,2,3\n", "schema", "'lon'; it has id, longitude, lat"),
        ("ragged", "id,lon,lat\n1,2\n1,2,3\n", "schema", "too many or too few fields"),
        ("void", "", "schema", "lon"),
        ("header_only", "id,lon,lat\n", "schema", "no feature"),
        ("nowhere", "id,lon,lat\n1,here,there\n", "schema", "no feature has a geometry"),
        ("reserved", "id,lon,lat,geometry\n1,2,3,x\n", "schema", "'geometry'"),
        ("reserved_case", "id,lon,lat,Source_File\n1,2,3,x\n", "schema", "'Source_File'"),
    ],
)
def test_a_table_that_is_not_as_promised(publisher: Publisher, key: str, text: str, kind: str, said: str) -> None:
    (publisher.folder(key) / "a.csv").write_text(text)
    outcome = publisher.ingest(entry(key, "csv", crs="EPSG:4326", points=POINTS))
    assert (outcome.status, outcome.error_kind) == ("failed", kind)
    assert said in outcome.error


def test_an_unknown_crs_is_an_error(publisher: Publisher) -> None:
    (publisher.folder("unknown") / "a.csv").write_text("lon,lat\n1,2\n")
    outcome = publisher.ingest(entry("unknown", "csv", crs="ESRI:999999", points=POINTS))
    assert outcome.error_kind == "crs"
    assert "ESRI:999999" in outcome.error


def test_json_pairs(publisher: Publisher) -> None:
    pairs = [[10, 50], [11.5, -51.25], None, [None, None], [12, None]]
    (publisher.folder("pairs") / "a.json").write_text(json.dumps(pairs, indent=1))
    landed = publisher.land(entry("pairs", "json_coordinates", crs="EPSG:4326"))
    assert located(landed) == [(10, 50), (11.5, -51.25), None, None, None]
    assert landed["source_row"].tolist() == [0, 1, 2, 3, 4]
    swapped = publisher.land(entry("pairs", "json_coordinates", crs="EPSG:4326", axis_order="yx"))
    assert located(swapped)[:2] == [(50, 10), (-51.25, 11.5)]


def test_json_pairs_in_metres(publisher: Publisher) -> None:
    there = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    (publisher.folder("metres") / "a.json").write_text(json.dumps([there.transform(*place) for place in LON_LAT]))
    landed = publisher.land(entry("metres", "json_coordinates", crs="EPSG:3857"))
    for found, place in zip(located(landed), LON_LAT, strict=True):
        assert found == pytest.approx(place, abs=TOLERANCE_DEG)


@pytest.mark.parametrize(
    ("key", "text", "kind"),
    [
        ("json_nested", "[[[10, 50]], [[11, 51]]]", "read"),
        ("json_objects", '[{"x": 1, "y": 2}]', "read"),
        ("json_object", '{"points": [[1, 2]]}', "read"),
        ("json_flat", "[1, 2, 3]", "read"),
        ("json_single", "[[10, 50], [11]]", "read"),
        ("json_triple", "[[10, 50], [11, 51, 7]]", "read"),
        ("json_text", '[["a", "b"]]', "read"),
        ("json_none", "no JSON", "read"),
        ("json_cut", "[[10, 50], [11, 51],", "read"),
        ("json_two", "[[10, 50]]\n[[11, 51]]", "read"),
        ("json_void", "[]", "schema"),
        ("json_no_crs", "[[10, 50]]", "crs"),
    ],
)
def test_a_list_of_another_shape_is_an_error(publisher: Publisher, key: str, text: str, kind: str) -> None:
    (publisher.folder(key) / "a.json").write_text(text)
    stated = {} if kind == "crs" else {"crs": "EPSG:4326"}
    outcome = publisher.ingest(entry(key, "json_coordinates", **stated))
    assert (outcome.status, outcome.error_kind) == ("failed", kind)
    assert key not in publisher.tables()
