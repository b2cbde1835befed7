"""Marts for commercial use: against sums in pandas over the sites that lineage permits, and in a lake of six sites by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import h3
import numpy as np
import pandas as pd
import pytest
from command_line import ran
from publish_lake import LICENCES, PublishLake

from dataflows.elt import CompiledModel
from dataflows.publish import aggregates
from dataflows.publish.export import Exported, Request, export
from dataflows.publish.formats import ExportFormat
from dataflows.raw import context_landing
from db import connect
from db.errors import NotSeparableError
from db.settings import Settings, using

Export = Callable[[str], Exported]


@pytest.fixture(scope="module")
def exported(publish_lake: PublishLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Export]:
    """Exports each mart; dbt compiles the models once, as it would for each command."""
    folder, compiled = tmp_path_factory.mktemp("marts"), aggregates._compiled
    models: list[list[CompiledModel]] = []

    def once(lake: Settings, target: Path) -> list[CompiledModel]:
        if not models:
            models.append(compiled(lake, target))
        return models[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aggregates, "_compiled", once)
        yield lambda table: export(
            Request(table, ExportFormat.CSV, folder / f"{table}.csv", commercial=True), publish_lake.settings
        )


@pytest.fixture(scope="module")
def sites(publish_lake: PublishLake) -> pd.DataFrame:
    """The installations all of whose observations are of free datasets; ``alone`` where no free one is around them."""
    members = publish_lake.frame("FROM curated.pv_installation_observations")
    restricted = set(members[members.dataset.isin(LICENCES)].installation_id)
    every = publish_lake.frame("SELECT * EXCLUDE (geometry) FROM curated.pv_installations")
    free = every[~every.installation_id.isin(restricted)]
    assert 0 < len(free) < len(every)
    return free.assign(alone=~free.part_of.isin(set(free.installation_id)))


def added_up(sites: pd.DataFrame, key: object) -> pd.DataFrame:
    grouped = sites[sites.alone].groupby(key)
    return grouped.agg(n=("installation_id", "size"), capacity_mw=("capacity_mw", "sum"), area_m2=("area_m2", "sum"))


def test_cells_hold_permitted_sites_only(publish_lake: PublishLake, exported: Export, sites: pd.DataFrame) -> None:
    done = exported("pv_h3")
    found = pd.read_csv(done.file)
    assert done.rows == len(found)
    for resolution in (3, 5, 8):
        cells = [h3.cell_to_parent(h3.int_to_str(int(cell)), resolution) for cell in sites.h3_r8]
        expected = added_up(sites, np.array(cells)[sites.alone])
        got = found[(found.resolution == resolution) & (found.n_installations > 0)].set_index("cell")
        assert got.n_installations.to_dict() == expected.n.to_dict()
        for column in ("capacity_mw", "area_m2"):
            assert got[column].to_dict() == pytest.approx(expected[column].to_dict())
    assert found[found.resolution == 3].n_parts.sum() == (~sites.alone).sum()
    proof = done.metadata["proof"]
    assert proof["sites"] == len(sites)
    assert {row["commercial_use"] for row in proof["sources"]} == {"yes"}
    assert {row["dataset"] for row in proof["left_out"]} == set(LICENCES)
    assert publish_lake.frame(proof["query"]).dataset.tolist() == [row["dataset"] for row in proof["sources"]]
    assert {row["dataset"] for row in done.metadata["datasets"]} == {row["dataset"] for row in proof["sources"]}
    assert "overture_building" in {row["context"] for row in done.metadata["context"]}


def test_a_restricted_site_disappears_and_its_cell_counts_less(
    publish_lake: PublishLake, exported: Export, sites: pd.DataFrame
) -> None:
    counts = publish_lake.frame(
        "SELECT h3_h3_to_string(cell) AS cell, n_installations FROM curated.pv_h3 WHERE resolution = 8"
    ).set_index("cell")
    found = pd.read_csv(exported("pv_h3").file).set_index("cell")
    gone = publish_lake.frame(
        f"""
        SELECT h3_h3_to_string(h3_r8) AS cell, count(*) AS n FROM curated.pv_installations
        WHERE part_of IS NULL AND h3_r8 IS NOT NULL
        GROUP BY h3_r8 HAVING bool_and(installation_id IN (
            SELECT installation_id FROM curated.pv_installation_observations WHERE dataset IN {tuple(LICENCES)}
        ))
        """
    )
    assert len(gone) > 5
    assert counts.n_installations[gone.cell].tolist() == gone.n.tolist()
    # Nothing is left of such a cell, unless a free part of a restricted plant stands there, which is a site of its own now
    parts = {h3.int_to_str(int(cell)) for cell in sites[sites.alone & sites.part_of.notna()].h3_r8}
    assert not set(gone.cell) - parts & set(found[found.n_installations > 0].index)


def test_areas_count_permitted_sites_only(publish_lake: PublishLake, exported: Export, sites: pd.DataFrame) -> None:
    found = pd.read_csv(exported("pv_by_admin").file, keep_default_na=False, na_values={"year": ""}).query("years == 'all'")
    keys = sites.assign(
        country=sites.country_code.fillna(sites.country_id).fillna("unknown"),
        region=sites.region_code.fillna(sites.region_id).fillna("unknown"),
        county=sites.county_id.fillna("unknown"),
    )
    for level, columns in {
        "country": ["country"],
        "region": ["country", "region"],
        "county": ["country", "region", "county"],
    }.items():
        expected = added_up(keys.assign(key=keys[columns].agg("/".join, axis=1)), "key")
        got = found[found.level == level].set_index("area_key")
        assert got.n_installations.to_dict() == expected.n.to_dict()
        assert got.capacity_mw.astype(float).to_dict() == pytest.approx(expected.capacity_mw.to_dict())
    whole = publish_lake.frame("SELECT area_key, n_installations FROM curated.pv_by_admin WHERE years = 'all'").set_index(
        "area_key"
    )
    fewer = whole.n_installations - found.set_index("area_key").n_installations
    assert fewer["world"] > 0


def test_growth_is_that_of_permitted_sites(exported: Export, sites: pd.DataFrame) -> None:
    done = exported("pv_growth")
    assert done.metadata["proof"]["models"] == ["curated.pv_by_admin", "curated.pv_growth"]
    found = pd.read_csv(done.file).query("level == 'world'").set_index("year")
    dated = sites[sites.alone & sites.installed_year.notna()]
    expected = dated.groupby("installed_year").size()
    assert found.n_installations_added[found.n_installations_added > 0].to_dict() == expected.to_dict()
    assert found.n_installations_cumulative.iloc[-1] == len(dated)
    assert found.n_installations_undated.iloc[0] == sites.alone.sum() - len(dated)


def test_the_command_says_how_many_installations_were_left_out(
    publish_lake: PublishLake, exported: Export, tmp_path: Path, sites: pd.DataFrame
) -> None:
    arguments = ("--licence", "commercial", "-f", "csv", "-o", tmp_path / "x.csv")
    with using(publish_lake.settings):
        done = ran("export", "curated.pv_by_admin", "--where", "level = 'world' AND years = 'all'", *arguments)
    assert done.code == 0
    (everything,) = publish_lake.frame("SELECT count(*) AS n FROM curated.pv_installations").n
    assert f"{everything - len(sites):,} installations were left out" in done.err
    assert pd.read_csv(tmp_path / "x.csv").n_installations.tolist() == [sites.alone.sum()]


# id, what it is part of, dataset: a free part of a free plant through a restricted one, of a restricted one, of none
SITES = [
    ("plant", None, "free"),
    ("phase", "plant", "restricted"),
    ("array", "phase", "free"),
    ("other", None, "restricted"),
    ("lone", "other", "free"),
    ("single", None, "free"),
]


@pytest.fixture
def small(tmp_path: Path) -> Settings:
    """A lake of these sites, with buildings as its only context."""
    settings = Settings(home=tmp_path / "home", _env_file=None)
    # As after a build of a project that describes nothing; without, dbt would look for each table
    manifest = settings.home / "dbt" / "target" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"nodes": {}, "sources": {}}), encoding="utf-8")
    with connect(lake=settings) as con:
        for table, columns in {
            "pv_installations": "installation_id VARCHAR, part_of VARCHAR, mount VARCHAR, building_share REAL, mw REAL",
            "pv_installation_observations": "installation_id VARCHAR, observation_id VARCHAR, dataset VARCHAR",
            "pv_observations": "observation_id VARCHAR, dataset VARCHAR, licence VARCHAR, commercial_use VARCHAR",
        }.items():
            con.execute(f"CREATE TABLE lake.curated.{table} ({columns})")
        for name, whole, dataset in SITES:
            con.execute("INSERT INTO lake.curated.pv_installations VALUES (?, ?, 'rooftop', 0.5, 1)", [name, whole])
            con.execute("INSERT INTO lake.curated.pv_installation_observations VALUES (?, ?, ?)", [name, f"o-{name}", dataset])
            con.execute(
                "INSERT INTO lake.curated.pv_observations VALUES (?, ?, 'x', ?)",
                [f"o-{name}", dataset, "yes" if dataset == "free" else "no"],
            )
        context_landing.VERSIONS.ensure(con)
        con.execute(
            "INSERT INTO lake.landing.context_versions (context, title, url, citation, licence, commercial_use, ingested_at)"
            " VALUES ('overture_building', 'Buildings', 'x', 'x', 'x', 'no', '2026-01-01')"
        )
    return settings


def model(sql: str) -> aggregates.Recipe:
    relation = '"lake"."curated"."pv_installations"'
    step = CompiledModel(
        "model.x.sums", "curated", "pv_installations", '"lake"."curated"."sums"', sql.format(sites=relation), ()
    )
    return aggregates.Recipe((step,))


def read(con: duckdb.DuckDBPyConnection, made: aggregates.Recomputed) -> list[tuple[object, ...]]:
    return con.execute(f"FROM {made.mart.sql}").fetchall()


def test_parts_of_restricted_plants_count_once(small: Settings) -> None:
    with connect(read_only=True, lake=small) as con:
        con.execute("BEGIN")
        made = aggregates.recomputed(con, model("SELECT installation_id, part_of FROM {sites} ORDER BY ALL"))
        assert read(con, made) == [("array", "plant"), ("lone", None), ("plant", None), ("single", None)]
        assert aggregates.proof(con, made)["left_out"] == [
            {"dataset": "restricted", "licence": "x", "commercial_use": "no", "observations": 2, "rows": 2}
        ]


def test_columns_of_restricted_context_are_left_out(small: Settings, tmp_path: Path) -> None:
    done = export(Request("pv_installations", ExportFormat.CSV, tmp_path / "x.csv", commercial=True), small)
    assert list(pd.read_csv(done.file)) == ["installation_id", "part_of", "mw"]
    assert [column["name"] for column in done.metadata["columns"]] == ["installation_id", "part_of", "mw"]
    assert done.metadata["proof"]["columns_left_out"] == ["building_share", "mount"]
    whole = export(Request("pv_installations", ExportFormat.CSV, tmp_path / "x.csv"), small)
    assert "mount" in pd.read_csv(whole.file)


def test_no_sums_are_made_with_what_restricted_context_says(small: Settings) -> None:
    with connect(read_only=True, lake=small) as con:
        con.execute("BEGIN")
        with pytest.raises(NotSeparableError, match=r"overture_building.*mount"):
            aggregates.recomputed(con, model("SELECT count(*) FILTER (mount = 'rooftop') FROM {sites}"))


def test_a_model_that_reads_more_is_refused(small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    marts = [
        CompiledModel(f"model.x.{name}", "curated", name, name, "", ("model.eo_pv_elt.pv_observations",))
        for name in ("pv_h3", "pv_by_admin", "pv_growth")
    ]
    monkeypatch.setattr(aggregates, "_compiled", lambda lake, folder: marts)
    with pytest.raises(NotSeparableError, match="pv_observations"):
        aggregates.recipe("pv_h3", small)
    assert aggregates.recipe("pv_installations", small) is None
