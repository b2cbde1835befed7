"""``eopv stac``: exit codes, clean standard output, one-line errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from stac_world import catalog, stac_item, write_ndjson

from db import Settings, connect
from db.settings import using
from eopv.cli import main
from ingest.stac_manifest import StacManifest


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class World(NamedTuple):
    settings: Settings
    mirror: Path
    manifest: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A mirror with a good catalog, a broken one and none of a third; a lake with one installation and the good catalog."""
    folder = tmp_path_factory.mktemp("stac")
    mirror = folder / "mirror"
    write_ndjson(mirror / "stac" / "good.ndjson", [*(stac_item(number) for number in range(6)), stac_item(7, collection=None)])
    (mirror / "stac").joinpath("broken.json").write_text("{")
    entries = {
        "good": catalog(files={"include": ["good.ndjson"]}),
        "around": catalog(files={"include": ["good.ndjson"]}, search={"within": "installations"}),
        "broken": catalog(files={"include": ["broken.json"]}),
        "elsewhere": catalog("api", url="https://example.org/v1", search={"within": "installations"}),
        "vectors": catalog("static", url="https://example.org/c.json", status="planned", reason="It is no imagery."),
    }
    manifest = folder / "stac.yml"
    document = StacManifest(catalogs=entries).model_dump(mode="json", exclude_defaults=True)
    for entry in document["catalogs"].values():
        del entry["key"]
    manifest.write_text(yaml.safe_dump(document))
    settings = Settings(home=folder / "home", _env_file=None)
    with connect(lake=settings) as con:
        con.execute(
            """
            CREATE TABLE lake.curated.pv_installations AS
            SELECT 'i-123' AS installation_id, ST_Point(12.5, 50.5) AS geometry,
                12.5 AS centroid_lon_deg, 50.5 AS centroid_lat_deg
            """
        )
    return World(settings, mirror, manifest)


@pytest.fixture
def run(world: World, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ran]]:
    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        known = () if arguments[0] == "items" else ("--manifest", str(world.manifest))
        held = ("--mirror", str(world.mirror)) if arguments[0] in ("search", "ingest") else ()
        with pytest.raises(SystemExit) as ended:
            main(["stac", *arguments, *known, *held])
        return Ran(int(ended.value.code or 0), *capsys.readouterr())

    with using(world.settings):
        yield run


def test_ingest_statuses_and_exit_codes(run: Any) -> None:
    expected = [
        (["good", "--offline"], 0, {"good": "landed"}),
        (["--all"], 3, {"good": "unchanged", "around": "landed", "broken": "failed", "elsewhere": "absent"}),
        (["good", "elsewhere", "--offline"], 0, {"good": "unchanged", "elsewhere": "absent"}),
        (["elsewhere", "--offline"], 1, {"elsewhere": "absent"}),
        (["broken", "vectors"], 1, {"broken": "failed", "vectors": "failed"}),
    ]
    for arguments, code, statuses in expected:
        ran = run("ingest", *arguments, "--json")
        outcomes = {outcome["catalog"]: outcome for outcome in json.loads(ran.out)}
        assert {key: outcome["status"] for key, outcome in outcomes.items()} == statuses
        assert ran.code == code
        assert "Traceback" not in ran.err
        if "around" in outcomes:
            # Only the footprint over the installation, and what cannot be decided
            assert (outcomes["around"]["new"], outcomes["around"]["unwanted"]) == (1, 5)
    ran = run("ingest", "broken", "good")
    assert ran.code == 3
    assert "read broken: broken.json is not JSON" in ran.err
    assert "good: 1 × not usable: it names no collection" in ran.err
    assert "unchanged" in ran.out


def test_search_writes_nothing(run: Any, world: World) -> None:
    found = json.loads(run("search", "good", "--bbox", "10.1", "50.1", "11.9", "50.9", "--json").out)
    assert found["items"] == {"scenes": 3}
    assert [item["item"] for item in found["first"]] == ["scene-000", "scene-001", "scene-005"]
    assert found["refused"] == {"it names no collection": 1} or found["refused"] == {}
    assert json.loads(run("search", "good", "--max-cloud-cover", "10", "--json").out)["items"] == {"scenes": 2}
    assert json.loads(run("search", "good", "--datetime", "2024-02-01/2024-03-31", "--json").out)["items"] == {"scenes": 2}
    assert json.loads(run("search", "good", "--collection", "others", "--json").out)["items"] == {}
    assert json.loads(run("search", "good", "--limit", "2", "--json").out)["complete"] is False
    ran = run("search", "around")
    assert ran.code == 0
    assert "1 items in 1 area; 5 others left out" in ran.out


def test_items(run: Any) -> None:
    run("ingest", "good", "--offline")
    rows = json.loads(run("items", "--json").out)
    assert [(row["collection"], row["items"]) for row in rows if row["catalog"] == "demo" or row["catalog"] == "good"] == [
        ("scenes", 6)
    ]
    over = json.loads(run("items", "--installation", "i-1", "--json").out)
    assert {row["item_id"] for row in over} == {"scene-002"}
    assert {row["reason"] for row in json.loads(run("items", "--quarantine", "--json").out)} == {"it names no collection"}
    assert run("items", "--collection", "nothing").out == "none\n"
    assert "scenes" in run("items").out


@pytest.mark.parametrize(
    ("arguments", "beginning"),
    [
        (["search", "nonsense"], "catalog_not_found: "),
        (["search", "vectors"], "dataset_planned: "),
        (["search", "broken"], "read: "),
        (["search", "good", "--datetime", "2024"], "settings: datetime: '2024' is not an interval"),
        (["search", "good", "--datetime", "2024-13-01/.."], "settings: datetime: '2024-13-01' is no time"),
        (["search", "good", "--datetime", "2024-06-01/2024-05-01"], "settings: datetime"),
        (["search", "good", "--bbox", "1", "2", "3", "1"], "settings: "),
        (["search", "good", "--bbox", "0", "0", "0", "1"], "settings: "),
        (["ingest"], "settings: "),
        (["ingest", "good", "--all"], "settings: "),
        (["items", "--installation", "nobody"], "lake_not_found: "),
    ],
)
def test_an_error_is_one_line_and_a_remedy(run: Any, arguments: list[str], beginning: str) -> None:
    ran = run(*arguments)
    assert ran.code == 1
    assert ran.err.splitlines()[0].startswith(beginning)
    assert "Traceback" not in ran.err


def test_catalogs_are_listed(run: Any) -> None:
    assert "planned" in run("catalogs").out
    assert {entry["key"] for entry in json.loads(run("catalogs", "--json").out)} == {
        "good",
        "around",
        "broken",
        "elsewhere",
        "vectors",
    }


def test_a_lake_without_imagery_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(home=tmp_path / "home", _env_file=None)
    connect(lake=settings).close()
    with using(settings), pytest.raises(SystemExit):
        main(["stac", "items"])
    assert "The lake holds no imagery references" in capsys.readouterr().err
