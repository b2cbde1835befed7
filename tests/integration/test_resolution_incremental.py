"""A resolution in part leaves what a resolution of everything leaves, row for row, ids and history included."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pandas as pd
import pytest
import shapely
from resolution_lake import ResolutionLake, difference

from benchmarks.entity_resolution.world import Setting
from benchmarks.entity_resolution.worlds import worlds
from db.settings import REPOSITORY_ROOT

pytestmark = pytest.mark.xdist_group("resolution_incremental")

SETTINGS = [Setting("inland", groups=45), Setting("antimeridian", groups=12, lon=180.0, lat=-17.0)]
# Datasets as source_profiles.csv knows them: the outlines may list a site in several rows
OUTLINES, PLANTS, REGISTER, TILES = (
    "deu_osm_pv_2023",
    "deu_ufz_open_field_pv_2015",
    "global_wri_gppd_2021",
    "global_pv_inventory_sent2_2024",
)
DATASETS = {"world_outlines": OUTLINES, "world_plants": PLANTS, "world_register": REGISTER, "world_places": TILES}


@pytest.fixture(scope="module")
def world() -> pd.DataFrame:
    seen = worlds(SETTINGS)
    dataset = seen["dataset"].map(DATASETS)
    trust = dataset.map({TILES: "low", PLANTS: "reference"}).fillna("normal")
    return seen.assign(dataset=dataset, trust=trust, commercial_use=dataset.map({OUTLINES: "no"}).fillna("yes"))


@pytest.fixture(scope="module")
def first(world: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> ResolutionLake:
    """Resolved without the register; read it, or copy it."""
    lake = ResolutionLake.at(tmp_path_factory.mktemp("first") / "home")
    lake.observe(world[world["dataset"] != REGISTER])
    lake.resolve()
    return lake


@pytest.fixture(scope="module")
def second(first: ResolutionLake, world: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> ResolutionLake:
    """The register added, resolved in part."""
    lake = first.copy(tmp_path_factory.mktemp("second") / "home")
    lake.observe(world)
    lake.resolve()
    return lake


@pytest.fixture(scope="module")
def changed(world: pd.DataFrame) -> pd.DataFrame:
    """What a new vintage does: places, names, sizes and levels differ, rows go, copies come."""
    seen = world.reset_index(drop=True)
    revised = seen.sample(40, random_state=1).index
    moved, renamed, resized, releveled = revised[:12], revised[12:22], revised[22:32], revised[32:]
    seen.loc[moved, "geometry"] = [shapely.transform(shape, lambda places: places + 3e-4) for shape in seen.loc[moved, "geometry"]]
    seen.loc[renamed, "name"] = "Solar Park " + seen.loc[renamed, "source_feature_id"]
    seen.loc[resized, "capacity_mw"] = 1.5
    seen.loc[releveled, "level"] = "array"
    gone = seen.drop(index=revised).sample(30, random_state=2).index
    copied = seen.drop(index=gone).sample(8, random_state=3)
    copies = copied.assign(
        source_feature_id="copy of " + copied["source_feature_id"],
        duplicate_of=[observation_id(*of) for of in zip(copied["dataset"], copied["source_feature_id"], strict=True)],
    )
    return pd.concat([seen.drop(index=gone), copies], ignore_index=True)
