"""``eopv cube`` and ``eopv lineage`` on the sample's lake: built in two steps: two versions to walk between."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from command_line import Ran, ran
from PIL import Image
from scene_lake import SceneLake

from dataflows import lineage
from dataflows.cubes.repository.storage import CubeName
from db.settings import using

pytestmark = pytest.mark.xdist_group("scenes")

GROUPS = ["helia-s2-l2a/epsg-32627", "helia-s2-l2a/epsg-32628"]
BROKEN = "HELIA_T27_20251026"


Run = Callable[..., Ran]


@dataclass(frozen=True)
class CubeLake:
    """The lake, and what its two builds said."""

    lake: SceneLake
    scenes_built_by: str
    first: Ran
    second: Ran


@pytest.fixture(scope="module")
def cubes(scene_lake: SceneLake) -> CubeLake:
    """Cubes of spring, then of the whole year."""
    results = json.loads((scene_lake.settings.home / "dbt" / "target" / "run_results.json").read_text())
    with using(scene_lake.settings):
        first = ran("cube", "build", "--to", "2025-04", "--json")
        second = ran("cube", "build", "--verify", "always", "--json")
    return CubeLake(scene_lake, results["metadata"]["invocation_id"], first, second)


@pytest.fixture
def run(cubes: CubeLake) -> Iterator[Run]:
    with using(cubes.lake.settings):
        yield ran


@pytest.fixture
def versions(run: Run) -> list[dict[str, Any]]:
    return run("cube", "versions", "chips", "--json").json


@pytest.fixture
def site(cubes: CubeLake) -> str:
    """The installation with most scenes in one zone."""
    query = "SELECT installation_id FROM curated.pv_scenes GROUP BY installation_id, epsg ORDER BY count(*) DESC, ALL LIMIT 1"
    return cubes.lake.frame(query.replace(", ALL", ", installation_id"))["installation_id"][0]


def test_a_build_says_what_was_made_of_what_and_what_could_not_be_used(cubes: CubeLake):
    assert (cubes.first.code, cubes.second.code) == (0, 3)
    first, second = cubes.first.json, cubes.second.json
    assert first["virtual"]["refusals"] == []
    assert [(refusal[1], refusal[2]) for refusal in second["virtual"]["refusals"]] == [(BROKEN, "swir16")]
    assert [group["path"] for group in second["chips"]["groups"]] == GROUPS
    assert {failure[1] for group in second["chips"]["groups"] for failure in group["failures"]} == {BROKEN}
    chosen = cubes.lake.frame("SELECT installation_id, item_id, period FROM curated.pv_scenes")
    spring = chosen["period"].astype(str) <= "2025-04-01"
    written = [sum(group["written"] for group in build["chips"]["groups"]) for build in (first, second)]
    assert written[0] == spring.sum()
    # The broken file is not what its item promises: none of it is used, not even the tiles that are whole
    lost = sum(group["missing"] for group in second["chips"]["groups"])
    assert 0 < lost == (chosen["item_id"] == BROKEN).sum()
    assert {"sha256" in failure[4] for group in second["chips"]["groups"] for failure in group["failures"]} == {True}
    assert sum(written) == len(chosen) - lost


def test_series_are_refined_up_to_the_newest_version(cubes: CubeLake):
    newest = cubes.second.json["chips"]["snapshot_id"]
    found = cubes.lake.frame("SELECT DISTINCT icechunk_snapshot AS snapshot FROM curated.pv_timeseries")
    assert found["snapshot"].tolist() == [newest]
    assert cubes.second.json["series"]["icechunk_snapshot"] == newest


def test_a_build_without_news_makes_no_commit(run: Run, versions: list[dict[str, Any]]):
    for verb in ("build", "append"):
        again = run("cube", verb)
        assert "nothing new" in again.out
        assert BROKEN in again.err
    assert run("cube", "versions", "chips", "--json").json == versions


def test_what_was_not_chosen_cannot_be_built(run: Run):
    for options in (["--collection", "other"], ["--from", "2030-01"]):
        failed = run("cube", "build", *options)
        assert failed.code == 1
        assert failed.err.startswith("cube: curated.pv_scenes has no scene")
    assert run("cube", "build", "--size", "64").err.startswith("cube: helia")
    assert run("cube", "build", "--only", "everything").code == 2


def test_groups_are_listed_and_opened(run: Run, versions: list[dict[str, Any]]):
    rows = run("cube", "info", "--json").json
    assert {row["cube"] for row in rows} == {"virtual", "chips"}
    chips = [row for row in rows if row["cube"] == "chips"]
    assert [row["group"] for row in chips] == GROUPS
    assert {(row["first"], row["last"]) for row in chips} == {("2025-02-01", "2025-10-01")}
    spring = run("cube", "info", "chips", "--as-of", versions[1]["snapshot_id"], "--json").json
    assert {(row["first"], row["last"]) for row in spring} == {("2025-02-01", "2025-04-01")}
    shown = run("cube", "open", "chips", GROUPS[0])
    assert "uint16" in shown.out
    assert f"open_chips('{GROUPS[0]}')" in shown.out
    assert "open_virtual(" in run("cube", "open").out
    assert run("cube", "open", "chips", "nonsense").err.startswith("cube_not_found")
    assert run("cube", "open", "regions").err.startswith("cube_not_found")
    assert run("cube", "info", "chips", "--as-of", "nonsense").err.startswith("snapshot_not_found")


def test_what_reading_costs_is_told(run: Run):
    report = run("cube", "chunks", "chips", GROUPS[0], "--at", "chip=0", "--json").json
    assert report["group"] == GROUPS[0]
    assert {cost["pattern"] for cost in report["costs"]} == {"pixel series", "one date", "one region"}
    assert "pixels" in run("cube", "chunks", "chips", GROUPS[0]).out
    assert run("cube", "chunks", "chips", GROUPS[0], "--at", "chip").err.startswith("settings")


def test_versions_are_named_and_compared(run: Run, versions: list[dict[str, Any]], cubes: CubeLake):
    newest, spring, _ = (version["snapshot_id"] for version in versions)
    assert newest == cubes.second.json["chips"]["snapshot_id"]
    assert versions[2]["metadata"] is None
    assert run("cube", "tag", "chips", "spring", "--as-of", spring).out.strip() == spring
    assert "spring" in run("cube", "versions", "chips").out
    found = run("cube", "diff", "chips", "spring", "--json").json
    assert (found["before"], found["after"]) == (spring, newest)
    chosen = cubes.lake.frame("SELECT installation_id, period, item_id FROM curated.pv_scenes WHERE period > '2025-04-01'")
    expected = {(row.installation_id, str(row.period)[:10], row.item_id) for row in chosen.itertuples()}
    changed = {(change["installation_id"], change["period"], change["after"]) for change in found["scenes"] if change["period"]}
    assert changed <= expected
    assert {item for _, _, item in expected - changed} == {BROKEN}
    assert "added" in run("cube", "diff", "chips", "spring").out
    assert "no difference" in run("cube", "diff", "chips", newest).out
    assert "group new" in run("cube", "diff", "virtual", versions_of(run, "virtual")[-1]).out


def versions_of(run: Run, cube: str) -> list[str]:
    return [version["snapshot_id"] for version in run("cube", "versions", cube, "--json").json]


def test_garbage_is_only_told_unless_asked(run: Run, versions: list[dict[str, Any]]):
    told = run("cube", "gc", "chips", "--older-than", "0", "--build-tags", "--json").json
    assert not told["applied"]
    assert "Nothing was done" in run("cube", "gc", "virtual").out
    assert [version["snapshot_id"] for version in run("cube", "versions", "chips", "--json").json] == [
        version["snapshot_id"] for version in versions
    ]


def test_a_preview_is_drawn(run: Run, site: str, tmp_path: Path):
    file = tmp_path / "strip.png"
    drawn = run("cube", "preview", site, "-o", file)
    assert drawn.code == 0
    assert Image.open(file).size[0] > 300
    assert run("cube", "preview", "pv-", "-o", file).err.startswith("cube_not_found")


def test_an_installation_leads_to_publications_files_and_rows(run: Run, cubes: CubeLake, site: str):
    found = run("lineage", site, "--json").json
    assert found["installation_id"] == site
    folder = cubes.lake.mirror
    truth = pd.read_parquet(folder / "truth" / "observations.parquet").set_index(["dataset", "source_file", "source_row"])
    manifest = yaml.safe_load((folder / "doi_manifest.yml").read_text())["datasets"]
    members = cubes.lake.frame(f"FROM curated.pv_installation_observations WHERE installation_id = '{site}'")
    assert {row["observation_id"] for row in found["observations"]} == set(members["observation_id"])
    for row in found["observations"]:
        published = truth.loc[(row["dataset"], row["source_file"], row["source_row"])]
        if pd.notna(published["source_feature_id"]):
            assert str(published["source_feature_id"]) == row["source_feature_id"]
        assert row["url"] == manifest[row["dataset"]]["url"]
        assert row["landed_in"] is not None
        file = folder / row["dataset"] / row["source_file"]
        if file.is_file():
            assert hashlib.sha256(file.read_bytes()).hexdigest() == row["source_sha256"]
    assert run("lineage", site).out.count(site) == 1


def test_an_installations_chips_lead_to_commits_and_scenes(
    run: Run, cubes: CubeLake, versions: list[dict[str, Any]], site: str
):
    found = run("lineage", site, "--json").json
    newest, spring = (version["snapshot_id"] for version in versions[:2])
    chosen = cubes.lake.frame(f"SELECT period, item_id, version FROM curated.pv_scenes WHERE installation_id = '{site}'")
    chosen = chosen[chosen["item_id"] != BROKEN]
    assert {(scene["period"], scene["item_id"], scene["version"]) for scene in found["scenes"]} == {
        (str(row.period)[:10], row.item_id, row.version) for row in chosen.itertuples()
    }
    documents = {document["id"]: document for document in cubes.lake.documents()}
    for scene in found["scenes"]:
        assert scene["commit"] == (spring if scene["period"] <= "2025-04-01" else newest)
        assert scene["dbt_invocation_id"] == cubes.scenes_built_by
        published = documents[scene["item_id"]]["assets"]
        assert {asset["asset_key"]: asset["checksum"] for asset in scene["assets"]} == {
            key: asset["file:checksum"] for key, asset in published.items() if key != "thumbnail"
        }
    before = run("lineage", site, "--as-of", spring, "--json").json
    assert {scene["period"] for scene in before["scenes"]} == {"2025-02-01", "2025-04-01"}


def test_a_commit_leads_back_to_the_lake_dbt_items_installations_and_publications(
    cubes: CubeLake, versions: list[dict[str, Any]]
):
    newest, spring = (version["snapshot_id"] for version in versions[:2])
    found = lineage.of_commit(cubes.lake.settings, spring)
    assert found.cube is CubeName.CHIPS
    assert found.lake_is_there
    assert found.lake_snapshot["snapshot"] == found.version.metadata.ducklake_snapshot_id
    assert {row["message"] for row in found.dbt_tables} >= {"build curated.pv_scenes", "build staging.stg_stac_items"}
    chosen = cubes.lake.frame("SELECT installation_id, item_id, version FROM curated.pv_scenes WHERE period <= '2025-04-01'")
    assert {(row["item_id"], row["version"]) for row in found.items} == set(
        zip(chosen["item_id"], chosen["version"], strict=True)
    )
    assert {row["catalog"] for row in found.items} == {"helia"}
    assert set(found.installations) == set(chosen["installation_id"])
    members = cubes.lake.frame("SELECT installation_id, dataset FROM curated.pv_installation_observations")
    members = members[members["installation_id"].isin(found.installations)]
    assert {row["dataset"]: (row["installations"], row["observations"]) for row in found.publications} == {
        dataset: (group["installation_id"].nunique(), len(group)) for dataset, group in members.groupby("dataset")
    }
    virtual = lineage.of_commit(cubes.lake.settings, cubes.first.json["virtual"]["tag"])
    assert virtual.cube is CubeName.VIRTUAL
    assert set(virtual.installations) >= set(found.installations)
    assert lineage.of_commit(cubes.lake.settings, newest).installations != ()


def test_lineage_says_where_it_cannot_begin(run: Run, versions: list[dict[str, Any]], site: str):
    assert "publications" in run("lineage", "--commit", versions[0]["snapshot_id"]).out
    mistakes = {
        "settings": ([], [site, "--commit", versions[0]["snapshot_id"]]),
        "lake_not_found": (["pv-"], ["nothing"]),
        "snapshot_not_found": (["--commit", "nothing"], ["--commit", versions[0]["snapshot_id"], "--cube", "virtual"]),
        "cube_not_found": (["--commit", versions[0]["snapshot_id"], "--cube", "regions"],),
    }
    for kind, lines in mistakes.items():
        for line in lines:
            failed = run("lineage", *line)
            assert (failed.code, failed.err.partition(":")[0]) == (1, kind)
