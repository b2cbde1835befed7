"""The command line: exit codes, clean standard output, one-line errors, every result format."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import pyarrow.parquet as pq
import pytest
import yaml
from publishing import Publisher, entry, write_geojson
from shapely.geometry import Point

from dataflows.catalog import DAGS, dag_driver
from db import Settings, connect
from db.settings import REPOSITORY_ROOT, using
from eopv.cli import main
from ingest.manifest import Format, Manifest

KNOWN = "deu_osm_pv_2023"
TRACEBACK = "Traceback (most recent call last)"


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    """A lake with one landed dataset, nobody holding it, and a mirror with another one that is broken."""
    folder = tmp_path_factory.mktemp("cli [brackets]")
    settings = Settings(home=folder / "home", _env_file=None)
    with connect(lake=settings) as con:
        publisher = Publisher(settings, folder / "mirror", con)
        rows = [({"name": "[bold]Größe[/bold]", "n": 1}, Point(1, 2)), ({"name": '[/tmp] a, "b"\nc', "n": 2}, None)]
        write_geojson(publisher.folder("one") / "a.geojson", rows)
        assert publisher.ingest(entry("one", "geojson")).status == "landed"
    (publisher.folder("broken") / "a.geojson").write_text("no JSON")
    return publisher


@pytest.fixture
def run(world: Publisher, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """``eopv`` in this process, on the module's lake."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        code = ended.value.code
        return Ran(int(code or 0), *capsys.readouterr())

    with using(world.settings):
        yield run


@pytest.fixture(scope="module")
def manifest(world: Publisher) -> Path:
    path = world.mirror.parent / "manifest.yml"
    keys = ("one", "broken", "elsewhere")
    content = Manifest(datasets={key: entry(key, "geojson") for key in keys}).model_dump(mode="json", exclude_defaults=True)
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (["one"], 0),
        (["broken"], 1),
        (["one", "broken"], 3),
        (["--all"], 3),
        (["elsewhere", "--offline"], 1),
        (["one", "elsewhere", "--offline"], 0),
    ],
)
def test_exit_code_of_an_ingestion(run: Run, world: Publisher, manifest: Path, keys: list[str], code: int) -> None:
    ran = run("ingest", *keys, "--mirror", world.mirror, "--manifest", manifest, "--json", "--no-export")
    assert ran.code == code
    statuses = {outcome["dataset"]: outcome["status"] for outcome in json.loads(ran.out)}
    expected = {"one": "unchanged", "broken": "failed", "elsewhere": "absent"}
    assert statuses == {key: expected[key] for key in (expected if keys == ["--all"] else keys) if key in expected}
    assert TRACEBACK not in ran.err


def test_a_failed_dataset_is_named_once_with_its_cause(run: Run, world: Publisher, manifest: Path) -> None:
    ran = run("ingest", "broken", "one", "--mirror", world.mirror, "--manifest", manifest, "--no-export")
    lines = [line for line in ran.err.splitlines() if "broken" in line]
    assert len(lines) == 1
    assert lines[0].startswith("read broken: a.geojson cannot be read")
    assert "unchanged" in ran.out


USAGE = [
    (["nonsense"], 2),
    (["sql"], 2),
    (["sql", "-f", "nonsense", "SELECT 1"], 2),
    (["ingest", "--workers", "0", "one"], 2),
]
MISTAKES = [
    (["ingest"], "settings"),
    (["ingest", "nonsense"], "dataset_not_found"),
    (["ingest", "--all", "--manifest", "nowhere.yml"], "manifest"),
    (["dataset", "show", "nonsense"], "dataset_not_found"),
    (["dag", "nonsense"], "settings"),
    (["sql", "SELEC 1"], "lake"),
    (["sql", "FROM nowhere"], "lake"),
    (["sql", "DROP TABLE landing.one"], "lake"),
    (["sql", "-f", "csv", "SELECT error('enough')"], "lake"),
    (["sql", "-f", "parquet", "SELECT 1"], "lake"),
    (["sql", "-f", "csv", "-o", "nowhere/x.csv", "SELECT 1"], "lake"),
    (["sql", "-f", "parquet", "-o", "nowhere/x.parquet", "SELECT 1"], "lake"),
    (["sql", "--as-of", "999", "SELECT 1"], "snapshot_not_found"),
    (["sql", "--as-of", "yesterday", "SELECT 1"], "snapshot_not_found"),
]


@pytest.mark.parametrize(("arguments", "code"), USAGE)
def test_wrong_usage(run: Run, arguments: list[str], code: int) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert "Usage" in ran.err


@pytest.mark.parametrize(("arguments", "kind"), MISTAKES)
def test_an_error_is_one_line_and_a_remedy(run: Run, arguments: list[str], kind: str) -> None:
    ran = run(*arguments)
    assert ran.code == 1
    cause, remedy = ran.err.strip().splitlines()
    assert cause.startswith(f"{kind}: ")
    assert remedy.startswith("→ ")
    assert TRACEBACK not in ran.err


def test_the_traceback_stands_behind_debug(run: Run) -> None:
    ran = run("--debug", "sql", "SELEC 1")
    assert ran.code == 1
    assert TRACEBACK in ran.err
    assert "lake: Parser Error" in ran.err
    assert ran.out == ""


QUERY = "SELECT name, n, geometry FROM landing.one ORDER BY n"
NAMES = ["[bold]Größe[/bold]", '[/tmp] a, "b"\nc']


@pytest.mark.parametrize("to_file", [False, True])
def test_sql_as_csv(run: Run, tmp_path: Path, to_file: bool) -> None:
    path = tmp_path / "x.csv"
    ran = run("sql", "-f", "csv", QUERY, *(["-o", path] if to_file else []))
    text = path.read_text(encoding="utf-8") if to_file else ran.out
    assert list(csv.reader(io.StringIO(text))) == [
        ["name", "n", "geometry"],
        [NAMES[0], "1", "POINT (1 2)"],
        [NAMES[1], "2", ""],
    ]
    assert ran.err == ""


@pytest.mark.parametrize("to_file", [False, True])
def test_sql_as_json(run: Run, tmp_path: Path, to_file: bool) -> None:
    path = tmp_path / "x.json"
    ran = run("sql", "-f", "json", QUERY, *(["-o", path] if to_file else []))
    rows = json.loads(path.read_text(encoding="utf-8") if to_file else ran.out)
    point = {"type": "Point", "coordinates": [1, 2]}
    assert rows == [{"name": NAMES[0], "n": 1, "geometry": point}, {"name": NAMES[1], "n": 2, "geometry": None}]


def test_json_has_no_numbers_that_json_has_not(run: Run) -> None:
    query = "SELECT 'nan'::DOUBLE AS a, ['inf'::DOUBLE, 1] AS b, {'x': '-inf'::FLOAT} AS c, MAP {DATE '2020-01-01': 1} AS d"

    def refuse(name: str) -> None:
        raise AssertionError(name)

    rows = json.loads(run("sql", "-f", "json", query).out, parse_constant=refuse)
    assert rows == [{"a": None, "b": [None, 1], "c": {"x": None}, "d": {"2020-01-01": 1}}]
    assert json.loads(run("sql", "-f", "json", "SELECT 1 AS a WHERE false").out) == []


def test_sql_as_parquet(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    assert run("sql", "-f", "parquet", "-o", path, f"{QUERY};").code == 0
    found = gpd.read_parquet(path)
    assert found["name"].tolist() == NAMES
    assert found.geometry.tolist() == [Point(1, 2), None]
    assert pq.read_metadata(path).row_group(0).column(0).compression == "ZSTD"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.parquet"]


def test_sql_as_a_table_shows_brackets_as_they_are(run: Run) -> None:
    ran = run("sql", QUERY)
    assert ran.code == 0
    assert "[bold]Größe[/bold]" in ran.out
    assert "[/tmp] a" in ran.out
    assert "POINT (1 2)" in ran.out
    assert run("sql", "SELECT 1 AS a WHERE false").out == "no rows\n"


def test_a_long_table_says_that_there_is_more(run: Run) -> None:
    ran = run("sql", "--limit", "3", "FROM range(5)")
    assert "more than 3 rows" in ran.out


@pytest.mark.parametrize("arguments", [["status"], ["dataset", "list"], ["dataset", "show", KNOWN]])
def test_json_stands_alone_on_standard_output(run: Run, arguments: list[str]) -> None:
    ran = run(*arguments, "--json")
    assert ran.code == 0
    assert KNOWN in ran.out or "landing" in ran.out
    json.loads(ran.out)
    assert run(*arguments).code == 0


def test_status_before_there_is_a_lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with using(Settings(home=tmp_path / "[none]", _env_file=None)), pytest.raises(SystemExit) as ended:
        main(["status", "--json"])
    assert ended.value.code in (0, None)
    assert "no lake" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize("name", DAGS)
def test_dag_is_drawn_with_every_node(run: Run, tmp_path: Path, name: str) -> None:
    path = tmp_path / "[x].svg"
    ran = run("dag", name, "-o", path, "--format", "csv")
    assert ran.out == f"{path}\n"
    texts = {text.text for text in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")}
    assert texts == {variable.name for variable in dag_driver(name, Format.CSV).list_available_variables()}


def eopv(world: Publisher, *arguments: str) -> Ran:
    """``eopv`` as a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-m", "eopv", *arguments],
        env=os.environ | {"EOPV_HOME": str(world.settings.home)},
        cwd=REPOSITORY_ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def test_a_lake_that_another_process_holds(world: Publisher) -> None:
    script = "import sys; from db import connect; con = connect(); print('held', flush=True); sys.stdin.read()"
    holding = {"env": os.environ | {"EOPV_HOME": str(world.settings.home)}, "cwd": REPOSITORY_ROOT, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **holding) as holder:
        assert holder.stdout.readline() == "held\n"
        ran = eopv(world, "sql", "SELECT 1")
        holder.stdin.close()
        assert holder.wait(timeout=30) == 0
    assert (ran.code, ran.out) == (1, "")
    cause, remedy = ran.err.strip().splitlines()
    assert cause.startswith("lake_locked: ")
    assert f"process {holder.pid} " in cause
    assert "EOPV_TARGET=dev" in remedy


def test_as_a_process_with_a_misspelt_variable(world: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EOPV_TAGRET", "dev")
    ran = eopv(world, "status")
    assert (ran.code, ran.out) == (1, "")
    assert "EOPV_TARGET" in ran.err
    assert TRACEBACK not in ran.err
