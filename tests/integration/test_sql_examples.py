"""Every query of docs/sql runs on the sample lake, through the command that people use, and says what is so."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sql_examples_of_places
import sql_examples_of_sources
from sample_lake import SampleLake
from sql_example_support import Lake
from typer.testing import CliRunner

from db import connect
from eopv.cli import app

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "sql"
EXAMPLES = sorted(FOLDER.glob("*.sql"))
# A function of the query's name
CHECKS = {
    name: check
    for module in (sql_examples_of_places, sql_examples_of_sources)
    for name, check in inspect.getmembers(module, inspect.isfunction)
    if check.__module__ == module.__name__
}
HEADER = re.compile(r"-- Question: .+\?[^\n]*\n-- Shows: .+\n(--     .+\n)*(-- Parameters: .+\n)?(?!--)")


@pytest.fixture(scope="module")
def lake(sample_lake: SampleLake) -> Iterator[Lake]:
    with connect(read_only=True, lake=sample_lake.settings) as con:
        yield Lake(con)


def test_there_are_enough_examples_and_each_is_checked_and_listed() -> None:
    assert len(EXAMPLES) >= 20
    assert {file.stem for file in EXAMPLES} == set(CHECKS)
    index = (FOLDER / "index.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+)\.sql\)", index)) == set(CHECKS)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_says_what_is_so(file: Path, lake: Lake) -> None:
    query = file.read_text(encoding="utf-8")
    assert HEADER.match(query), "a header says the question, what is shown, and the parameters"
    rows = lake.rows(query)
    assert rows
    CHECKS[file.stem](rows, lake)


def test_an_example_runs_from_its_file(sample_lake: SampleLake, monkeypatch: pytest.MonkeyPatch, lake: Lake) -> None:
    monkeypatch.setenv("EOPV_HOME", str(sample_lake.settings.home))
    for file in (FOLDER / "nearest_plants.sql", FOLDER / "lineage_of_a_site.sql"):
        done = CliRunner().invoke(app, ["sql", "--file", str(file), "-f", "csv"])
        assert done.exit_code == 0, done.output
        assert len(done.stdout.splitlines()) == 1 + len(lake.rows(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("arguments", [[], ["SELECT 1", "--file", str(FOLDER / "growth_rates.sql")]], ids=["neither", "both"])
def test_a_query_comes_from_one_place(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["sql", *arguments])
    assert done.exit_code != 0
    assert "--file" in done.output
