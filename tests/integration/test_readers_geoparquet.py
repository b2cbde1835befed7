"""GeoParquet of every version and encoding through the real DAG, compared with what was written."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely
from publishing import TOLERANCE_DEG, Publisher, entry
from shapely.geometry import LineString, MultiLineString, MultiPoint, MultiPolygon, Point, box

POLYGONS = [box(10, 50, 10.1, 50.1), box(11, 51, 11.2, 51.2).difference(box(11.05, 51.05, 11.1, 51.1)), None]
NATIVE = {
    "point": [Point(10, 50), Point(11, 51), None],
    "linestring": [LineString([(10, 50), (11, 51)]), LineString([(10, 50), (10, 51), (11, 51)]), None],
    "polygon": POLYGONS,
    "multipoint": [MultiPoint([(10, 50), (11, 51)]), MultiPoint([(10, 50)]), None],
    "multilinestring": [MultiLineString([[(10, 50), (11, 51)], [(0, 1), (2, 3)]]), MultiLineString([[(0, 0), (1, 1)]]), None],
    "multipolygon": [MultiPolygon([box(10, 50, 10.1, 50.1), box(0, 1, 2, 3)]), MultiPolygon([box(0, 1, 2, 3)]), None],
}


def frame(shapes: list, crs: str | None = "EPSG:4326") -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"name": ["Größe", "x", None], "power": [1.5, None, 3.0]}, geometry=shapes, crs=crs)


def assert_lands_as_written(publisher: Publisher, key: str, written: gpd.GeoDataFrame, **distribution: object) -> None:
    landed = publisher.land(entry(key, "geoparquet", **distribution))
    assert landed["name"].tolist() == ["Größe", "x", None]
    assert landed["power"].tolist() == [1.5, None, 3.0]
    expected = written.to_crs("EPSG:4326").geometry
    assert [shape is None for shape in landed.geometry] == [shape is None for shape in expected]
    there = [shape is not None for shape in expected]
    assert shapely.equals_exact(landed.geometry[there].values, expected[there].values, TOLERANCE_DEG).all()


def with_geo(path: Path, change) -> None:
    """Rewrite the file's ``geo`` metadata; ``change`` returning ``None`` drops them."""
    table = pq.read_table(path)
    geo = change(json.loads(table.schema.metadata[b"geo"]))
    content = geo if isinstance(geo, bytes) else json.dumps(geo).encode()
    pq.write_table(table.replace_schema_metadata(None if geo is None else {b"geo": content}), path)


@pytest.mark.parametrize("version", ["0.4.0", "1.0.0", "1.1.0"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3035"])
def test_wkb_encoding(publisher: Publisher, version: str, crs: str) -> None:
    key = f"wkb_{version.replace('.', '_')}_{crs[-4:]}"
    written = frame(POLYGONS).to_crs(crs)
    written.to_parquet(publisher.folder(key) / "a.parquet", schema_version=version)
    assert_lands_as_written(publisher, key, written)


@pytest.mark.parametrize("kind", NATIVE)
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857"])
def test_native_encoding(publisher: Publisher, kind: str, crs: str) -> None:
    key = f"native_{kind}_{crs[-4:]}"
    written = frame(NATIVE[kind]).to_crs(crs)
    path = publisher.folder(key) / "a.parquet"
    written.to_parquet(path, geometry_encoding="geoarrow", schema_version="1.1.0")
    described = json.loads(pq.read_metadata(path).metadata[b"geo"])["columns"]["geometry"]
    assert described["encoding"] == kind
    assert_lands_as_written(publisher, key, written)


def test_native_encoding_written_by_others_than_pandas(publisher: Publisher) -> None:
    path = publisher.folder("native_bare") / "a.parquet"
    points = pa.StructArray.from_arrays([pa.array([10.0, 11.0]), pa.array([50.0, 51.0])], ["x", "y"])
    geo = {
        "version": "1.1.0",
        "primary_column": "spot",
        "columns": {"spot": {"encoding": "point", "geometry_types": ["Point"]}},
    }
    pq.write_table(pa.table({"spot": points, "n": [1, 2]}).replace_schema_metadata({"geo": json.dumps(geo)}), path)
    landed = publisher.land(entry("native_bare", "geoparquet"))
    assert landed.geometry.tolist() == [Point(10, 50), Point(11, 51)]
    assert landed["n"].tolist() == [1, 2]
    assert "spot" not in landed.columns


def test_many_batches_stay_in_order(publisher: Publisher) -> None:
    n = 150_000
    written = gpd.GeoDataFrame({"n": np.arange(n)}, geometry=shapely.points(np.linspace(-179, 179, n), np.zeros(n)), crs=4326)
    written.to_parquet(publisher.folder("many") / "a.parquet", row_group_size=10_000)
    landed = publisher.land(entry("many", "geoparquet"))
    assert (landed["n"] == landed["source_row"]).all()
    assert (landed.geometry.x.to_numpy() == written.geometry.x.to_numpy()).all()


def test_geometry_column_of_another_name_and_a_second_one(publisher: Publisher) -> None:
    written = frame(POLYGONS).rename_geometry("the_geom")
    written["label_point"] = gpd.GeoSeries(NATIVE["point"], crs="EPSG:4326")
    written.to_parquet(publisher.folder("named") / "a.parquet")
    assert_lands_as_written(publisher, "named", written)
    landed = publisher.read("named")
    assert "the_geom" not in landed.columns
    assert shapely.from_wkb(landed["label_point"]).tolist() == NATIVE["point"]


def test_nested_attributes_are_kept(publisher: Publisher) -> None:
    path = publisher.folder("nested") / "a.parquet"
    frame(POLYGONS).to_parquet(path)
    table = pq.read_table(path)
    more = {"list": pa.array([[1, 2], None, []]), "struct": pa.array([{"a": 1}, None, {"a": 2}])}
    more["category"] = pa.array(["x", "y", None]).dictionary_encode()
    for name, values in more.items():
        table = table.append_column(name, values)
    pq.write_table(table, path)
    landed = publisher.land(entry("nested", "geoparquet"))
    assert [None if value is None else list(value) for value in landed["list"]] == [[1, 2], None, []]
    assert landed["struct"].tolist() == [{"a": 1}, None, {"a": 2}]
    assert landed["category"].tolist() == ["x", "y", None]


def test_measures_and_heights_are_kept(publisher: Publisher) -> None:
    texts = [
        "POINT M (10 50 3)",
        "POINT ZM (10 50 3 4)",
        "POINT Z (10 50 3)",
        "POLYGON M ((10 50 1, 11 50 1, 11 51 2, 10 50 1))",
    ]
    wkb = [shapely.to_wkb(shape, flavor="iso") for shape in shapely.from_wkt(texts)]
    pq.write_table(pa.table({"geometry": wkb}), publisher.folder("measured") / "a.parquet")
    landed = publisher.land(entry("measured", "geoparquet", crs="EPSG:4326"))
    assert shapely.to_wkt(landed.geometry.values).tolist() == texts


def test_an_absent_crs_is_longitude_and_latitude(publisher: Publisher) -> None:
    path = publisher.folder("crs_absent") / "a.parquet"
    written = frame(POLYGONS)
    written.to_parquet(path)

    def without_crs(geo: dict) -> dict:
        del geo["columns"]["geometry"]["crs"]
        return geo

    with_geo(path, without_crs)
    assert_lands_as_written(publisher, "crs_absent", written)


@pytest.mark.parametrize("lack", ["null crs", "no metadata"])
def test_an_unknown_crs_must_be_stated(publisher: Publisher, lack: str) -> None:
    key = lack.replace(" ", "_")
    path = publisher.folder(key) / "a.parquet"
    written = frame(POLYGONS).to_crs("EPSG:3035")
    (written.set_crs(None, allow_override=True) if lack == "null crs" else written).to_parquet(path)
    if lack == "no metadata":
        with_geo(path, lambda geo: None)
    outcome = publisher.ingest(entry(key, "geoparquet"))
    assert outcome.error_kind == "crs"
    assert "has no CRS" in outcome.error
    assert_lands_as_written(publisher, key, written, crs="EPSG:3035")


def test_a_projjson_crs_without_authority(publisher: Publisher) -> None:
    local = pyproj.CRS("+proj=laea +lat_0=51 +lon_0=9 +datum=WGS84 +units=m")
    written = frame(POLYGONS).to_crs(local)
    written.to_parquet(publisher.folder("crs_local") / "a.parquet")
    assert_lands_as_written(publisher, "crs_local", written)


def test_a_contradicting_crs_is_an_error(publisher: Publisher) -> None:
    frame(POLYGONS).to_crs("EPSG:3035").to_parquet(publisher.folder("crs_against") / "a.parquet")
    outcome = publisher.ingest(entry("crs_against", "geoparquet", crs="EPSG:4326"))
    assert outcome.error_kind == "crs"
    assert "LAEA" in outcome.error


@pytest.mark.parametrize(
    ("key", "change", "kind"),
    [
        ("geo_no_json", lambda geo: b"no JSON", "read"),
        ("geo_no_column", lambda geo: {"version": "1.1.0"}, "read"),
        ("geo_no_object", lambda geo: [], "read"),
        ("geo_encoding", lambda geo: {**geo, "columns": {"geometry": {"encoding": "WKT"}}}, "read"),
        ("geo_elsewhere", lambda geo: {**geo, "primary_column": "g", "columns": {"g": {"encoding": "WKB"}}}, "schema"),
        ("geo_crs", lambda geo: {**geo, "columns": {"geometry": {"encoding": "WKB", "crs": {"type": "x"}}}}, "crs"),
    ],
)
def test_malformed_metadata_are_an_error_of_this_dataset_only(publisher, key, change, kind) -> None:
    path = publisher.folder(key) / "a.parquet"
    frame(POLYGONS).to_parquet(path)
    with_geo(path, change)
    outcome = publisher.ingest(entry(key, "geoparquet"))
    assert (outcome.status, outcome.error_kind) == ("failed", kind)
    assert "a.parquet" in outcome.error


@pytest.mark.parametrize(
    ("key", "table", "kind"),
    [
        ("plain_none", {"a": [1]}, "schema"),
        ("plain_wkt", {"geometry": ["POINT (1 2)"]}, "schema"),
        ("plain_bytes", {"geometry": [shapely.to_wkb(Point(1, 2)), b"no WKB"]}, "read"),
        ("plain_reserved", {"geometry": [shapely.to_wkb(Point(1, 2))], "Source_Row": [1]}, "schema"),
    ],
)
def test_a_table_without_usable_geometry_is_an_error(publisher: Publisher, key: str, table: dict, kind: str) -> None:
    pq.write_table(pa.table(table), publisher.folder(key) / "a.parquet")
    outcome = publisher.ingest(entry(key, "geoparquet", crs="EPSG:4326"))
    assert (outcome.status, outcome.error_kind) == ("failed", kind)


@pytest.mark.parametrize("content", ["", "no Parquet", "PAR1 cut short"])
def test_a_file_that_is_no_parquet_is_a_read_error(publisher: Publisher, content: str) -> None:
    (publisher.folder("no_parquet") / "a.parquet").write_text(content)
    outcome = publisher.ingest(entry("no_parquet", "geoparquet"))
    assert (outcome.status, outcome.error_kind) == ("failed", "read")
    assert "a.parquet" in outcome.error
