"""What dbt parsed is kept by clone: a second lake begins with it, and dbt still sees what changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataflows.elt import run_dbt
from db.settings import REPOSITORY_ROOT, Settings

PROJECT = "{name: eo_pv_elt, version: '1.0', profile: eo_pv, model-paths: [models]}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    project = tmp_path / "clone" / "eo-pv-elt"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text(PROJECT)
    (project / "models" / "one.sql").write_text("SELECT 1 AS n")
    (project.parent / "profiles.yml").write_text((REPOSITORY_ROOT / "profiles.yml").read_text())
    return project.parent


def parsed(root: Path, home: Path, *arguments: str) -> int:
    """How many of the project's models dbt parsed for the lake in ``home``."""
    lake = Settings(home=home, _env_file=None)
    run_dbt("parse", lake, arguments=arguments, root=root)
    performance = json.loads((home / "dbt" / "target" / "perf_info.json").read_text())
    (project,) = [project for project in performance["projects"] if project["project_name"] == "eo_pv_elt"]
    return sum(parser["parsed_path_count"] for parser in project["parsers"] if parser["parser"] == "model")


def test_a_second_lake_parses_only_what_changed(root, tmp_path):
    assert parsed(root, tmp_path / "first") == 1
    assert parsed(root, tmp_path / "second") == 0
    (root / "eo-pv-elt" / "models" / "two.sql").write_text("SELECT 2 AS n")
    assert parsed(root, tmp_path / "second") == 1
    assert parsed(root, tmp_path / "first") == 0


def test_other_variables_have_a_file_of_their_own(root, tmp_path):
    assert parsed(root, tmp_path / "first") == 1
    assert parsed(root, tmp_path / "first", "--vars", "{n: 1}") == 1
    assert parsed(root, tmp_path / "second", "--vars", "{n: 1}") == parsed(root, tmp_path / "second") == 0


def test_a_clone_that_cannot_be_written_is_no_error(root, tmp_path):
    (root / "eo-pv-elt" / "target").write_text("")  # a file where the folder should be: not even root writes there
    assert parsed(root, tmp_path / "first") == parsed(root, tmp_path / "second") == 1
