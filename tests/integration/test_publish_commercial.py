"""Exports for commercial use, against the lineage of every single site; what share-alike and citations ask."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyogrio
import pytest
from command_line import ran
from publish_lake import LICENCES, NOT_COMMERCIAL, UNKNOWN, PublishLake

from dataflows import lineage
from dataflows.publish.export import Exported, Request, export
from dataflows.publish.formats import ExportFormat
from db.errors import NotSeparableError
from db.settings import using

LINEAGES = 2


@pytest.fixture(scope="module")
def exported(publish_lake: PublishLake, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    file = tmp_path_factory.mktemp("commercial") / "sites.fgb"
    return export(Request("pv_installations", ExportFormat.FLATGEOBUF, file, commercial=True), publish_lake.settings)


def test_every_site_is_kept_or_left_out_by_its_lineage(publish_lake: PublishLake, exported: Exported) -> None:
    kept = set(pyogrio.read_dataframe(exported.file).installation_id)
    members = publish_lake.frame("FROM curated.pv_installation_observations")
    restricted = set(members[members.dataset.isin(LICENCES)].installation_id)
    everything = set(publish_lake.frame("SELECT installation_id FROM curated.pv_installations").installation_id)
    assert kept == everything - restricted
    assert 0 < len(kept) < len(everything)
    # The way that 'eopv lineage' goes, which knows nothing of exports; of the sites that most observations are behind
    sizes = members.groupby("installation_id").size().sort_index().sort_values(kind="stable", ascending=False)
    for ids, is_free in ((sizes[sizes.index.isin(kept)].index, True), (sizes[sizes.index.isin(restricted)].index, False)):
        for name in ids[:LINEAGES]:
            walked = lineage.of_installation(publish_lake.settings, name).observations
            assert walked
            assert all(row["dataset"] not in LICENCES for row in walked) is is_free


def test_the_proof_is_a_query_that_anybody_can_run(publish_lake: PublishLake, exported: Exported) -> None:
    kept = pyogrio.read_dataframe(exported.file)
    proof = json.loads((exported.file.parent / "sites.fgb.metadata.json").read_text(encoding="utf-8"))["proof"]
    assert {row["commercial_use"] for row in proof["sources"]} == {"yes"}
    again = publish_lake.frame(proof["query"])
    assert again.observations.tolist() == [row["observations"] for row in proof["sources"]]
    members = publish_lake.frame("FROM curated.pv_installation_observations")
    mine = members[members.installation_id.isin(kept.installation_id)]
    counted = {row["dataset"]: (row["observations"], row["rows"]) for row in proof["sources"]}
    expected = mine.groupby("dataset").agg(observations=("observation_id", "nunique"), rows=("installation_id", "nunique"))
    assert counted == {name: (row.observations, row.rows) for name, row in expected.iterrows()}
    out = members[~members.installation_id.isin(kept.installation_id) & members.dataset.isin(LICENCES)]
    assert {row["dataset"]: row["observations"] for row in proof["left_out"]} == out.groupby("dataset").size().to_dict()
    assert {(row["dataset"], row["licence"]) for row in proof["left_out"]} == {(key, LICENCES[key][0]) for key in LICENCES}
    assert proof["rows_left_out"] == exported.left_out == out.installation_id.nunique()


def test_a_part_does_not_name_a_restricted_whole(publish_lake: PublishLake, exported: Exported) -> None:
    kept = pyogrio.read_dataframe(exported.file)
    named = set(kept.part_of.dropna())
    assert named <= set(kept.installation_id)


@pytest.mark.parametrize("table", ["pv_observations", "pv_installation_observations", "pv_links", "dataset_summary"])
def test_other_tables_of_single_observations(publish_lake: PublishLake, tmp_path: Path, table: str) -> None:
    done = export(Request(table, ExportFormat.CSV, tmp_path / "x.csv", commercial=True), publish_lake.settings)
    found = pd.read_csv(done.file, low_memory=False)
    whole = publish_lake.frame(f"FROM curated.{table}")
    own = [name for name in ("dataset", "dataset_a", "dataset_b") if name in whole]
    free = ~whole[own].isin(list(LICENCES)).any(axis=1)
    if "installation_id" in whole:
        bad = whole[whole.dataset.isin(LICENCES)].installation_id
        free &= ~whole.installation_id.isin(bad)
    assert len(found) == free.sum() == done.rows
    assert not found[own].isin(list(LICENCES)).any(axis=None)
    assert done.left_out == len(whole) - len(found)


@pytest.mark.parametrize(
    "table", ["pv_hotspots", "pv_capacity_estimated", "pv_energy_yield", "pv_dataset_overlap", f"landing.{NOT_COMMERCIAL}"]
)
def test_what_cannot_be_taken_apart(publish_lake: PublishLake, tmp_path: Path, table: str) -> None:
    request = Request(table, ExportFormat.CSV, tmp_path / "x.csv", commercial=True)
    if table.startswith("landing."):
        assert export(request, publish_lake.settings).rows == 0
        return
    with pytest.raises(NotSeparableError, match="pv_installations"):
        export(request, publish_lake.settings)
    assert list(tmp_path.iterdir()) == []


def test_what_stands_beside_every_export(publish_lake: PublishLake, tmp_path: Path) -> None:
    with using(publish_lake.settings):
        done = ran("export", "pv_installations", "-f", "gpkg", "-o", tmp_path / "x.gpkg", "--where", "capacity_mw > 1")
    assert done.code == 0
    assert "ODbL-1.0 is share-alike" in done.err
    content = json.loads((tmp_path / "x.gpkg.metadata.json").read_text(encoding="utf-8"))
    columns = {column["name"]: column for column in content["columns"]}
    assert columns["capacity_mw"]["unit"] == "MW"
    assert columns["area_m2"]["unit"] == "m²"
    assert all(column["description"] for column in columns.values())
    ids = pyogrio.read_dataframe(tmp_path / "x.gpkg").installation_id
    assert content["rows"] == len(ids)
    members = publish_lake.frame("FROM curated.pv_installation_observations")
    mine = members[members.installation_id.isin(ids)].groupby("dataset").observation_id.nunique()
    assert {row["dataset"]: row["observations"] for row in content["datasets"]} == mine.to_dict()
    versions = publish_lake.frame("FROM landing.dataset_versions").set_index("dataset")
    text = (tmp_path / "x.gpkg.CITATION.txt").read_text(encoding="utf-8")
    for row in content["datasets"]:
        assert (row["licence"], row["citation"]) == tuple(versions.loc[row["dataset"], ["licence", "citation"]])
        assert row["citation"] in text
    assert UNKNOWN in text
    (snapshot,) = publish_lake.frame("SELECT max(snapshot_id) AS id FROM lake.snapshots()").id
    assert content["snapshot"]["id"] == snapshot
