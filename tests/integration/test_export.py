"""GeoParquet exports: what GeoPandas makes of them, their order, and when they are written."""

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
from publishing import Publisher, entry, write_geojson
from shapely.geometry import Point, box

from dataflows.raw import geoparquet

ROWS = 120_000  # more than two row groups


def exported(publisher: Publisher, key: str, kind: str = "geoparquet", **options: object) -> Path:
    outcome = publisher.ingest(entry(key, kind, **options), export=True)
    assert outcome.status in ("landed", "unchanged"), outcome
    return publisher.settings.geoparquet_dir / f"{key}.parquet"


@pytest.fixture(scope="module")
def scattered(publisher: Publisher) -> tuple[gpd.GeoDataFrame, Path]:
    """Small boxes in random order over the land of four continents, with a few that have no extent."""
    random = np.random.default_rng(20261120)
    lon, lat = random.uniform(-120, 140, ROWS), random.uniform(-40, 60, ROWS)
    size = random.uniform(1e-4, 1e-2, ROWS)
    shapes = shapely.box(lon, lat, lon + size, lat + size)
    shapes[::10_000] = None
    shapes[1::10_000] = shapely.from_wkt("POLYGON EMPTY")
    frame = gpd.GeoDataFrame({"n": np.arange(ROWS), "text": "ü"}, geometry=shapes, crs="EPSG:4326")
    frame.to_parquet(publisher.folder("scattered") / "a.parquet")
    return frame, exported(publisher, "scattered")


def extended(shapes: gpd.GeoSeries) -> np.ndarray:
    """Which shapes are neither null nor empty."""
    return np.array([shape is not None and not shape.is_empty for shape in shapes])


def test_nothing_is_lost(scattered) -> None:
    published, path = scattered
    found = gpd.read_parquet(path)
    assert found.crs.equals("OGC:CRS84")
    found = found.sort_values("n")
    assert found["n"].tolist() == published["n"].tolist()
    assert (found["text"] == "ü").all()
    assert shapely.to_wkb(found.geometry.values).tolist() == shapely.to_wkb(published.geometry.values).tolist()
    assert {"source_file", "source_sha256", "source_row", "ingested_at", "ingest_run_id"} <= set(found.columns)


def test_the_covering_is_the_bounds_that_shapely_finds(scattered) -> None:
    _, path = scattered
    found = gpd.read_parquet(path)
    boxes = pq.read_table(path, columns=["bbox"]).column("bbox").to_pylist()
    there = extended(found.geometry)
    rows = [row for row, is_there in zip(boxes, there, strict=True) if is_there]
    edges = np.array([[row[edge] for edge in ("xmin", "ymin", "xmax", "ymax")] for row in rows])
    np.testing.assert_array_equal(edges, shapely.bounds(found.geometry[there].values))
    assert all(row is None for row, shape in zip(boxes, found.geometry, strict=True) if shape is None)


@pytest.mark.parametrize("bounds", [(5, 47, 15, 55), (-120, -40, 140, 60), (0, 0, 0.5, 0.5), (150, 70, 160, 80)])
def test_a_bounding_box_filter_finds_what_a_full_search_finds(scattered, bounds) -> None:
    published, path = scattered
    found = set(gpd.read_parquet(path, bbox=bounds)["n"])
    assert found == set(published["n"][published.intersects(box(*bounds))])


def test_a_bounding_box_filter_skips_row_groups(scattered) -> None:
    _, path = scattered
    metadata = pq.read_metadata(path)
    assert metadata.num_row_groups >= 3
    names = [metadata.row_group(0).column(i).path_in_schema for i in range(metadata.num_columns)]
    west, east = names.index("bbox.xmin"), names.index("bbox.xmax")
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    extents = [group.column(east).statistics.max - group.column(west).statistics.min for group in groups]
    assert min(extents) < 0.75 * 260


def jumps(shapes: np.ndarray) -> float:
    centres = shapely.get_coordinates(shapely.centroid(shapes))
    return float(np.linalg.norm(np.diff(centres, axis=0), axis=1).sum())


def test_neighbours_in_the_file_are_neighbours_on_the_map(scattered) -> None:
    published, path = scattered
    ordered = gpd.read_parquet(path).geometry
    ordered = ordered[extended(ordered)].values
    shuffled = published.geometry[extended(published.geometry)].values
    assert len(ordered) == len(shuffled)
    assert jumps(ordered) < 0.02 * jumps(shuffled)


def test_metadata_conform_to_version_1_1(scattered) -> None:
    _, path = scattered
    metadata = pq.read_metadata(path)
    geo = json.loads(metadata.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert set(geo) == {"version", "primary_column", "columns"}
    column = geo["columns"][geo["primary_column"]]
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["Polygon"]
    assert pyproj.CRS.from_json_dict(column["crs"]).equals("OGC:CRS84")
    schema = pq.read_schema(path)
    assert pa.types.is_binary(schema.field("geometry").type)
    for edge, (name, part) in column["covering"]["bbox"].items():
        assert part == edge
        assert pa.types.is_floating(schema.field(name).type.field(part).type)
    compressions = {metadata.row_group(0).column(i).compression for i in range(metadata.num_columns)}
    assert compressions == {"ZSTD"}


def test_mixed_dimensions_and_a_clashing_name(publisher: Publisher) -> None:
    texts = ["POINT M (10 50 3)", "POINT ZM (10 50 3 4)", "POINT Z (10 50 3)", "LINESTRING (1 2, 3 4)", "POINT EMPTY"]
    texts += ["GEOMETRYCOLLECTION (POINT (1 2))", "MULTIPOLYGON Z (((0 0 1, 1 0 1, 1 1 1, 0 0 1)))"]
    wkb = [*(shapely.to_wkb(shape, flavor="iso") for shape in shapely.from_wkt(texts)), None]
    table = pa.table({"geometry": wkb, "bbox": [str(n) for n in range(len(wkb))]})
    pq.write_table(table, publisher.folder("mixed") / "a.parquet")
    path = exported(publisher, "mixed", crs="EPSG:4326")
    column = json.loads(pq.read_metadata(path).metadata[b"geo"])["columns"]["geometry"]
    # Version 1.1 has no measures
    assert set(column["geometry_types"]) == {"Point", "Point Z", "LineString", "GeometryCollection", "MultiPolygon Z"}
    found = gpd.read_parquet(path).set_index("bbox").sort_index()
    assert found.index.tolist() == [str(n) for n in range(len(wkb))]  # the publisher's attribute is kept
    flat = ["POINT (10 50)", "POINT Z (10 50 3)", *texts[2:], None]
    assert shapely.to_wkt(found.geometry.values, trim=True).tolist() == flat
    assert column["covering"]["bbox"]["xmin"] == ["geometry_bbox", "xmin"]


def test_a_published_covering_in_another_crs_is_replaced(publisher: Publisher) -> None:
    frame = gpd.GeoDataFrame({"n": [1]}, geometry=[box(10, 50, 11, 51)], crs="EPSG:4326").to_crs("EPSG:3857")
    frame.to_parquet(publisher.folder("covered") / "a.parquet", write_covering_bbox=True, schema_version="1.1.0")
    path = exported(publisher, "covered")
    assert len(gpd.read_parquet(path, bbox=(10, 50, 11, 51))) == 1
    assert len(gpd.read_parquet(path, bbox=(0, 0, 1, 1))) == 0


def test_an_export_can_be_published_again(publisher: Publisher, scattered) -> None:
    """Readers and writer agree: what is exported is read back as it was landed, but for the names that the lake adds."""
    published, path = scattered
    again = gpd.read_parquet(path).drop(columns=["source_file", "source_sha256", "source_row", "ingested_at", "ingest_run_id"])
    again.to_parquet(publisher.folder("again") / "a.parquet")
    landed = publisher.land(entry("again", "geoparquet")).sort_values("n")
    assert shapely.to_wkb(landed.geometry.values).tolist() == shapely.to_wkb(published.geometry.values).tolist()


def test_it_is_written_when_it_has_to_be_and_only_then(publisher: Publisher) -> None:
    source = publisher.folder("cached") / "a.geojson"

    def publish(value: int) -> tuple[int, list[int]]:
        write_geojson(source, [({"value": value}, Point(1, 2))])
        path = exported(publisher, "cached", "geojson")
        return path.stat().st_ino, gpd.read_parquet(path)["value"].tolist()

    first = publish(1)
    assert first[1] == [1]
    assert publish(1) == first  # the same file
    path = publisher.settings.geoparquet_dir / "cached.parquet"
    path.unlink()
    rewritten = publish(1)
    assert rewritten[1] == [1]
    assert publish(1) == rewritten
    assert publish(2)[1] == [2]
    assert publish(1)[1] == [1]  # content that the cache has seen before, but not what the file holds
    path.write_bytes(b"damaged")
    assert publish(1)[1] == [1]
    assert not [name for name in path.parent.iterdir() if name.name.startswith(".")]


def test_an_export_says_of_which_landing_it_is(publisher: Publisher) -> None:
    write_geojson(publisher.folder("marked") / "a.geojson", [({"a": 1}, Point(1, 2))])
    path = exported(publisher, "marked", "geojson")
    query = "SELECT fingerprint FROM lake.landing.dataset_versions WHERE dataset = 'marked'"
    (fingerprint,) = publisher.con.execute(query).fetchone()
    assert geoparquet.holds(path, fingerprint)
    assert not geoparquet.holds(path, "another")


def test_no_export_is_written_when_none_is_wanted(publisher: Publisher) -> None:
    write_geojson(publisher.folder("unwanted") / "a.geojson", [({"a": 1}, Point(1, 2))])
    publisher.ingest(entry("unwanted", "geojson"), export=False)
    assert not (publisher.settings.geoparquet_dir / "unwanted.parquet").exists()
