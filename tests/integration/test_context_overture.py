"""Overture Maps from a folder: what is around PV, and files that are not what they should be."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from context_lake import buildings, entry, ingested, land_pv, rows
from overture_files import GEO, division_areas, features, write_release
from repository_server import RepositoryServer

from dataflows.raw.context_areas import areas_of_interest
from db import connect
from db.settings import Settings

RELEASE = "2026-11-18.0"
SITES = [shapely.Point(11.0, 48.0), shapely.Point(-179.9999, -17.0), shapely.box(13.0, 50.0, 13.03, 50.02)]


def made(count: int, seed: int = 1) -> pa.Table:
    """Buildings around the sites, and as many anywhere."""
    random = np.random.default_rng(seed)
    near = np.array([[11.0, 48.0], [179.999, -17.0], [-179.999, -17.0], [13.01, 50.01]])
    centres = np.vstack(
        [near[random.integers(0, 4, count)] + random.normal(0, 0.01, (count, 2)), random.uniform(-90, 90, (count, 2))]
    )
    centres[:, 0] = np.clip(centres[:, 0], -179.9999, 179.9999)
    shapes = [shapely.box(x - 1e-4, y - 1e-4, min(x + 1e-4, 180), y + 1e-4) for x, y in centres]
    kinds = ["house" if number % 2 else None for number in range(len(shapes))]
    return features(shapes, {"class": kinds, "height": [float(number % 30) for number in range(len(shapes))]})


def around(settings: Settings, table: pa.Table, resolution: int = 9) -> set[str]:
    """Ids of the features whose box meets that of an area of interest, found by GeoPandas."""
    with connect(read_only=True, lake=settings) as lake:
        boxes = areas_of_interest(lake, resolution, 1).surroundings().boxes
    shapes = gpd.GeoSeries.from_wkb(table["geometry"].to_pylist())
    frame = gpd.GeoDataFrame({"id": table["id"].to_pylist()}, geometry=shapes.envelope)
    joined = frame.sjoin(gpd.GeoDataFrame(geometry=shapely.box(*boxes.T)), predicate="intersects")
    return set(joined["id"])


@pytest.fixture
def pv(home: Settings) -> Settings:
    land_pv(home, SITES)
    return home


def landed_ids(settings: Settings) -> set[str]:
    return {name for (name,) in rows(settings, "SELECT id FROM lake.landing.overture_building")}


def test_what_lands_is_what_is_around_pv(pv: Settings, tmp_path: Path) -> None:
    table = made(3000)
    write_release(tmp_path / "overture", RELEASE, "buildings", "building", table, files=3)
    outcome = ingested(pv, buildings(), mirror=str(tmp_path), offline=True)
    assert (outcome.status, outcome.release, outcome.origin) == ("landed", RELEASE, "mirror")
    expected = around(pv, table)
    assert 500 < len(expected) < 3000
    # Boxes are published as float32: the edge of a cell may fall between a box and its rounded self
    assert len(landed_ids(pv) ^ expected) <= 3
    assert outcome.rows == len(landed_ids(pv))


def test_a_row_says_where_it_came_from(pv: Settings, tmp_path: Path) -> None:
    paths = write_release(tmp_path / "overture", RELEASE, "buildings", "building", made(500), files=3)
    ingested(pv, buildings(), mirror=str(tmp_path), offline=True)
    found = rows(pv, "SELECT id, source_file, source_row, height, ST_AsWKB(geometry) FROM lake.landing.overture_building")
    published = {f"{RELEASE}/theme=buildings/type=building/{path.name}": pq.read_table(path).to_pylist() for path in paths}
    for identity, file, row, height, shape in found:
        source = published[file][row]
        assert (source["id"], source["height"]) == (identity, height)
        assert shapely.equals(shapely.from_wkb(source["geometry"]), shapely.from_wkb(bytes(shape)))
    (digests,) = rows(pv, "SELECT count(DISTINCT source_sha256) FROM lake.landing.overture_building")
    assert digests == (1,)
    (version,) = rows(pv, "SELECT context, kind, release, licence, origin, rows_landed FROM lake.landing.context_versions")
    assert version == ("overture_building", "overture", RELEASE, "ODbL-1.0", "mirror", len(found))


def test_only_the_wanted_values(pv: Settings, tmp_path: Path) -> None:
    write_release(tmp_path / "overture", RELEASE, "buildings", "building", made(500))
    ingested(pv, buildings(only={"class": ["house"]}), mirror=str(tmp_path), offline=True)
    assert rows(pv, "SELECT DISTINCT class FROM lake.landing.overture_building") == [("house",)]


def test_nothing_around_pv_is_an_answer(pv: Settings, tmp_path: Path) -> None:
    elsewhere = features([shapely.box(100, 10, 101, 11)], {"class": ["house"]})
    write_release(tmp_path / "overture", RELEASE, "buildings", "building", elsewhere, files=1)
    outcome = ingested(pv, buildings(), mirror=str(tmp_path), offline=True)
    assert (outcome.status, outcome.rows) == ("landed", 0)
    columns = {name for (name, *_) in rows(pv, "DESCRIBE lake.landing.overture_building")}
    assert {"id", "class", "geometry", "source_file", "ingest_run_id"} <= columns


def test_the_same_again_writes_nothing(pv: Settings, tmp_path: Path) -> None:
    write_release(tmp_path / "overture", RELEASE, "buildings", "building", made(300))
    assert ingested(pv, buildings(), mirror=str(tmp_path), offline=True).status == "landed"
    (before,) = rows(pv, "SELECT max(snapshot_id) FROM lake.snapshots()")
    again = ingested(pv, buildings(), offline=True)
    assert (again.status, again.origin) == ("unchanged", "cache")
    assert rows(pv, "SELECT max(snapshot_id) FROM lake.snapshots()") == [before]


def test_newer_pv_in_the_same_places_is_known_to_have_been_looked_around(pv: Settings, tmp_path: Path) -> None:
    write_release(tmp_path / "overture", RELEASE, "buildings", "building", made(300))
    ingested(pv, buildings(), mirror=str(tmp_path), offline=True)
    land_pv(pv, SITES[:1], key="other_pv")
    newest = "SELECT max(ingested_at) FROM lake.landing"
    (seen_before,) = rows(pv, f"SELECT ({newest}.context_versions) >= ({newest}.dataset_versions)")
    assert seen_before == (False,)
    again = ingested(pv, buildings(), offline=True)
    assert (again.status, again.snapshot) == ("unchanged", None)
    # What prep_pv_buildings asks: had the site been landed when buildings were looked for last?
    assert rows(pv, f"SELECT ({newest}.context_versions) >= ({newest}.dataset_versions)") == [(True,)]
    versions = "SELECT count(*), count(DISTINCT COLUMNS(* EXCLUDE ingested_at)) FROM lake.landing.context_versions"
    ((count, *others),) = rows(pv, versions)
    assert (count, set(others)) == (2, {1})
    (before,) = rows(pv, "SELECT max(snapshot_id) FROM lake.snapshots()")
    assert ingested(pv, buildings(), offline=True).status == "unchanged"
    assert rows(pv, "SELECT max(snapshot_id) FROM lake.snapshots()") == [before]


def test_more_pv_is_another_snapshot(pv: Settings, tmp_path: Path) -> None:
    write_release(tmp_path / "overture", RELEASE, "buildings", "building", made(300))
    first = ingested(pv, buildings(), mirror=str(tmp_path), offline=True)
    land_pv(pv, [shapely.box(-90, -90, 90, 90)], key="everywhere")
    coarse = buildings(h3_resolution=4)
    assert ingested(pv, coarse, mirror=str(tmp_path), offline=True).rows > first.rows


def test_a_damaged_snapshot_is_made_again(pv: Settings, tmp_path: Path) -> None:
    write_release(tmp_path / "overture", RELEASE, "buildings", "building", made(300))
    ingested(pv, buildings(), mirror=str(tmp_path), offline=True)
    (snapshot,) = pv.cache_dir.glob("overture/**/*.parquet")
    snapshot.write_bytes(snapshot.read_bytes()[:-100])
    outcome = ingested(pv, buildings(), mirror=str(tmp_path), offline=True)
    assert (outcome.status, outcome.origin) == ("unchanged", "mirror")


def test_a_mirror_behind_a_url(pv: Settings, tmp_path: Path) -> None:
    table = made(300)
    write_release(tmp_path / "served" / "overture", "2026-10-21.0", "buildings", "building", table.slice(0, 1), files=1)
    write_release(tmp_path / "served" / "overture", RELEASE, "buildings", "building", table)
    with RepositoryServer(mirror=tmp_path / "served") as server:
        outcome = ingested(pv, buildings(), mirror=f"{server.url}/mirror", offline=True)
        assert (outcome.status, outcome.release, outcome.origin) == ("landed", RELEASE, "mirror")
        asked = {request.path for request in server.requests if request.path.endswith(".parquet")}
    assert all(f"/{RELEASE}/" in path for path in asked)
    assert len(landed_ids(pv) ^ around(pv, table)) <= 3
    assert not list(pv.cache_dir.glob("overture/**/.fetched-*"))


@pytest.mark.realdata
def test_areas_of_a_country_by_the_examples_of_the_schema(home: Settings, tmp_path: Path, mirror: Path) -> None:
    land_pv(home, [shapely.Point(12.5, 43.0), shapely.Point(25.0, 65.0)])
    table = division_areas(mirror / "overture_samples" / "schema_examples")
    write_release(tmp_path / "overture", RELEASE, "divisions", "division_area", table, files=1)
    source = {"kind": "overture", "theme": "divisions", "type": "division_area", "only": {"subtype": ["country", "region"]}}
    outcome = ingested(home, entry("overture_division_area", source), mirror=str(tmp_path), offline=True)
    assert outcome.status == "landed", outcome.error
    found = rows(home, "SELECT subtype, class, country, names['primary'] FROM lake.landing.overture_division_area")
    assert ("region", "land", "IT", "Umbria") in found
    assert ("country", "maritime", "FI", "Suomi") in found


def without(table: pa.Table, *names: str) -> pa.Table:
    return table.drop_columns(list(names))


def test_files_without_boxes_and_metadata_are_read_by_their_geometries(pv: Settings, tmp_path: Path) -> None:
    table = made(300)
    write_release(tmp_path / "overture", RELEASE, "buildings", "building", without(table, "bbox"), metadata=None)
    outcome = ingested(pv, buildings(), mirror=str(tmp_path), offline=True)
    assert outcome.status == "landed", outcome.error
    assert landed_ids(pv) == around(pv, table)


@pytest.mark.realdata
def test_the_published_extract_without_metadata(home: Settings, tmp_path: Path, mirror: Path) -> None:
    extract = mirror / "overture_samples" / "nyc_overture_buildings_2025-11-19_10.parquet"
    table = pq.read_table(extract)
    first = shapely.from_wkb(table["geometry"][0].as_py())
    land_pv(home, [first.centroid])
    folder = tmp_path / "overture" / "2025-11-19.0" / "theme=buildings" / "type=building"
    folder.mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(extract.read_bytes())
    outcome = ingested(home, buildings(), mirror=str(tmp_path), offline=True)
    assert outcome.status == "landed", outcome.error
    assert table["id"][0].as_py() in landed_ids(home)
    assert landed_ids(home) == around(home, table)


@pytest.mark.parametrize(
    ("change", "metadata", "kind", "said"),
    [
        (lambda table: without(table, "id"), GEO, "schema", "has no column 'id'"),
        (lambda table: without(table, "geometry"), GEO, "schema", "has no column 'geometry'"),
        (
            lambda table: table,
            {**GEO, "columns": {"geometry": {"encoding": "WKB", "crs": "EPSG:3857"}}},
            "crs",
            "not in OGC:CRS84",
        ),
        (lambda table: table, {**GEO, "columns": {"geometry": {"crs": None}}}, "crs", "not in OGC:CRS84"),
        (lambda table: table, {"columns": []}, "read", "malformed GeoParquet metadata"),
    ],
)
def test_files_of_something_else_are_refused(pv: Settings, tmp_path: Path, change, metadata, kind: str, said: str) -> None:
    write_release(tmp_path / "overture", RELEASE, "buildings", "building", change(made(10)), files=1, metadata=metadata)
    outcome = ingested(pv, buildings(), mirror=str(tmp_path), offline=True)
    assert (outcome.status, outcome.error_kind) == ("failed", kind)
    assert said in outcome.error
    (recorded,) = rows(pv, "SELECT step, error_kind FROM lake.landing.ingest_outcomes WHERE status = 'failed'")
    assert recorded == ("fetch", kind)
    assert not list(pv.cache_dir.glob("overture/**/*.p*"))


@pytest.mark.parametrize("keep", [4, 100, -200])
def test_a_file_that_is_cut_short_is_refused(pv: Settings, tmp_path: Path, keep: int) -> None:
    path, *_ = write_release(tmp_path / "overture", RELEASE, "buildings", "building", made(300))
    path.write_bytes(path.read_bytes()[:keep])
    outcome = ingested(pv, buildings(), mirror=str(tmp_path), offline=True)
    assert (outcome.status, outcome.error_kind) == ("failed", "read")
    assert path.name in outcome.error
    assert not list(pv.cache_dir.glob("overture/**/*.p*"))


def test_offline_and_nowhere(pv: Settings, tmp_path: Path) -> None:
    outcome = ingested(pv, buildings(release=RELEASE), mirror=str(tmp_path), offline=True)
    assert (outcome.status, outcome.error_kind) == ("absent", "not_held")
    assert RELEASE in outcome.error
