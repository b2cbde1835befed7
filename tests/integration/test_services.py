"""The development services themselves: real PostgreSQL and SeaweedFS on loopback, in temporary homes."""

import datetime as dt
import hashlib
import hmac
import os
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import httpx
import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from db import services
from db.errors import ServiceError
from db.extensions import load_extensions
from db.services.process import is_free
from db.services.state import ServicesState
from db.settings import Settings


def processes_of(home):
    """Everything that runs over a home, whoever started it: servers by their arguments, workers by their working directory."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if any(str(home) in part for part in [*(process.info["cmdline"] or []), process.info["cwd"] or ""]):
            found.append(process)
    return found


def is_alive(pid):
    """Whether a process runs; one that has ended but that a slow init has not yet reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """Two homes, stopped at the end (together, because SeaweedFS takes 15 s to close)."""
    pair = [Settings(home=tmp_path_factory.mktemp("home"), _env_file=None) for _ in range(2)]
    yield pair
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(services.down, pair))
    assert [process.info["cmdline"] for settings in pair for process in processes_of(settings.home)] == []


@pytest.fixture(scope="module")
def home(homes):
    services.up(homes[0])
    return homes[0]


@pytest.fixture
def query(home):
    def run(sql, settings=home):
        with psycopg.connect(services.endpoints(settings).catalog_dsn.get_secret_value(), connect_timeout=5) as con:
            cursor = con.execute(sql)
            return cursor.fetchall() if cursor.description else None

    return run


def duckdb_with_secret(endpoints, secret_key=None):
    con = duckdb.connect()
    load_extensions(con, ("httpfs", "postgres_scanner", "ducklake"))
    con.execute(
        f"""
        CREATE SECRET (TYPE s3, ENDPOINT '{endpoints.s3_endpoint}', REGION '{endpoints.s3_region}', USE_SSL false,
            URL_STYLE 'path', KEY_ID '{endpoints.s3_access_key_id.get_secret_value()}',
            SECRET '{secret_key or endpoints.s3_secret_access_key.get_secret_value()}')
        """
    )
    return con


def signed_put(endpoints, key, body, **headers):
    """PUT with AWS Signature Version 4, written from its specification: independent of the clients that the code uses."""
    now = dt.datetime.now(dt.UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    signed = {"host": endpoints.s3_endpoint, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    path = f"/{endpoints.bucket}/{key}"
    canonical = "\n".join(["PUT", path, "", *(f"{k}:{v}" for k, v in signed.items()), "", ";".join(signed), digest])
    scope = f"{day}/{endpoints.s3_region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signing_key = ("AWS4" + endpoints.s3_secret_access_key.get_secret_value()).encode()
    for part in (*scope.split("/"), to_sign):
        signing_key = hmac.new(signing_key, part.encode(), hashlib.sha256).digest()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={endpoints.s3_access_key_id.get_secret_value()}/{scope}, "
        f"SignedHeaders={';'.join(signed)}, Signature={signing_key.hex()}"
    )
    url = f"http://{endpoints.s3_endpoint}{path}"
    return httpx.put(url, content=body, headers={**signed, "authorization": authorization, **headers}, trust_env=False)


def test_both_serve_on_loopback_only(home):
    statuses = services.status(home)
    assert [(s.name, s.running, s.healthy) for s in statuses] == [("postgres", True, True), ("seaweedfs", True, True)]
    for found in statuses:
        listening = [c for c in psutil.Process(found.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
        assert found.address in {f"{c.laddr.ip}:{c.laddr.port}" for c in listening}


def test_up_twice_changes_nothing_and_says_so(home, caplog):
    before = [(s.name, s.pid, s.address) for s in services.status(home)]
    with caplog.at_level("INFO", logger="db.services"):
        assert services.up(home) == services.endpoints(home)
    assert [(s.name, s.pid, s.address) for s in services.status(home)] == before
    assert [record.message.split(" at ")[0] for record in caplog.records] == [
        "postgres is already up",
        "seaweedfs is already up",
    ]


def test_secrets_are_in_no_log_and_on_no_command_line(home):
    endpoints = services.endpoints(home)
    secrets = [
        conninfo_to_dict(endpoints.catalog_dsn.get_secret_value())["password"],
        endpoints.s3_secret_access_key.get_secret_value(),
    ]
    shown = " ".join(part for process in processes_of(home.home) for part in process.info["cmdline"] or [])
    shown += "".join(path.read_text(errors="replace") for path in home.services_dir.glob("*/*.log"))
    assert "postgres" in shown
    assert not any(secret in shown for secret in secrets)
    for path in (home.services_dir / "services.json", home.services_dir / "seaweedfs" / "s3.json"):
        assert path.stat().st_mode & 0o077 == 0


def test_the_catalog_is_postgresql_18_and_asks_for_the_password(home, query):
    assert query("SELECT current_setting('server_version_num')::int / 10000, current_setting('lc_messages')") == [(18, "C")]
    assert query("SELECT current_setting('fsync'), current_setting('unix_socket_directories')") == [("on", "")]
    parameters = conninfo_to_dict(services.endpoints(home).catalog_dsn.get_secret_value())
    for password in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(**{**parameters, "password": password, "passfile": os.devnull})


def test_duckdb_writes_to_and_reads_from_the_bucket(home):
    endpoints = services.endpoints(home)
    with duckdb_with_secret(endpoints) as con:
        con.execute(f"COPY (SELECT range AS i FROM range(100000)) TO 's3://{endpoints.bucket}/t/numbers.parquet'")
        assert con.execute(f"SELECT sum(i) FROM 's3://{endpoints.bucket}/t/*.parquet'").fetchone() == (4999950000,)
    with duckdb_with_secret(endpoints, secret_key="wrong") as con, pytest.raises(duckdb.HTTPException, match="403"):
        con.execute(f"SELECT sum(i) FROM 's3://{endpoints.bucket}/t/numbers.parquet'")
    anonymous = httpx.get(f"http://{endpoints.s3_endpoint}/{endpoints.bucket}/t/numbers.parquet", trust_env=False)
    assert anonymous.status_code == 403


def test_conditional_writes_are_honoured(home):
    endpoints = services.endpoints(home)
    first = signed_put(endpoints, "conditional", b"one", **{"if-none-match": "*"})
    assert first.status_code == 200
    assert signed_put(endpoints, "conditional", b"two", **{"if-none-match": "*"}).status_code == 412
    assert signed_put(endpoints, "conditional", b"two", **{"if-match": '"0123456789abcdef0123456789abcdef"'}).status_code == 412
    assert signed_put(endpoints, "conditional", b"two", **{"if-match": first.headers["etag"]}).status_code == 200


def test_ducklake_keeps_its_catalog_and_data_there(home):
    endpoints = services.endpoints(home)
    attach = f"ATTACH 'ducklake:postgres:{endpoints.catalog_dsn.get_secret_value()}' AS lake (DATA_PATH 's3://{endpoints.bucket}/lake/')"
    with duckdb_with_secret(endpoints) as con:
        con.execute(attach)
        con.execute("CREATE TABLE lake.cells AS SELECT range AS i FROM range(50000)")
    with duckdb_with_secret(endpoints) as con:
        con.execute(attach)
        assert con.execute("SELECT count(*), max(i) FROM lake.cells").fetchone() == (50000, 49999)
        files = con.execute("SELECT data_file FROM ducklake_list_files('lake', 'cells')").fetchall()
    assert files
    assert all(file.startswith(f"s3://{endpoints.bucket}/lake/") for (file,) in files)


def test_a_killed_postmaster_with_a_stale_pid_file_comes_back_with_its_data(home, query):
    query("CREATE TABLE before_the_crash AS SELECT 42 AS answer")
    postmaster = psutil.Process(services.status(home)[0].pid)
    postmaster.kill()
    pid_file = home.services_dir / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    # What a reboot leaves: the number now belongs to somebody else, here to this test
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    services.up(home)
    assert query("SELECT answer FROM before_the_crash") == [(42,)]
    assert services.status(home)[0].pid not in {postmaster.pid, os.getpid()}


def test_a_second_home_lives_beside_the_first_and_keeps_its_data_when_its_ports_are_taken(homes, home, query):
    other = homes[1]
    code = (
        "import sys; from db import services; from db.settings import Settings; "
        "services.up(Settings(home=sys.argv[1], _env_file=None))"
    )
    repository = Path(services.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, str(other.home)], check=True, cwd=repository, timeout=120)

    # Its parent has ended: it is nobody's child here and has no terminal
    for found in services.status(other):
        assert found.healthy
        process = psutil.Process(found.pid)
        assert process.terminal() is None
        assert os.getsid(process.pid) != os.getsid(0)
    mine, theirs = services.endpoints(home), services.endpoints(other)
    assert mine.s3_endpoint != theirs.s3_endpoint
    assert mine.s3_secret_access_key != theirs.s3_secret_access_key
    query("CREATE TABLE only_here AS SELECT 1 AS one", other)
    with duckdb_with_secret(theirs) as con:
        con.execute(f"COPY (SELECT 7 AS seven) TO 's3://{theirs.bucket}/kept.parquet'")

    pids = [process.pid for process in processes_of(other.home)]
    assert services.down(other) == ["postgres", "seaweedfs"]
    assert processes_of(other.home) == []
    assert not any(is_alive(pid) for pid in pids)
    assert services.down(other) == []
    assert all(found.healthy for found in services.status(home))
    state = ServicesState.load(other.services_dir / "services.json")
    for ports in state.ports.values():
        assert all(map(is_free, ports))
        assert not [path for port in ports for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]

    with (
        socket.create_server(("127.0.0.1", state.ports["postgres"][0])),
        socket.create_server(("127.0.0.1", state.ports["seaweedfs"][-1])),
    ):
        moved = services.up(other)
    assert moved.s3_endpoint != theirs.s3_endpoint
    assert moved.catalog_dsn != theirs.catalog_dsn
    assert moved.s3_secret_access_key == theirs.s3_secret_access_key
    assert query("SELECT one FROM only_here", other) == [(1,)]
    with duckdb_with_secret(moved) as con:
        assert con.execute(f"SELECT seven FROM 's3://{moved.bucket}/kept.parquet'").fetchone() == (7,)


def test_a_server_that_does_not_start_is_quoted(tmp_path):
    settings = Settings(home=tmp_path, _env_file=None)
    settings.services_dir.mkdir()
    ServicesState().save(settings.services_dir / "services.json")
    data = settings.services_dir / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ServiceError, match=r"postgres did not start: its process ended") as caught:
        services.up(settings, timeout_s=20)
    assert re.search(r"Last lines of .*server\.log:\n.*postgresql\.conf\": No such file", str(caught.value), re.DOTALL)
    assert processes_of(tmp_path) == []
