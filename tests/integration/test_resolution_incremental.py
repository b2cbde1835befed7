"""A resolution in part leaves what a resolution of everything leaves, row for row, ids and history included."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import shapely
from resolution_lake import ResolutionLake, difference, observation_id
from shapely.affinity import scale

from benchmarks.entity_resolution.world import Setting
from benchmarks.entity_resolution.worlds import worlds
from db.settings import REPOSITORY_ROOT

pytestmark = pytest.mark.xdist_group("resolution_incremental")

SETTINGS = [Setting("inland", groups=45), Setting("antimeridian", groups=12, lon=180.0, lat=-17.0)]
# Datasets as source_profiles.csv knows them: the outlines may list a site in several rows
OUTLINES, PLANTS, REGISTER, TILES, ARRAYS = (
    "deu_osm_pv_2023",
    "deu_ufz_open_field_pv_2015",
    "global_wri_gppd_2021",
    "global_pv_inventory_sent2_2024",
    "usa_cali_usgs_pv_2016",
)
DATASETS = {"world_outlines": OUTLINES, "world_plants": PLANTS, "world_register": REGISTER, "world_places": TILES}


@pytest.fixture(scope="module")
def world() -> pd.DataFrame:
    seen = worlds(SETTINGS)
    dataset = seen["dataset"].map(DATASETS)
    trust = dataset.map({TILES: "low", PLANTS: "reference"}).fillna("normal")
    seen = seen.assign(dataset=dataset, trust=trust, commercial_use=dataset.map({OUTLINES: "no"}).fillna("yes"))
    plants = seen[(seen["dataset"] == PLANTS) & (seen["level"] == "plant")]
    arrays = plants.assign(
        dataset=ARRAYS,
        geometry=[scale(shape, 0.2, 0.2) for shape in plants["geometry"]],
        level="array",
        trust="normal",
        **dict.fromkeys(["name", "capacity_mw", "installed_year"]),
    )
    return pd.concat([seen, arrays], ignore_index=True)


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
    seen.loc[moved, "geometry"] = [
        shapely.transform(shape, lambda places: places + 3e-4) for shape in seen.loc[moved, "geometry"]
    ]
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


@pytest.fixture(scope="module")
def third(second: ResolutionLake, changed: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> ResolutionLake:
    """The new vintage, resolved in part."""
    lake = second.copy(tmp_path_factory.mktemp("third") / "home")
    lake.observe(changed)
    lake.resolve()
    return lake


@pytest.fixture(scope="module")
def third_in_full(second: ResolutionLake, changed: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> ResolutionLake:
    """The new vintage over the same history, everything resolved."""
    lake = second.copy(tmp_path_factory.mktemp("third_in_full") / "home")
    lake.observe(changed)
    lake.resolve("--full-refresh")
    return lake


def is_in_part(lake: ResolutionLake) -> bool:
    """Whether the last resolution was one, and had something to do."""
    last = lake.last_resolution()
    ((all_observations,),) = lake.query("SELECT count(*) FROM prepared.prep_pv_footprints")
    return not last["everything"] and 0 < last["n_touched"] < all_observations


def test_the_world_has_what_a_resolution_meets(second: ResolutionLake) -> None:
    met = {name for (name,) in second.query("SELECT DISTINCT coalesce(refusal, 'accepted') FROM curated.pv_links")}
    assert {"accepted", "below_threshold", "one_per_source", "low_trust"} <= met
    ((parts, sites, unsupported),) = second.query(
        """
        SELECT count(part_of), count(*),
            (SELECT count(*) FROM prepared.prep_pv_memberships WHERE installation_key IS NULL)
        FROM prepared.prep_pv_installations
        """
    )
    assert parts > 5
    assert sites > 100
    assert unsupported > 0


def test_another_run_over_the_same_touches_nothing(first: ResolutionLake, tmp_path: Path) -> None:
    lake = first.copy(tmp_path / "home")
    lake.resolve()
    assert lake.last_resolution()["n_touched"] == 0
    assert difference(lake.rows(), first.rows()) == {}
    assert lake.memberships() == first.memberships()


def test_a_further_dataset_in_part_is_that_dataset_in_full(
    first: ResolutionLake, second: ResolutionLake, world: pd.DataFrame, tmp_path: Path
) -> None:
    in_full = first.copy(tmp_path / "home")
    in_full.observe(world)
    in_full.resolve("--full-refresh")
    assert is_in_part(second)
    assert in_full.last_resolution()["everything"]
    assert difference(second.rows(), in_full.rows()) == {}


def test_a_new_vintage_in_part_is_that_vintage_in_full(third: ResolutionLake, third_in_full: ResolutionLake) -> None:
    assert is_in_part(third)
    assert difference(third.rows(), third_in_full.rows()) == {}
    changes = {change for (change,) in third.query("SELECT DISTINCT change FROM curated.pv_installation_changes")}
    assert {"created", "merged", "split_off", "members_changed", "revised", "retired"} <= changes


def test_a_dataset_that_goes_and_comes_back_leaves_every_id_as_it_was(
    first: ResolutionLake, third: ResolutionLake, world: pd.DataFrame, tmp_path: Path
) -> None:
    bridge = "SELECT observation_id, installation_id FROM curated.pv_installation_observations"
    lake = third.copy(tmp_path / "home")
    lake.observe(world[world["dataset"] != REGISTER])
    lake.resolve()
    assert dict(lake.query(bridge)) == dict(first.query(bridge))


@pytest.mark.parametrize(
    "reached",
    [
        "prep_pv_touched prep_pv_footprints prep_pv_candidates",
        "tag:resolution,path:models/prepared",
        "+prep_pv_memberships,tag:resolution prep_pv_installations",
    ],
)
def test_a_resolution_that_broke_off_is_made_up_for(
    second: ResolutionLake, third_in_full: ResolutionLake, changed: pd.DataFrame, tmp_path: Path, reached: str
) -> None:
    lake = second.copy(tmp_path / "home")
    lake.observe(changed)
    lake.resolve(select=reached)
    lake.resolve(resumes=True)
    assert lake.last_resolution()["everything"]
    assert difference(lake.rows(), third_in_full.rows()) == {}


def test_other_weights_resolve_everything_again(second: ResolutionLake, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(REPOSITORY_ROOT / "eo-pv-elt", project / "eo-pv-elt", ignore=shutil.ignore_patterns("logs"))
    shutil.copy(REPOSITORY_ROOT / "profiles.yml", project)
    weights = project / "eo-pv-elt" / "seeds" / "match_weights.csv"
    text = weights.read_text(encoding="utf-8")
    assert "prior,prior,-0.8," in text
    weights.write_text(text.replace("prior,prior,-0.8,", "prior,prior,-3.8,"), encoding="utf-8")
    lake = second.copy(tmp_path / "home").with_project(project)
    lake.seed()
    lake.resolve()
    assert lake.last_resolution()["everything"]
    weight = "SELECT observation_id_a, observation_id_b, round(match_weight + {}, 9) FROM curated.pv_links ORDER BY ALL"
    assert lake.query(weight.format(3)) == second.query(weight.format(0))
    sites = "SELECT count(*) FROM prepared.prep_pv_installations"
    assert lake.query(sites) > second.query(sites)
