"""Real scenes over real sites: Sentinel-2 and Landsat items of Colorado and USPVDB, against GeoPandas and pandas."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from published_files import MANIFEST, published
from real_items import RealItems
from sample_lake import WITHOUT_TESTS

from dataflows.elt import run_dbt
from dataflows.raw.ingest import Options
from dataflows.raw.ingest_run import ingest
from db import connect

pytestmark = [pytest.mark.realdata, pytest.mark.xdist_group("real_items")]

USPVDB = "usa_uspvdb_v3_2025"
FILES = {"recorded_sentinel_2": "1000-sentinel-2-items.parquet", "recorded_landsat": "100-landsat-items.parquet"}
MIXED = "recorded_mixed"
# The mixed items hold some of the same collections, which would be chosen from, too
MODELS = ("--select", "+pv_scenes", "+pv_installation_observations")
ARGUMENTS = (*MODELS, *WITHOUT_TESTS, "--vars", json.dumps({"scene_catalogs": [*FILES]}))
# items, sites, pairs: ../shared/mirror/README.md
COUNTS = {"recorded_sentinel_2": (1000, 160, 3_375), "recorded_landsat": (100, 92, 6_199)}


@pytest.fixture(scope="module")
def lake(real_items: RealItems, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The items' lake with USPVDB, built."""
    home = tmp_path_factory.mktemp("scenes") / "home"
    shutil.copytree(real_items.settings.home, home)
    settings = real_items.settings.model_copy(update={"home": home})
    options = Options(settings, mirror=str(real_items.mirror), offline=True, export=False)
    (sites,) = ingest([MANIFEST[USPVDB]], options)
    assert sites.status == "landed", sites
    failures = [result for result in run_dbt("build", settings, arguments=ARGUMENTS) if result.failed]
    assert not failures, failures
    with connect(read_only=True, lake=settings) as con:
        yield con


@pytest.fixture(scope="module")
def items(mirror: Path) -> pd.DataFrame:
    """The published items: ``catalog``, ``item_id``, ``datetime``, ``cloud_cover``, ``sun_elevation``, ``geometry``."""
    frames = []
    for key, file in FILES.items():
        frame = gpd.read_parquet(mirror / "stac" / file)
        elevation = 90 - frame["s2:mean_solar_zenith"] if "s2:mean_solar_zenith" in frame else frame["view:sun_elevation"]
        facts = {"item_id": frame["id"], "cloud_cover": frame["eo:cloud_cover"], "sun_elevation": elevation}
        frames.append(frame.assign(catalog=key, **facts))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def pairs(mirror: Path, items: pd.DataFrame) -> pd.DataFrame:
    """Sites in footprints, by GeoPandas."""
    sites = published(mirror, USPVDB)
    points = gpd.GeoDataFrame({"case_id": sites["case_id"].astype(str)}, geometry=sites.geometry).to_crs("EPSG:4326")
    facts = items[["catalog", "item_id", "datetime", "cloud_cover"]]
    outlines = gpd.GeoDataFrame(facts, geometry=items["geometry"].to_numpy(), crs="EPSG:4326")
    return gpd.sjoin(points, outlines, predicate="intersects").drop(columns=["geometry", "index_right"])


def of_sites(lake: duckdb.DuckDBPyConnection, table: str, columns: str, catalog: str) -> duckdb.DuckDBPyConnection:
    """Columns of a table of installations, after the publisher's id of the site as ``case_id``."""
    return lake.execute(
        f"""
        SELECT source_feature_id AS case_id, {columns}
        FROM {table} JOIN curated.pv_installation_observations USING (installation_id)
        WHERE catalog = ?
        """,
        [catalog],
    )


@pytest.mark.parametrize("key", FILES)
def test_every_item_is_staged_with_the_cell_of_its_grid(lake, items, key):
    elevation = items[items["catalog"] == key].set_index("item_id")["sun_elevation"]
    rows = lake.execute(
        """
        SELECT item_id, grid_code, epsg, cloud_cover_pct, sun_elevation_deg, footprint IS NOT NULL
        FROM staging.stg_stac_items WHERE catalog = ?
        """,
        [key],
    ).fetchall()
    assert len(rows) == COUNTS[key][0]
    for item_id, grid_code, epsg, cloud_cover, sun_elevation, has_footprint in rows:
        # names of products hold the cell, too
        if key == "recorded_sentinel_2":
            (cell,) = re.findall(r"_T(\d{2}[A-Z]{3})_", item_id)
            assert (grid_code, epsg) == (f"MGRS-{cell}", 32600 + int(cell[:2]))
        else:
            (cell,) = re.findall(r"^L[CE]0\d_L2S[PR]_(\d{6})_", item_id)
            assert grid_code == f"WRS2-{cell}"
            assert epsg in (32612, 32613, 32614)
        assert 0 <= cloud_cover <= 100
        assert sun_elevation == pytest.approx(elevation[item_id], abs=1e-12)
        assert has_footprint


@pytest.mark.parametrize("key", FILES)
def test_candidates_are_the_pairs_that_geopandas_finds(lake, pairs, key):
    found = of_sites(lake, "prepared.prep_scene_candidates", "item_id, covered_share", key).fetchall()
    expected = pairs[pairs["catalog"] == key]
    assert sorted((site, item) for site, item, _ in found) == sorted(zip(expected["case_id"], expected["item_id"], strict=True))
    assert {share for _, _, share in found} == {1.0}
    assert (len({site for site, _, _ in found}), len(found)) == COUNTS[key][1:]


@pytest.mark.parametrize("key", FILES)
def test_scenes_are_the_least_cloudy_of_each_month(lake, pairs, key):
    chosen = of_sites(lake, "curated.pv_scenes", "period, item_id, cloud_cover_pct, rank", key).df()
    expected = pairs[pairs["catalog"] == key]
    period = expected["datetime"].dt.tz_convert("UTC").dt.strftime("%Y-%m-01")
    least = expected.assign(period=period).groupby(["case_id", "period"])["cloud_cover"].min()
    chosen["period"] = chosen["period"].dt.strftime("%Y-%m-%d")
    ours = chosen.set_index(["case_id", "period"])["cloud_cover_pct"].sort_index()
    assert ours.index.is_unique
    assert ours.index.equals(least.sort_index().index)
    np.testing.assert_allclose(ours, least.sort_index(), rtol=0, atol=1e-12)
    assert set(chosen["rank"]) == {1}
    assert set(zip(chosen["case_id"], chosen["item_id"], strict=True)) <= set(
        zip(expected["case_id"], expected["item_id"], strict=True)
    )


def test_items_of_sixty_collections_meet_the_sites_that_geopandas_finds(lake, mirror):
    staged = lake.execute("SELECT collection, item_id FROM staging.stg_stac_items WHERE catalog = ?", [MIXED]).fetchall()
    assert len({collection for collection, _ in staged}) > 60
    with (mirror / "stac" / "mixed_items.ndjson").open() as lines:
        documents = {(item.get("collection"), item["id"]): item for item in map(json.loads, lines)}
    assert len(staged) > 1_300
    assert len(staged) == len(set(staged) & set(documents))
    outlines = gpd.GeoDataFrame(
        {"item": [f"{collection}/{item_id}" for collection, item_id in staged]},
        geometry=[shapely.geometry.shape(documents[key]["geometry"]) for key in staged],
        crs="EPSG:4326",
    )
    sites = published(mirror, USPVDB)
    points = gpd.GeoDataFrame({"case_id": sites["case_id"].astype(str)}, geometry=sites.geometry).to_crs("EPSG:4326")
    expected = gpd.sjoin(points, outlines, predicate="intersects")
    found = of_sites(lake, "prepared.prep_scene_candidates", "collection || '/' || item_id", MIXED).fetchall()
    assert len(found) > 10_000
    assert sorted(found) == sorted(zip(expected["case_id"], expected["item"], strict=True))
