"""The same build on every target: DuckDB file + folder, and PostgreSQL + S3, give equal curated tables."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr
from sample_lake import WITHOUT_TESTS, SampleLake, build_sample_lake

from dataflows.elt import run_dbt
from dataflows.sample import SampleWorld
from db import Settings, connect, services
from db.connection import with_services
from db.errors import LakeError, LakeLockedError, LakeNotFoundError
from db.settings import Target

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.xdist_group("services")


@pytest.fixture(scope="module")
def dev_lake(dev: Settings, sample_world: SampleWorld) -> SampleLake:
    # Without tests of data: its tables are compared with those of a lake that passed them
    return build_sample_lake(dev, sample_world, *WITHOUT_TESTS)


def rows(lake: Settings, table: str) -> list[tuple]:
    with connect(read_only=True, lake=lake) as con:
        columns = con.sql(f"DESCRIBE {table}").fetchall()
        shown = ", ".join(f'ST_AsWKB("{name}")' if kind == "GEOMETRY" else f'"{name}"' for name, kind, *_ in columns)
        return con.sql(f"SELECT {shown} FROM {table} ORDER BY ALL").fetchall()


@pytest.mark.parametrize(
    "table",
    [
        *("curated.pv_observations", "curated.dataset_summary", "curated.pv_installations", "curated.pv_h3"),
        *("curated.pv_by_admin", "curated.pv_energy_yield"),
    ],
)
def test_curated_tables_are_equal_on_local_and_dev(table, sample_lake, dev_lake):
    local = rows(sample_lake.settings, table)
    assert len(local) > 0
    assert rows(dev_lake.settings, table) == local


def test_dev_keeps_its_data_in_s3(dev_lake):
    with connect(read_only=True, lake=dev_lake.settings) as con:
        files = con.sql("SELECT data_file FROM ducklake_list_files('lake', 'pv_observations', schema => 'curated')").fetchall()
    assert files
    assert all(path.startswith("s3://") for (path,) in files)


def test_prod_reaches_the_same_lake_through_explicit_settings(dev_lake, tmp_path):
    up = with_services(dev_lake.settings)
    given = {name: getattr(up, name) for name in ("catalog_dsn", "data_path", "s3_endpoint", "s3_region")}
    given |= {name: getattr(up, name) for name in ("s3_access_key_id", "s3_secret_access_key")}
    prod = Settings(home=tmp_path, target=Target.PROD, _env_file=None, **given)
    assert rows(prod, "curated.pv_observations") == rows(dev_lake.settings, "curated.pv_observations")


def test_a_lake_in_dev_is_read_while_it_is_written(dev_lake):
    with connect(lake=dev_lake.settings) as writer, connect(read_only=True, lake=dev_lake.settings) as reader:
        writer.begin()
        writer.execute("CREATE TABLE lake.main.half_written AS SELECT 1 AS a")
        before = reader.sql("SELECT count(*) FROM curated.pv_observations").fetchone()
        writer.rollback()
    assert before[0] > 0


def test_nothing_secret_stands_in_artifacts_and_logs(dev_lake):
    up = with_services(dev_lake.settings)
    secrets = [up.s3_secret_access_key.get_secret_value(), up.s3_access_key_id.get_secret_value()]
    secrets.append(services.endpoints(dev_lake.settings).catalog_dsn.get_secret_value().split("password=")[1].split()[0])
    run_dbt("docs generate", dev_lake.settings, arguments=("--static",))
    folder = dev_lake.settings.home / "dbt"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "manifest.json" for path in files)
    assert any(path.name == "dbt.log" for path in files)
    for path in files:
        content = path.read_bytes()
        assert not [1 for secret in secrets if secret.encode() in content], path


def test_reading_before_anything_is_built_says_so(dev, dev_lake, tmp_path):
    up = with_services(dev)
    dsn = up.catalog_dsn.get_secret_value()
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE empty_lake")
    empty = up.model_copy(
        update={
            "home": tmp_path,
            "catalog_dsn": SecretStr(make_conninfo(dsn, dbname="empty_lake")),
            "data_path": "s3://eopv/empty/",
        }
    )
    with pytest.raises(LakeNotFoundError, match="no lake in target dev"):
        connect(read_only=True, lake=empty)


def test_processes_that_open_a_new_lake_at_once_all_succeed(dev, tmp_path):
    up = with_services(dev)
    dsn = up.catalog_dsn.get_secret_value()
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE new_lake")
    environment = {
        "EOPV_HOME": str(tmp_path),
        "EOPV_TARGET": "dev",
        "EOPV_CATALOG_DSN": make_conninfo(dsn, dbname="new_lake"),
        "EOPV_DATA_PATH": "s3://eopv/new/",
        "EOPV_S3_ENDPOINT": up.s3_endpoint,
        "EOPV_S3_ACCESS_KEY_ID": up.s3_access_key_id.get_secret_value(),
        "EOPV_S3_SECRET_ACCESS_KEY": up.s3_secret_access_key.get_secret_value(),
    }
    opened = [
        subprocess.Popen([sys.executable, "-c", "import db; db.connect()"], cwd=ROOT, env=os.environ | environment)
        for _ in range(4)
    ]
    assert [process.wait() for process in opened] == [0, 0, 0, 0]


def test_a_second_connection_of_the_process_is_refused_with_a_reason(home):
    with connect(lake=home), pytest.raises(LakeLockedError, match="already"):
        connect(lake=home)


def test_a_wrong_password_is_not_repeated(dev):
    up = with_services(dev)
    wrong = up.model_copy(
        update={"catalog_dsn": SecretStr(make_conninfo(up.catalog_dsn.get_secret_value(), password="hunter2-secret"))}
    )
    with pytest.raises(LakeError) as raised:
        connect(read_only=True, lake=wrong)
    assert "hunter2-secret" not in "".join(traceback.format_exception(raised.value))
