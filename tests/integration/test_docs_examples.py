"""The documentation's examples run on the sample lake."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sample_lake import SampleLake

from db import connect

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(?P<language>sql|bash|python)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
MAY_BE_EMPTY = "-- may be empty"


def blocks(page: str, *languages: str) -> list:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        pytest.param(block["text"], id=f"{page}:{text.count('\n', 0, block.start()) + 1}")
        for block in FENCE.finditer(text)
        if block["language"] in languages
    ]


@pytest.mark.parametrize(
    "query",
    [
        example
        for page in (
            "README.md",
            "docs/index.md",
            "docs/querying.md",
            "docs/architecture.md",
            "docs/entity-resolution.md",
            "docs/administrative-areas.md",
            "docs/marts.md",
            "docs/land-and-buildings.md",
            "docs/operations.md",
        )
        for example in blocks(page, "sql")
    ],
)
def test_a_query_gives_rows(query, sample_lake: SampleLake):
    with connect(read_only=True, lake=sample_lake.settings) as con:
        rows = con.execute(query).fetchall()
    assert rows or MAY_BE_EMPTY in query


@pytest.mark.parametrize("example", blocks("docs/querying.md", "bash", "python"))
def test_a_program_succeeds(example, sample_lake: SampleLake, tmp_path):
    # The examples name the default home, relative to where they run
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "local").symlink_to(sample_lake.settings.home)
    command = [sys.executable] if example.lstrip().startswith(("import", "from")) else ["bash", "-euo", "pipefail"]
    done = subprocess.run(
        [*command, "-c", example],
        cwd=tmp_path,
        env={
            **os.environ,
            "EOPV_HOME": str(sample_lake.settings.home),
            "PYTHONSAFEPATH": "1",  # else the folder made above hides the package `db`
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
