"""Context of every kind from a mirror: what lands, what is unchanged, and what a failure leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import ran

from dataflows.raw.context_ingest import ContextOptions, ingest_contexts
from dataflows.raw.ingest import Options
from dataflows.raw.ingest_run import ingest
from dataflows.sample import SampleWorld
from db import connect
from db.settings import Settings, using
from ingest.context_manifest import Context, load_context_manifest
from ingest.manifest import load_manifest

pytestmark = pytest.mark.xdist_group("context")

KEYS = [
    "overture_division_area",
    "overture_building",
    "overture_infrastructure",
    "overture_land_use",
    "overture_land_cover",
    "global_solar_atlas",
    "nsrdb",
    "pvgis_tmy",
]


@pytest.fixture(scope="module")
def lake(sample_world: SampleWorld, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake with PV of the sample world, and its context."""
    settings = Settings(home=tmp_path_factory.mktemp("context") / "home", _env_file=None)
    datasets = [load_manifest(sample_world.manifest)[key] for key in ("usa_uspvdb_v3_2025", "deu_ufz_open_field_pv_2015")]
    mirror = str(sample_world.folder)
    pv = ingest(datasets, Options(settings, mirror=mirror, offline=True, export=False))
    assert {outcome.status for outcome in pv} == {"landed"}, pv
    outcomes = ingest_contexts(entries(sample_world), ContextOptions(settings, mirror=mirror, offline=True))
    assert {outcome.context: outcome.status for outcome in outcomes} == dict.fromkeys(KEYS, "landed"), outcomes
    return settings


def entries(world: SampleWorld) -> list[Context]:
    return load_context_manifest(world.folder / "context_manifest.yml").available()


def unchecked(context: Context) -> Context:
    """The entry without checksums, so that damage is found by the reader."""
    facts = context.model_dump()
    for distribution in facts["source"]["distributions"]:
        distribution["checksums"] = {}
    return Context.model_validate(facts)


def asked(settings: Settings, query: str) -> list[tuple[object, ...]]:
    with connect(read_only=True, lake=settings) as con:
        return con.execute(query).fetchall()


@pytest.mark.parametrize("key", KEYS)
def test_every_row_is_typed_and_says_where_it_came_from(lake: Settings, key: str) -> None:
    columns = {name: kind for name, kind, *_ in asked(lake, f"DESCRIBE lake.landing.{key}")}
    assert columns["geometry"] == "GEOMETRY"
    (nulls,) = asked(
        lake,
        f"""
        SELECT count(*), count(geometry), count(source_file), count(source_sha256), count(source_row), count(ingested_at),
            count(ingest_run_id), count(*) - count(*) FILTER (len(source_sha256) = 64) + count(*)
        FROM lake.landing.{key}
        """,
    )
    assert len(set(nulls)) == 1
    assert nulls[0] > 0


def test_versions_say_what_it_is(lake: Settings) -> None:
    columns = "context, kind, licence, rows_landed, length(content_digest), length(fingerprint)"
    found = asked(lake, f"SELECT {columns} FROM lake.landing.context_versions")
    assert [row[0] for row in found] == KEYS
    assert {row[1] for row in found} == {"overture", "raster", "nsrdb", "pvgis_tmy"}
    assert all(row[2] and row[3] > 0 and row[4:] == (64, 64) for row in found)


def test_each_landing_is_one_commit_that_names_it(lake: Settings) -> None:
    found = asked(
        lake, "SELECT commit_extra_info FROM lake.snapshots() WHERE commit_message LIKE 'land %' ORDER BY snapshot_id"
    )
    extra = [json.loads(text) for (text,) in found]
    assert [facts["context"] for facts in extra if "context" in facts] == KEYS


def test_the_steps_are_recorded(lake: Settings) -> None:
    query = (
        "SELECT dataset, list(step ORDER BY started_at), list(DISTINCT status) FROM lake.landing.ingest_outcomes GROUP BY ALL"
    )
    steps = {dataset: (names, status) for dataset, names, status in asked(lake, query)}
    assert steps["overture_building"] == (["areas", "fetch", "land"], ["ok"])
    assert set(steps["global_solar_atlas"][0]) == {"fetch", "unpack", "areas", "read", "land"}


def test_the_same_again_writes_nothing(lake: Settings, sample_world: SampleWorld) -> None:
    (before,) = asked(lake, "SELECT max(snapshot_id) FROM lake.snapshots()")
    outcomes = ingest_contexts(entries(sample_world), ContextOptions(lake, mirror=str(sample_world.folder), offline=True))
    assert {outcome.context: outcome.status for outcome in outcomes} == dict.fromkeys(KEYS, "unchanged")
    assert asked(lake, "SELECT max(snapshot_id) FROM lake.snapshots()") == [before]


def test_a_failure_loses_neither_the_others_nor_the_last_landing(
    lake: Settings, sample_world: SampleWorld, tmp_path: Path
) -> None:
    broken = tmp_path / "mirror"
    for folder in ("solar_resource", "climate", "pvgis"):
        (broken / folder).mkdir(parents=True)
        for file in (sample_world.folder / folder).iterdir():
            (broken / folder / file.name).write_bytes(file.read_bytes())
    raster = next((broken / "solar_resource").glob("*GHI*.tif"))
    raster.write_bytes(raster.read_bytes()[:2000])
    held = asked(lake, "SELECT count(*) FROM lake.landing.global_solar_atlas")
    chosen = [context for context in entries(sample_world) if context.key in ("global_solar_atlas", "nsrdb", "pvgis_tmy")]
    chosen[0] = unchecked(chosen[0])
    outcomes = ingest_contexts(chosen, ContextOptions(lake, mirror=str(broken), offline=True, refresh=True))
    assert [(outcome.context, outcome.status) for outcome in outcomes] == [
        ("global_solar_atlas", "failed"),
        ("nsrdb", "unchanged"),
        ("pvgis_tmy", "unchanged"),
    ]
    assert outcomes[0].error_kind == "read"
    assert raster.name in outcomes[0].error
    assert asked(lake, "SELECT count(*) FROM lake.landing.global_solar_atlas") == held
    (recorded,) = asked(lake, "SELECT step, error_kind FROM lake.landing.ingest_outcomes WHERE status = 'failed'")
    assert recorded == ("read", "read")


def test_without_pv_there_is_nothing_to_look_around(home: Settings, sample_world: SampleWorld) -> None:
    outcomes = ingest_contexts(entries(sample_world), ContextOptions(home, mirror=str(sample_world.folder), offline=True))
    by_key = {outcome.context: outcome for outcome in outcomes}
    assert by_key["overture_building"].error_kind == "lake_not_found"
    assert by_key["pvgis_tmy"].status == "landed"


def test_the_command_line(lake: Settings, sample_world: SampleWorld) -> None:
    manifest, mirror = sample_world.folder / "context_manifest.yml", sample_world.folder
    with using(lake):
        listed = ran("context", "list", "--manifest", manifest, "--json")
        assert [context["key"] for context in listed.json] == KEYS
        every = ran("context", "ingest", "--all", "--manifest", manifest, "--mirror", mirror, "--json")
        assert every.code == 0
        assert {outcome["status"] for outcome in every.json} == {"unchanged"}
        shown = ran("context", "ingest", "nsrdb", "--manifest", manifest, "--mirror", mirror, "--offline")
        assert "unchanged" in shown.out
        pinned = ran(
            *("context", "ingest", "overture_building", "nsrdb", "--release", "2020-01-01.0"),
            *("--manifest", manifest, "--mirror", mirror, "--offline"),
        )
        assert (pinned.code, "absent" in pinned.out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ingest"], "settings: Say which context to ingest."),
        (["ingest", "nonsense"], "context_not_found: "),
        (["ingest", "overture_building", "--release", "yesterday"], "settings: release"),
        (["list", "--manifest", "nowhere.yml"], "manifest: No manifest at nowhere.yml."),
    ],
)
def test_mistakes_are_one_readable_line(home: Settings, arguments: list[str], said: str) -> None:
    result = ran("context", *arguments)
    assert result.code == 1
    assert result.err.startswith(said)
