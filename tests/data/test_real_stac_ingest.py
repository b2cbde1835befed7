"""The mirror's real items through the whole ingest, against the files themselves read by json, shapely and pyarrow."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from real_items import RECORDED, RealItems

pytestmark = [pytest.mark.realdata, pytest.mark.xdist_group("real_items")]

# landed, assets of them, published in another version of STAC than 1.1; the mirror's README and the files
COUNTS = {
    "recorded_sentinel_2": (1_000, 23_262, 1_000),
    "recorded_landsat": (100, 2_500, 0),
    "recorded_earth_search": (10, 230, 10),
    "recorded_naip": (100, 300, 100),
    "recorded_mixed": (1_323, 20_007, 1_322),
}
WITHOUT_COLLECTION = {"S1A_EW_GRDM_1SSH_20181103T235855_20181103T235955_024430_02AD5D_5616", "znz001", "znz029"}
INVALID_GEOMETRY = {"S1A_EW_GRDM_1SSH_20150129T081916_20150129T081938_004383_005598"}


@pytest.fixture(scope="module")
def mixed(mirror: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (mirror / "stac" / "mixed_items.ndjson").read_text().splitlines()]


def test_counts(real_items: RealItems) -> None:
    found = {key: (outcome.new, outcome.assets, outcome.migrated) for key, outcome in real_items.outcomes.items()}
    assert found == COUNTS
    assert {outcome.status for outcome in real_items.outcomes.values()} == {"landed"}
    assert len({outcome.snapshot for outcome in real_items.outcomes.values()}) == len(COUNTS)


def test_the_quarantined_ones_are_these_and_for_these_reasons(real_items: RealItems, mixed: list[dict[str, Any]]) -> None:
    def named(pattern: str) -> set[str]:
        return {
            name for (name,) in real_items.rows(f"SELECT item_id FROM landing.stac_quarantine WHERE reason LIKE '{pattern}'")
        }

    without_bbox = {item["id"] for item in mixed if "bbox" not in item}
    without_href = {item["id"] for item in mixed if any("href" not in asset for asset in item["assets"].values())}
    # Nine lack both: the deeper problem is told
    assert (len(without_bbox), len(without_href), len(without_bbox & without_href)) == (34, 9, 9)
    assert named("%names no collection%") == WITHOUT_COLLECTION == {item["id"] for item in mixed if not item.get("collection")}
    assert named("%geometry cannot be read%") == INVALID_GEOMETRY
    assert named("%''bbox'' is a required property%") == without_bbox - without_href
    assert named("%''href'' is a required property%") == without_href
    ((total,),) = real_items.rows("SELECT count(*) FROM landing.stac_quarantine")
    assert total == 38 == len(mixed) - COUNTS["recorded_mixed"][0]
    kept = real_items.rows("SELECT item_id, source, item FROM landing.stac_quarantine")
    for name, source, item in kept:
        line = mixed[int(source.rsplit(":", 1)[1]) - 1]
        assert (line["id"], json.loads(item)["id"]) == (name, name)


def test_versions_of_stac_are_kept_as_published(real_items: RealItems, mixed: list[dict[str, Any]]) -> None:
    query = "SELECT stac_version, count(*) FROM landing.stac_items WHERE catalog = 'recorded_mixed' GROUP BY ALL"
    refused = {name for (name,) in real_items.rows("SELECT item_id FROM landing.stac_quarantine")}
    assert dict(real_items.rows(query)) == Counter(item["stac_version"] for item in mixed if item["id"] not in refused)
    naip = real_items.rows("SELECT DISTINCT stac_version FROM landing.stac_items WHERE catalog = 'recorded_naip'")
    assert naip == [("1.0.0-beta.2",)]


def test_a_second_run_has_no_news(real_items: RealItems) -> None:
    before = real_items.rows("SELECT max(snapshot_id) FROM lake.snapshots()")
    # The large ones take as long as the first time and show nothing else
    again = real_items.ingest([catalog for catalog in RECORDED if COUNTS[catalog.key][0] <= 100])
    assert {outcome.status for outcome in again.values()} == {"unchanged"}
    assert {key: outcome.unchanged for key, outcome in again.items()} == {key: COUNTS[key][0] for key in again}
    assert len(again) == 3
    assert real_items.rows("SELECT max(snapshot_id) FROM lake.snapshots()") == before


@pytest.mark.parametrize(
    ("key", "file"),
    [("recorded_sentinel_2", "1000-sentinel-2-items.parquet"), ("recorded_landsat", "100-landsat-items.parquet")],
)
def test_footprints_times_and_clouds_are_those_of_the_parquet_file(
    real_items: RealItems, mirror: Path, key: str, file: str
) -> None:
    table = pq.read_table(
        mirror / "stac" / file, columns=["id", "geometry", "datetime", "eo:cloud_cover", "proj:epsg"]
    ).to_pandas()
    table = table.sort_values("id", ignore_index=True)
    ours = real_items.rows(
        f"""
        SELECT item_id, ST_AsWKB(geometry), epoch_ms(datetime), (properties ->> 'eo:cloud_cover')::DOUBLE,
            properties ->> 'proj:code'
        FROM landing.stac_items WHERE catalog = '{key}' ORDER BY item_id
        """
    )
    assert [row[0] for row in ours] == table.id.tolist()
    geometries = shapely.from_wkb([bytes(row[1]) for row in ours])
    assert shapely.equals_exact(geometries, shapely.from_wkb(table.geometry.to_numpy()), tolerance=1e-12).all()
    assert [row[2] for row in ours] == [int(time.timestamp() * 1000) for time in table.datetime]
    np.testing.assert_array_equal([row[3] for row in ours], table["eo:cloud_cover"])
    assert [row[4] for row in ours] == [f"EPSG:{code}" for code in table["proj:epsg"]]


def test_footprints_beyond_the_antimeridian_are_split_there_and_keep_their_area(
    real_items: RealItems, mixed: list[dict[str, Any]]
) -> None:
    published = {
        (item["collection"], item["id"]): shapely.geometry.shape(item["geometry"])
        for item in mixed
        if item["id"] not in INVALID_GEOMETRY | WITHOUT_COLLECTION and "bbox" in item
    }
    beyond = {name for name, geometry in published.items() if geometry.bounds[0] < -180 or geometry.bounds[2] > 180}
    assert len(beyond) == 22
    query = "SELECT (collection, item_id), ST_AsWKB(geometry) FROM landing.stac_items WHERE catalog = 'recorded_mixed'"
    for name, wkb in real_items.rows(query):
        geometry = shapely.from_wkb(bytes(wkb))
        west, _, east, _ = geometry.bounds
        assert -180 <= west <= east <= 180
        if name in beyond:
            assert geometry.area == pytest.approx(published[name].area, rel=1e-9)
            assert (west, east) == pytest.approx((-180, 180))
        else:
            assert shapely.equals_exact(geometry, shapely.force_2d(published[name]), tolerance=1e-12)


def test_assets_are_those_of_the_files(real_items: RealItems, mirror: Path) -> None:
    document = json.loads((mirror / "stac" / "sentinel-2_item-collection.json").read_text())
    expected = {(item["id"], key): asset for item in document["features"] for key, asset in item["assets"].items()}
    rows = real_items.rows(
        """
        SELECT item_id, asset_key, href, bands, data_type, nodata, scale, value_offset, epsg, proj_shape, proj_transform
        FROM landing.stac_assets WHERE catalog = 'recorded_earth_search'
        """
    )
    assert {row[:2] for row in rows} == set(expected)
    for name, key, href, bands, data_type, nodata, scale, offset, epsg, shape, transform in rows:
        asset = expected[name, key]
        raster = asset.get("raster:bands", [{}])[0]
        assert href == asset["href"]
        assert (data_type, nodata, scale, offset) == tuple(
            raster.get(field) for field in ("data_type", "nodata", "scale", "offset")
        )
        assert bands == ([band["common_name"] for band in asset["eo:bands"]] if "eo:bands" in asset else None)
        if "data" in asset.get("roles", []):
            assert epsg == 32613
            assert (shape, transform) == (asset["proj:shape"], asset["proj:transform"][:6])


def test_nothing_signed_is_in_the_lake(real_items: RealItems) -> None:
    signed = "[?&](sig|X-Amz-Signature|token)="
    assert real_items.rows(f"SELECT count(*) FROM landing.stac_assets WHERE regexp_matches(href || extra, '{signed}')") == [
        (0,)
    ]
