"""Shapefile, GeoPackage, GeoJSON and KML through the real DAG into a real lake, compared with GeoPandas."""

from __future__ import annotations

import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from publishing import TOLERANCE_DEG, Publisher, entry, write_geojson
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

PLACES = gpd.GeoDataFrame(
    {"NAME": ["Größe", "Köln", None], "POWER": [1.5, None, -3.25], "CODE": ["007", "012", "100"]},
    geometry=[box(10, 50, 10.1, 50.1), MultiPolygon([box(11, 51, 11.2, 51.2), box(12, 51, 12.1, 51.1)]), None],
    crs="EPSG:4326",
)
POINT = Point(10.5, 50.5)


def assert_lands_as_geopandas_reads(landed: gpd.GeoDataFrame, path: Path, crs: str | None = None, **read: object) -> None:
    expected = gpd.read_file(path, **read)
    expected = (expected.set_crs(crs) if crs else expected).to_crs("EPSG:4326")
    names = [name for name in expected.columns if name != "geometry"]
    for name in names:
        assert landed[name].tolist() == [None if pd.isna(value) else value for value in expected[name]]
    assert shapely.equals_exact(landed.geometry.values, expected.geometry.values, tolerance=TOLERANCE_DEG).tolist() == [
        shape is not None for shape in expected.geometry
    ]
    assert [shape is None for shape in landed.geometry] == [shape is None for shape in expected.geometry]
    assert landed["source_row"].tolist() == list(range(len(expected)))


@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1", "CP1252"])
@pytest.mark.parametrize("declared", [True, False], ids=["cpg", "no_cpg"])
def test_shapefile_in_each_encoding(publisher: Publisher, encoding: str, declared: bool) -> None:
    key = f"shp_{encoding.replace('-', '_').lower()}_{'cpg' if declared else 'plain'}"
    path = publisher.folder(key) / "a.shp"
    PLACES.to_crs("EPSG:3035").to_file(path, encoding=encoding)
    if not declared:
        path.with_suffix(".cpg").unlink()
    landed = publisher.land(entry(key, "shapefile"))
    assert landed["NAME"].tolist()[:2] == ["Größe", "Köln"]
    assert_lands_as_geopandas_reads(landed, path, encoding=None if declared else encoding)


def test_zipped_shapefile(publisher: Publisher, tmp_path: Path) -> None:
    PLACES.to_crs("EPSG:3035").to_file(tmp_path / "a.shp")
    with zipfile.ZipFile(publisher.folder("shp_zip") / "deposit.zip", "w") as archive:
        for path in tmp_path.iterdir():
            archive.write(path, f"inner folder/{path.name}")
        archive.writestr("README.txt", "read me")
    members = {"include": ["*.shp"]}
    landed = publisher.land(entry("shp_zip", "shapefile", files={"include": ["*.zip"]}, members=members))
    assert_lands_as_geopandas_reads(landed, tmp_path / "a.shp")
    assert landed["source_file"].unique().tolist() == ["deposit.zip/inner folder/a.shp"]


def test_shapefile_without_prj_needs_the_manifests_crs(publisher: Publisher) -> None:
    path = publisher.folder("shp_noprj") / "a.shp"
    PLACES.to_crs("EPSG:3035").to_file(path)
    path.with_suffix(".prj").unlink()
    assert publisher.ingest(entry("shp_noprj", "shapefile")).error_kind == "crs"
    landed = publisher.land(entry("shp_noprj", "shapefile", crs="EPSG:3035"))
    assert_lands_as_geopandas_reads(landed, path, crs="EPSG:3035")


def test_shapefile_that_is_cut_short_is_an_error(publisher: Publisher) -> None:
    path = publisher.folder("shp_cut") / "a.shp"
    PLACES.to_file(path)
    path.write_bytes(path.read_bytes()[:-40])
    outcome = publisher.ingest(entry("shp_cut", "shapefile"))
    assert (outcome.status, outcome.error_kind) == ("failed", "read")
    assert "cut short" in outcome.error


def test_geopackage_keeps_its_primary_key(publisher: Publisher) -> None:
    path = publisher.folder("gpkg_one") / "a.gpkg"
    pyogrio.write_dataframe(PLACES, path, layer="sites", FID="site_id", GEOMETRY_NAME="the_geom")
    landed = publisher.land(entry("gpkg_one", "geopackage"))
    assert landed["site_id"].tolist() == [1, 2, 3]
    assert_lands_as_geopandas_reads(landed, path)


@pytest.fixture(scope="module")
def two_layers(publisher: Publisher) -> Path:
    path = publisher.folder("gpkg_two") / "a.gpkg"
    PLACES.to_file(path, layer="first")
    PLACES.iloc[:1].to_crs("EPSG:3035").to_file(path, layer="second")
    return path


def test_geopackage_with_several_layers_needs_a_name(publisher: Publisher, two_layers: Path) -> None:
    outcome = publisher.ingest(entry("gpkg_two", "geopackage"))
    assert outcome.error_kind == "schema"
    assert "first, second" in outcome.error
    assert "layer" in outcome.error
    outcome = publisher.ingest(entry("gpkg_two", "geopackage", layer="third"))
    assert outcome.error_kind == "read"
    assert "third" in outcome.error


@pytest.mark.parametrize("layer", ["first", "second"])
def test_geopackage_layer_that_is_named(publisher: Publisher, two_layers: Path, layer: str) -> None:
    assert_lands_as_geopandas_reads(publisher.land(entry("gpkg_two", "geopackage", layer=layer)), two_layers, layer=layer)


def test_geopackage_table_without_geometry_is_no_second_layer(publisher: Publisher) -> None:
    path = publisher.folder("gpkg_styles") / "a.gpkg"
    PLACES.to_file(path, layer="sites")
    pyogrio.write_dataframe(pd.DataFrame({"style": ["red"]}), path, layer="layer_styles")
    assert_lands_as_geopandas_reads(publisher.land(entry("gpkg_styles", "geopackage")), path, layer="sites")


def test_geopackage_without_any_geometry_is_an_error(publisher: Publisher) -> None:
    pyogrio.write_dataframe(pd.DataFrame({"a": [1]}), publisher.folder("gpkg_bare") / "a.gpkg", layer="look_up")
    outcome = publisher.ingest(entry("gpkg_bare", "geopackage"))
    assert outcome.error_kind == "schema"
    assert "look_up" in outcome.error


def test_measured_geometries_keep_their_dimensions(publisher: Publisher) -> None:
    shapes = shapely.from_wkt(["POINT M (10 50 3)", "POINT M (11 51 4)"])
    iso = np.array([shapely.to_wkb(shape, flavor="iso") for shape in shapes], dtype=object)
    path = publisher.folder("gpkg_m") / "a.gpkg"
    pyogrio.raw.write(path, iso, [np.array([1, 2])], ["a"], geometry_type="Unknown", crs="EPSG:4326", driver="GPKG")
    landed = publisher.land(entry("gpkg_m", "geopackage"))
    assert shapely.to_wkt(landed.geometry.values).tolist() == ["POINT M (10 50 3)", "POINT M (11 51 4)"]


def test_geojson_of_mixed_geometries_and_dimensions(publisher: Publisher) -> None:
    shapes = [
        POINT,
        Point(10, 50, 3),
        LineString([(10, 50), (11, 51)]),
        box(10, 50, 11, 51, ccw=False),
        Polygon([(10, 50, 1), (11, 50, 2), (11, 51, 3)]),
        MultiPolygon([box(10, 50, 10.1, 50.1), box(20, 50, 20.1, 50.1)]),
    ]
    path = write_geojson(publisher.folder("gj_mixed") / "a.geojson", [({"n": n}, shape) for n, shape in enumerate(shapes)])
    landed = publisher.land(entry("gj_mixed", "geojson"))
    assert_lands_as_geopandas_reads(landed, path)
    assert [shapely.to_wkb(shape) for shape in landed.geometry] == [shapely.to_wkb(shape) for shape in shapes]


def test_geojson_with_null_empty_and_invalid_geometries_loses_none(publisher: Publisher) -> None:
    bowtie = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    empty = {"type": "Polygon", "coordinates": []}
    collection = {"type": "GeometryCollection", "geometries": []}
    features = [({"a": n}, shape) for n, shape in enumerate([None, empty, collection, bowtie, POINT])]
    write_geojson(publisher.folder("gj_dirty") / "a.geojson", features)
    landed = publisher.land(entry("gj_dirty", "geojson"))
    assert landed["a"].tolist() == [0, 1, 2, 3, 4]
    assert landed.geometry.isna().tolist() == [True, False, False, False, False]
    assert landed.geometry[1:].is_empty.tolist() == [True, True, False, False]
    assert landed.geometry[3].equals_exact(bowtie)


def test_geojson_in_the_crs_of_its_crs_member(publisher: Publisher) -> None:
    moved = gpd.GeoSeries([POINT], crs="EPSG:4326").to_crs("EPSG:25832")[0]
    path = write_geojson(publisher.folder("gj_crs") / "a.geojson", [({"a": 1}, moved)], crs="urn:ogc:def:crs:EPSG::25832")
    assert_lands_as_geopandas_reads(publisher.land(entry("gj_crs", "geojson")), path)
    outcome = publisher.ingest(entry("gj_crs", "geojson", crs="EPSG:4326"))
    assert outcome.error_kind == "crs"
    assert "UTM zone 32N" in outcome.error


def test_geojson_with_swapped_axes_says_what_to_write_and_then_lands_right(publisher: Publisher) -> None:
    swapped = [({"a": n}, shapely.transform(box(10 + n, 50, 10.5 + n, 51), lambda xy: xy[:, ::-1])) for n in range(3)]
    write_geojson(publisher.folder("gj_swapped") / "a.geojson", swapped)
    germany = {"coverage": {"bbox": [5, 47, 16, 56]}}
    outcome = publisher.ingest(entry("gj_swapped", "geojson", dataset=germany))
    assert outcome.error_kind == "crs"
    assert "axis_order: yx" in outcome.error
    landed = publisher.land(entry("gj_swapped", "geojson", dataset=germany, axis_order="yx"))
    assert landed.total_bounds.tolist() == [10, 50, 12.5, 51]


def test_properties_of_mixed_types_are_readable_text(publisher: Publisher) -> None:
    values = [1, "x", 1.5, None, {"k": [1]}, [1, 2]]
    write_geojson(publisher.folder("gj_types") / "a.geojson", [({"a": value}, POINT) for value in values])
    landed = publisher.land(entry("gj_types", "geojson"))["a"].tolist()
    assert landed[:3] == ["1", "x", "1.5"]
    assert landed[3] is None
    assert [text.replace(" ", "") for text in landed[4:]] == ['{"k":[1]}', "[1,2]"]


def test_files_with_different_columns_are_united_by_name(publisher: Publisher) -> None:
    folder = publisher.folder("gj_two")
    write_geojson(folder / "a.geojson", [({"a": 1, "b": "x"}, POINT)])
    moved = gpd.GeoSeries([POINT], crs="EPSG:4326").to_crs("EPSG:3857")[0]
    write_geojson(folder / "b.geojson", [({"c": True, "a": 2.5}, moved)], crs="urn:ogc:def:crs:EPSG::3857")
    landed = publisher.land(entry("gj_two", "geojson"))
    assert landed["source_file"].tolist() == ["a.geojson", "b.geojson"]
    assert landed["a"].tolist() == [1, 2.5]
    assert landed[["b", "c"]].isna().to_numpy().tolist() == [[False, True], [True, False]]
    assert landed.geometry[1].equals_exact(POINT, 1e-9)


@pytest.mark.parametrize("name", ["geometry", "source_row", "source_file", "source_sha256", "Ingested_At", "INGEST_RUN_ID"])
@pytest.mark.parametrize("kind", ["geojson", "geopackage"])
def test_an_attribute_with_a_reserved_name_is_an_error(publisher: Publisher, name: str, kind: str) -> None:
    key = f"reserved_{kind}_{name.lower()}"
    if kind == "geojson":
        write_geojson(publisher.folder(key) / "a.geojson", [({name: "x"}, POINT)])
    else:
        frame = gpd.GeoDataFrame({name: ["x"], "geom": [POINT]}, geometry="geom", crs="EPSG:4326")
        pyogrio.write_dataframe(frame, publisher.folder(key) / "a.gpkg")
    outcome = publisher.ingest(entry(key, kind))
    assert (outcome.status, outcome.error_kind) == ("failed", "schema")
    assert repr(name) in outcome.error


KML = (
    '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
    "<Folder><name>Anlagen</name><Placemark><name>Größe</name>"
    '<ExtendedData><Data name="power"><value>5</value></Data></ExtendedData>'
    "<Point><coordinates>10.5,50.5,7</coordinates></Point></Placemark></Folder>{more}</Document></kml>"
)
SECOND_FOLDER = "<Folder><name>Other</name><Placemark><Point><coordinates>1,2</coordinates></Point></Placemark></Folder>"


@pytest.mark.parametrize("suffix", ["kml", "kmz"])
def test_kml_and_kmz(publisher: Publisher, suffix: str) -> None:
    path = publisher.folder(f"{suffix}_one") / f"a.{suffix}"
    if suffix == "kml":
        path.write_text(KML.format(more=""), encoding="utf-8")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("doc.kml", KML.format(more=""))
    landed = publisher.land(entry(f"{suffix}_one", "kml"))
    assert landed["Name"].tolist() == ["Größe"]
    assert landed["power"].tolist() == ["5"]
    assert landed.geometry[0].equals_exact(Point(10.5, 50.5, 7))
    assert landed.geometry[0].has_z


def test_kml_with_several_folders_needs_a_layer(publisher: Publisher) -> None:
    (publisher.folder("kml_two") / "a.kml").write_text(KML.format(more=SECOND_FOLDER), encoding="utf-8")
    outcome = publisher.ingest(entry("kml_two", "kml"))
    assert outcome.error_kind == "schema"
    assert "Anlagen, Other" in outcome.error
    assert publisher.land(entry("kml_two", "kml", layer="Other")).geometry[0].equals_exact(Point(1, 2))


@pytest.mark.parametrize(
    ("key", "kind", "name", "content"),
    [
        ("broken_void", "geojson", "a.geojson", ""),
        ("broken_text", "geojson", "a.geojson", "no JSON"),
        ("broken_half", "geojson", "a.geojson", '{"type": "FeatureCollection", "features": [{"type"'),
        ("broken_gpkg", "geopackage", "a.gpkg", "no SQLite"),
        ("broken_kml", "kml", "a.kml", "<kml"),
        ("broken_format", "geopackage", "a.geojson", '{"type": "FeatureCollection", "features": []}'),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_a_read_error(publisher, key, kind, name, content) -> None:
    (publisher.folder(key) / name).write_text(content)
    outcome = publisher.ingest(entry(key, kind))
    assert (outcome.status, outcome.error_kind) == ("failed", "read")
    assert name in outcome.error


@pytest.mark.parametrize(("kind", "name"), [("geojson", "a.geojson"), ("geopackage", "a.gpkg"), ("shapefile", "a.shp")])
def test_a_file_without_features_is_a_schema_error(publisher: Publisher, kind: str, name: str) -> None:
    PLACES.iloc[:0].to_file(publisher.folder(f"void_{kind}") / name)
    outcome = publisher.ingest(entry(f"void_{kind}", kind))
    assert (outcome.status, outcome.error_kind) == ("failed", "schema")
    assert f"void_{kind}" not in publisher.tables()


def test_a_dataset_without_any_geometry_is_a_schema_error(publisher: Publisher) -> None:
    write_geojson(publisher.folder("gj_nowhere") / "a.geojson", [({"a": 1}, None), ({"a": 2}, None)])
    outcome = publisher.ingest(entry("gj_nowhere", "geojson"))
    assert (outcome.status, outcome.error_kind) == ("failed", "schema")
    assert "no feature has a geometry" in outcome.error


def test_an_unknown_crs_in_the_manifest_is_an_error(publisher: Publisher) -> None:
    write_geojson(publisher.folder("gj_unknown") / "a.geojson", [({"a": 1}, POINT)])
    outcome = publisher.ingest(entry("gj_unknown", "geojson", crs="EPSG:999999"))
    assert outcome.error_kind == "crs"
    assert "EPSG:999999" in outcome.error
