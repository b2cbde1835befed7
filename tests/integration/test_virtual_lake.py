"""From the lake's list of scenes to virtual cubes: the sample world's imagery, and what commits say about the lake."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pystac
import pytest
import rasterio
from rasters import FIRST_DATE, pixels, read_raster, same_bits, scene, write_raster

from dataflows.cubes import open_virtual
from dataflows.cubes.references.refusals import Reason
from dataflows.cubes.references.scenes import SceneAsset, scenes_in_lake
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from dataflows.cubes.virtual import build_virtual
from dataflows.sample import SampleWorld
from db import connect


def assets_of(world: SampleWorld) -> list[SceneAsset]:
    """The sample's imagery as pystac reads its catalog."""
    found = []
    for item in pystac.Catalog.from_file(str(world.catalog)).get_items(recursive=True):
        item.make_asset_hrefs_absolute()
        for key, asset in item.assets.items():
            if asset.href.endswith(".tif"):
                found.append(
                    SceneAsset(
                        item.collection_id, item.id, key, asset.href, item.datetime, grid_code=item.properties["grid:code"]
                    )
                )
    return found


def test_the_sample_world_is_virtual_but_for_its_broken_file(sample_world, home):
    scenes = assets_of(sample_world)
    report = build_virtual(scenes, lake=home)
    assert [(refused.item_id, refused.asset_key, refused.reason) for refused in report.refusals] == [
        ("HELIA_T27_20251026", "swir16", Reason.TRUNCATED)
    ]
    wanted = Counter()
    for entry in scenes:
        with rasterio.open(entry.href) as file:
            wanted[file.crs.to_epsg(), tuple(file.transform), file.shape] += 1
    wanted_groups = sorted(wanted.values())
    broken = 1
    assert sum(wanted_groups) - broken == sum(group.rasters for group in report.groups)
    assert len(wanted_groups) == len(report.groups) == 6
    hrefs = {(entry.item_id, entry.asset_key): entry.href for entry in scenes}
    compared = 0
    for group in report.groups:
        cube = open_virtual(group.path, lake=home)
        for name, array in cube.data_vars.items():
            for place, item in enumerate(cube.item_id.values):
                if (str(item), name) == ("HELIA_T27_20251026", "swir16"):
                    assert (array[place].values == 0).all()
                    assert array.attrs["eopv:layout"]["nodata"] == "0"
                    continue
                assert same_bits(array[place].values[None], read_raster(hrefs[str(item), name]))
                compared += 1
    assert compared == sum(group.rasters for group in report.groups)


@pytest.fixture
def lake_with_scenes(home, tmp_path):
    """Tables as staging and curated have them, with three scenes of which two are chosen."""
    paths = [write_raster(tmp_path / f"{day}.tif", pixels(seed=day), nodata=0) for day in range(3)]
    with connect(lake=home) as con:
        con.execute(
            """
            CREATE TABLE lake.staging.stg_stac_items AS
            SELECT 'made' AS catalog, 'made-l2a' AS collection, format('item-{:03}', i) AS item_id, 2 AS version,
                TIMESTAMPTZ '2025-01-10 10:30:15.25+00' + to_days(i::INTEGER) AS datetime, 'T13SED' AS grid_code
            FROM range(3) AS t(i)
            """
        )
        con.execute(
            """
            CREATE TABLE lake.staging.stg_stac_assets AS
            SELECT catalog, collection, item_id, version, key AS asset_key, key <> 'thumbnail' AS is_geotiff,
                list_extract(?::VARCHAR[], right(item_id, 3)::INTEGER + 1) AS href, ['red'] AS bands,
                '1220ab' AS checksum, 0.0001::DOUBLE AS scale, -0.1::DOUBLE AS value_offset
            FROM lake.staging.stg_stac_items, (VALUES ('red'), ('thumbnail')) AS keys(key)
            """,
            [[str(path) for path in paths]],
        )
        con.execute(
            """
            CREATE TABLE lake.curated.pv_scenes AS
            SELECT catalog, collection, item_id, version, 'a' AS installation_id FROM lake.staging.stg_stac_items
            WHERE item_id <> 'item-001' UNION ALL SELECT 'made', 'made-l2a', 'item-000', 2, 'b'
            """
        )
        yield con, paths


def test_scenes_of_the_lake_are_those_that_were_chosen(lake_with_scenes, home):
    con, paths = lake_with_scenes
    found = scenes_in_lake(con)
    facts = {"version": 2, "bands": ("red",), "checksum": "1220ab", "scale": 0.0001, "offset": -0.1, "grid_code": "T13SED"}
    assert found == [scene(paths[day], day, **facts) for day in (0, 2)]
    assert len(scenes_in_lake(con, selected=False)) == 3
    assert scenes_in_lake(con, collections=["other"]) == scenes_in_lake(con, assets=["nir"]) == []
    assert [entry.item_id for entry in scenes_in_lake(con, since=datetime(2025, 1, 11, tzinfo=UTC))] == ["item-002"]
    assert [entry.item_id for entry in scenes_in_lake(con, until=FIRST_DATE)] == []
    report = build_virtual(found, lake=home, metadata=CommitMetadata.reading(con))
    cube = open_virtual("made-l2a", lake=home)
    assert report.refusals == ()
    assert cube.attrs["grid_code"] == "T13SED"
    assert np.array_equal(cube.red[1].values, read_raster(paths[2])[0])
    newest = next(iter(store.repository("virtual", lake=home).ancestry(branch="main")))
    (snapshot,) = con.sql("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone()
    assert CommitMetadata.of(newest).ducklake_snapshot_id == snapshot


def test_a_lake_without_stac_has_no_scenes(home):
    with connect(lake=home) as con:
        assert scenes_in_lake(con) == []
        assert build_virtual([], lake=home).groups == ()


def test_metadata_names_the_newest_dbt_run_and_the_newest_snapshot(home):
    with connect(lake=home) as con:
        assert CommitMetadata.reading(con).dbt_invocation_id is None
        for number, extra in enumerate(('{"dbt_invocation_id": "older"}', '{"dbt_invocation_id": "newer"}', '{"run_id": "x"}')):
            con.begin()
            con.execute(f"CREATE TABLE lake.main.t{number} AS SELECT 1 AS a")
            con.execute("CALL lake.set_commit_message('eopv', 'build', extra_info => ?)", [extra])
            con.commit()
        (snapshot,) = con.sql("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone()
        metadata = CommitMetadata.reading(con, parameters={"a": 1})
    assert (metadata.ducklake_snapshot_id, metadata.dbt_invocation_id, metadata.parameters) == (snapshot, "newer", {"a": 1})
