"""Chips of the sample's lake: from its tables to the cube, without a plan made by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from chip_world import by_rasterio, opened
from scene_lake import SceneLake

from dataflows.cubes.chip.plan import ChipPlan, read_plan
from dataflows.cubes.chips import build_chips
from dataflows.cubes.landed_series import land_series
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from dataflows.elt import run_dbt
from db import connect
from db.errors import LakeError
from db.settings import Settings

pytestmark = pytest.mark.xdist_group("scenes")


@pytest.fixture(scope="module")
def plan(scene_lake: SceneLake) -> ChipPlan:
    with connect(read_only=True, lake=scene_lake.settings) as con:
        return read_plan(con)


def test_the_plan_has_the_lakes_scenes_and_their_files(scene_lake: SceneLake, plan: ChipPlan):
    chosen = scene_lake.frame("SELECT installation_id, item_id, period FROM curated.pv_scenes")
    assert plan.scenes.num_rows == len(chosen) > 20
    assert set(plan.scenes["installation_id"].to_pylist()) <= set(plan.installations["installation_id"].to_pylist())
    assert {Path(href).suffix for href in plan.assets["href"].to_pylist()} == {".tif"}
    assert plan.snapshot_id is not None


def test_a_plan_can_be_narrowed(scene_lake: SceneLake, plan: ChipPlan):
    chosen = plan.scenes["installation_id"].to_pylist()[:3]
    with connect(read_only=True, lake=scene_lake.settings) as con:
        part = read_plan(con, first_period=date(2025, 4, 1), last_period=date(2025, 6, 1), installations=chosen)
        nothing = read_plan(con, collections=["other"])
    assert set(part.scenes["installation_id"].to_pylist()) <= set(chosen)
    assert {str(period)[:7] for period in part.scenes["period"].to_pylist()} <= {"2025-04", "2025-05", "2025-06"}
    # What is around them shows in their masks
    assert part.installations.num_rows > len(set(chosen))
    assert nothing.scenes.num_rows == nothing.assets.num_rows == 0


def test_a_lake_without_scenes_says_what_to_do(tmp_path: Path):
    with connect(lake=Settings(home=tmp_path / "empty", _env_file=None)) as con, pytest.raises(LakeError, match="eopv stac"):
        read_plan(con)


def test_the_samples_chips(scene_lake: SceneLake, plan: ChipPlan):
    result = build_chips(plan, size=64, lake=scene_lake.settings)
    assert [group.path for group in result.groups] == ["helia-s2-l2a/epsg-32627", "helia-s2-l2a/epsg-32628"]
    # One file of the sample is truncated on purpose
    assert {failure.item_id for failure in result.failures} <= {"HELIA_T27_20251026"}
    hrefs = {
        (asset["item_id"], asset["asset_key"]): asset["href"]
        for asset in plan.assets.to_pylist()
        if asset["item_id"] != "HELIA_T28_20250817"  # on another grid on purpose
    }
    for group in result.groups:
        cube = opened(scene_lake.settings, group.path)
        assert list(cube.band.values) == ["blue", "green", "red", "nir", "swir16"]
        assert cube.own_mask.values.sum(axis=(1, 2)).min() > 0
        compared = 0
        for chip, time in np.argwhere(cube.item_id.values != "")[::5]:
            href = hrefs.get((cube.item_id.values[chip, time], "red"))
            if href is not None:
                expected = by_rasterio(href, cube.transform.values[chip], 64)
                np.testing.assert_array_equal(cube.pixels.values[chip, time, 2], expected)
                compared += 1
        assert compared > 3
        months = cube.time.values.astype("datetime64[M]").astype(str)
        # Numbers are 1,000 higher since processing baseline 04.00, which the sample's scenes have from June 23 on
        for month, offset in (("2025-02", 0.0), ("2025-04", 0.0), ("2025-08", -0.1), ("2025-10", -0.1)):
            found = cube.reflectance_offset.values[:, months == month]
            assert set(found[~np.isnan(found)]) <= {offset}
    commit = next(iter(store.repository("chips", lake=scene_lake.settings).ancestry(branch="main")))
    assert CommitMetadata.of(commit).ducklake_snapshot_id == plan.snapshot_id
    assert build_chips(plan, size=64, lake=scene_lake.settings).snapshot_id is None


def test_series_of_the_samples_chips_are_curated(scene_lake: SceneLake, plan: ChipPlan):
    build_chips(plan, size=64, lake=scene_lake.settings)
    session = store.open_readonly("chips", lake=scene_lake.settings)
    with connect(lake=scene_lake.settings) as con:
        landed = land_series(con, session)
    results = run_dbt("build", scene_lake.settings, arguments=("--select", "tag:cubes"))
    assert [result for result in results if result.failed] == []
    tables = {"pv_timeseries": "cube_timeseries", "chip_statistics": "cube_chip_statistics"}
    counts = {name: len(scene_lake.frame(f"FROM curated.{table}")) for table, name in tables.items()}
    assert counts == landed.rows
    assert min(counts.values()) > 100
    frame = scene_lake.frame(
        "SELECT * FROM curated.pv_timeseries JOIN curated.pv_installations USING (installation_id) WHERE variable = 'ndvi'"
    )
    assert set(frame["icechunk_snapshot"]) == {session.snapshot_id}
    # The sample's panels are dark and flat, the fields around them are green: what an outline covers differs from a disc
    clear = frame[frame["clear_share"] > 0.9]
    # of a roof, most pixels show what is around it
    outlined = (clear["geometry_kind"] == "polygon") & (clear["level"] != "rooftop")
    assert outlined.sum() > 10
    assert clear[outlined]["mean"].between(0.1, 0.25).all()
    assert clear[clear["geometry_kind"] == "point"]["mean"].max() > 0.5
