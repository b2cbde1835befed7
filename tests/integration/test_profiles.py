"""``profiles.yml``: plain dbt builds with it; for MotherDuck, which cannot be reached from here, it is compiled.

``make lint`` parses the project in every target.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROD = {
    "EOPV_CATALOG_DSN": "host=db.invalid dbname=lake user=u password=hidden-password",
    "EOPV_DATA_PATH": "s3://bucket/lake/",
}


def dbt(*arguments: str, folder: Path, target: str = "local", **environment: str) -> subprocess.CompletedProcess[str]:
    # As 'make lint' left it; dbt parses where it is not there, or is of other files
    parsed = ROOT / ".venv" / "dbt" / target / "partial_parse.msgpack"
    return subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), *arguments),
            *("--project-dir", "eo-pv-elt", "--profiles-dir", "."),
            *("--target", target),
            *(("--partial-parse-file-path", str(parsed)) if parsed.exists() else ()),
            *("--target-path", str(folder / "target"), "--log-path", str(folder / "logs")),
        ],
        cwd=ROOT,
        env={**os.environ, "EOPV_HOME": str(folder / "home"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_motherduck_profile_compiles_every_model_without_a_connection(tmp_path):
    done = dbt("compile", "--no-introspect", "--no-populate-cache", target="motherduck", folder=tmp_path, **PROD)
    assert done.returncode == 0, done.stdout + done.stderr
    compiled = {path.stem for path in (tmp_path / "target" / "compiled").rglob("models/**/*.sql")}
    models = {path.stem for path in (ROOT / "eo-pv-elt" / "models").rglob("*.sql")}
    assert models <= compiled
    text = (tmp_path / "target" / "compiled" / "eo_pv_elt" / "models" / "curated" / "pv_observations.sql").read_text()
    assert '"lake"."prepared"."prep_pv_observations"' in text
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"hidden-password" not in path.read_bytes(), path


def test_plain_dbt_says_that_a_lake_is_empty_and_builds_one_that_is_not(sample_world, tmp_path):
    empty = dbt("build", folder=tmp_path)
    assert empty.returncode != 0
    assert "Nothing has been landed" in empty.stdout
    ingested = subprocess.run(
        [
            *(sys.executable, "-m", "eopv", "ingest", "usa_uspvdb_v3_2025", "--offline"),
            *("--mirror", str(sample_world.folder), "--manifest", str(sample_world.manifest)),
        ],
        cwd=ROOT,
        env={**os.environ, "EOPV_HOME": str(tmp_path / "home")},
        check=False,
    )
    assert ingested.returncode == 0
    done = dbt("build", "--select", "+pv_observations", "--indirect-selection", "buildable", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR=0" in done.stdout
