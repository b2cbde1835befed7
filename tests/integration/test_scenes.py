"""From the sample's catalog to the scenes of each installation: landed, typed, met with the installations, chosen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from scene_lake import SceneLake

from dataflows.sample.region import LOCAL_CRS
from db import connect
from db.errors import BuildError

TABLES = ("staging.stg_stac_items", "staging.stg_stac_assets", "prepared.prep_scene_candidates", "curated.pv_scenes")


@pytest.fixture(scope="module")
def pairs(scene_lake: SceneLake) -> pd.DataFrame:
    """Installations and scenes that meet, by GeoPandas, with the share covered in an equal-area projection."""
    table = scene_lake.frame("SELECT installation_id, ST_AsWKB(geometry) AS wkb FROM curated.pv_installations")
    sites = gpd.GeoDataFrame(
        table[["installation_id"]], geometry=shapely.from_wkb([*map(bytes, table["wkb"])]), crs="EPSG:4326"
    )
    scenes = gpd.GeoDataFrame.from_features(
        [{**item, "properties": {"item_id": item["id"], **item["properties"]}} for item in scene_lake.documents()],
        crs="EPSG:4326",
    )
    met = gpd.sjoin(sites.to_crs(LOCAL_CRS), scenes.to_crs(LOCAL_CRS), predicate="intersects")
    outlines = scenes.to_crs(LOCAL_CRS).geometry.to_numpy()[met["index_right"]]
    shown = shapely.intersection(met.geometry.to_numpy(), outlines)
    is_point = shapely.get_dimensions(met.geometry.to_numpy()) == 0
    share = np.where(is_point, 1.0, shapely.area(shown) / np.where(is_point, 1.0, met.geometry.area))
    return pd.DataFrame(met.drop(columns="geometry")).assign(covered_share=share)


def test_without_imagery_there_are_no_scenes_but_all_tables(sample_lake):
    with connect(read_only=True, lake=sample_lake.settings) as con:
        for table in TABLES:
            assert con.sql(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        (columns,) = con.sql("SELECT list(column_name) FROM (DESCRIBE curated.pv_scenes)").fetchone()
    assert columns[:7] == ["installation_id", "catalog", "collection", "item_id", "version", "period", "rank"]


def test_items_and_assets_are_typed_as_the_documents_say(scene_lake):
    items = scene_lake.frame("SELECT * EXCLUDE (footprint) FROM staging.stg_stac_items").set_index("item_id")
    assets = scene_lake.frame("SELECT * FROM staging.stg_stac_assets").set_index(["item_id", "asset_key"])
    assert len(assets) == 12 * 6
    for document in scene_lake.documents():
        said, row = document["properties"], items.loc[document["id"]]
        assert row["cloud_cover_pct"] == said["eo:cloud_cover"]
        assert row["sun_elevation_deg"] == said["view:sun_elevation"]
        assert row["view_off_nadir_deg"] == said["view:off_nadir"]
        assert (row["grid_code"], row["processing_baseline"]) == (said["grid:code"], said["s2:processing_baseline"])
        assert f"EPSG:{row['epsg']}" == said["proj:code"]
        assert row["datetime"] == pd.Timestamp(said["datetime"])
        for key, asset in document["assets"].items():
            file = assets.loc[document["id"], key]
            assert file["is_geotiff"]
            assert (file["size_bytes"], file["checksum"]) == (asset["file:size"], asset["file:checksum"])
            assert list(file["proj_transform"]) == asset["proj:transform"]
            assert list(file["proj_shape"]) == asset["proj:shape"]
            assert (file["data_type"], file["nodata"], file["gsd_m"]) == (asset["data_type"], 0, asset["gsd"])
            if key != "scl":
                assert (file["scale"], file["value_offset"]) == (asset["raster:scale"], asset["raster:offset"])
            assert Path(file["href"]).is_file()


def test_candidates_are_the_pairs_that_geopandas_finds(scene_lake, pairs):
    found = scene_lake.frame("SELECT installation_id, item_id, covered_share FROM prepared.prep_scene_candidates")
    ours, theirs = (table.set_index(["installation_id", "item_id"])["covered_share"].sort_index() for table in (found, pairs))
    assert len(ours) > 50
    assert ours.index.equals(theirs.index)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


def test_scenes_are_the_least_cloudy_whole_ones_of_each_month(scene_lake, pairs):
    whole = pairs[pairs["covered_share"] > 1 - 1e-9].assign(period=pairs["datetime"].str[:7] + "-01")
    best = whole.sort_values(["eo:cloud_cover", "view:off_nadir", "datetime"]).drop_duplicates(["installation_id", "period"])
    found = scene_lake.frame("SELECT installation_id, period::VARCHAR AS period, item_id FROM curated.pv_scenes")
    assert sorted(found.itertuples(index=False, name=None)) == sorted(
        best[["installation_id", "period", "item_id"]].itertuples(index=False, name=None)
    )
    assert found["period"].nunique() == 5
    assert {item_id[-8:] for item_id in found["item_id"]} >= {"20250603", "20250817"}


def test_an_item_that_changed_is_chosen_by_its_new_version(scene_lake, tmp_path):
    shutil.copytree(scene_lake.settings.home, tmp_path / "home")
    shutil.copytree(scene_lake.mirror / "stac", tmp_path / "mirror" / "stac")
    changed = SceneLake(
        scene_lake.settings.model_copy(update={"home": tmp_path / "home"}), tmp_path / "mirror", scene_lake.manifest
    )
    for file in (tmp_path / "mirror").rglob("HELIA_*_20250603.json"):
        item = json.loads(file.read_text())
        item["properties"] |= {"eo:cloud_cover": 99.5, "updated": "2026-01-01T00:00:00Z"}
        file.write_text(json.dumps(item))
    changed.ingest()
    changed.build(scene_max_cloud_cover_pct=90)  # its unit tests included: they do not depend on the vars in force
    june = changed.frame("SELECT item_id, version FROM curated.pv_scenes WHERE period = '2025-06-01'")
    assert {(item_id[-8:], version) for item_id, version in june.itertuples(index=False)} == {("20250623", 2)}
    versions = changed.frame("SELECT item_id, version, cloud_cover_pct FROM staging.stg_stac_items")
    assert len(versions) == 12
    assert set(versions.loc[versions["cloud_cover_pct"] == 99.5, "version"]) == {2}


def test_a_wrong_policy_is_refused_with_what_is_known(scene_lake):
    with pytest.raises(BuildError, match="least_cloudy"):
        scene_lake.build(scene_order=["prettiest"])


@pytest.fixture(scope="module")
def con(scene_lake: SceneLake) -> duckdb.DuckDBPyConnection:
    with connect(read_only=True, lake=scene_lake.settings) as con:
        yield con


def test_the_built_model_joins_by_space(scene_lake, con):
    sql = next((scene_lake.settings.home / "dbt" / "target").rglob("compiled/**/prep_scene_candidates.sql")).read_text()
    ((_, plan),) = con.sql(f"EXPLAIN {sql}").fetchall()
    assert "SPATIAL_JOIN" in plan
    assert "NESTED_LOOP" not in plan
