"""Development services without starting them: state, processes and messages."""

import os
import re
import socket
import stat
import sys

import psutil
import pytest
import yaml
from pydantic import SecretStr

from db import services
from db.errors import ServiceError
from db.services.process import LOOPBACK, find_process, find_processes_in, is_free, kill, spawn, tail, wait_until
from db.services.state import PORT_RANGE, ServicesState
from db.settings import REPOSITORY_ROOT, Settings, reject_unknown


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", _env_file=None)


def test_state_survives_a_round_trip_and_only_its_owner_can_read_it(tmp_path):
    file = tmp_path / "services.json"
    state = ServicesState().with_free_ports("postgres", 1)
    state.save(file)
    assert ServicesState.load(file) == state
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["services.json"]


def test_two_homes_have_different_credentials_which_no_repr_shows():
    one, other = ServicesState(), ServicesState()
    shown = repr(one) + str(one)
    for secret, other_secret in zip(one.secrets(), other.secrets(), strict=True):
        assert secret != other_secret
        assert len(secret.get_secret_value()) >= 20
        assert secret.get_secret_value() not in shown


@pytest.mark.parametrize("content", ["", "{", '{"postgres_password": 7, "s3_secret_access_key": "TOPSECRET"}'])
def test_a_damaged_state_file_is_named_and_not_quoted(settings, content):
    settings.services_dir.mkdir(parents=True)
    file = settings.services_dir / "services.json"
    file.write_text(content)
    with pytest.raises(ServiceError, match="cannot be used") as caught:
        services.endpoints(settings)
    assert str(file) in str(caught.value)
    assert "TOPSECRET" not in str(caught.value)
    assert caught.value.remedy


def test_a_cluster_whose_password_is_lost_is_not_replaced(settings):
    (settings.services_dir / "postgres" / "data").mkdir(parents=True)
    with pytest.raises(ServiceError, match="is gone, and with it the password"):
        services.up(settings)
    assert not (settings.services_dir / "services.json").exists()


def test_before_the_first_start_there_is_nothing_and_the_remedy_says_what_to_do(settings):
    with pytest.raises(ServiceError) as caught:
        services.endpoints(settings)
    assert caught.value.remedy == "Run 'eopv services up' first."
    assert services.down(settings) == []
    assert [(s.name, s.running, s.healthy, s.address, s.pid) for s in services.status(settings)] == [
        ("postgres", False, False, "", None),
        ("seaweedfs", False, False, "", None),
    ]
    assert not settings.home.exists()


def test_new_ports_are_free_distinct_and_leave_other_services_alone():
    state = ServicesState().with_free_ports("seaweedfs", 8).with_free_ports("postgres", 1)
    ports = [*state.ports["seaweedfs"], *state.ports["postgres"]]
    assert len(set(ports)) == 9
    assert all(port in PORT_RANGE for port in ports)
    again = state.with_free_ports("postgres", 1)
    assert again.ports["seaweedfs"] == state.ports["seaweedfs"]


def test_a_port_on_which_somebody_listens_is_not_free():
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_a_spawned_server_is_detached_and_is_recognised_by_program_and_argument(tmp_path):
    marker, log_file, program = str(tmp_path / "data"), tmp_path / "server.log", os.path.basename(sys.executable)  # noqa: PTH119
    log_file.write_text("of the run before")
    code = "import os, sys, time; print('hello', sorted(os.environ), flush=True); time.sleep(60)"
    spawn([sys.executable, "-c", code, marker], folder=tmp_path, log_file=log_file)
    assert wait_until(lambda: find_process(program, marker) is not None, 10)
    process = find_process(program, marker)
    try:
        assert find_process("postgres", marker) is None
        assert find_process(program, marker + "x") is None
        assert [found.pid for found in find_processes_in(tmp_path)] == [process.pid]
        assert process.ppid() != os.getpid()
        assert os.getsid(process.pid) != os.getsid(0)
        assert process.terminal() is None
        assert wait_until(lambda: "hello" in log_file.read_text(), 10)
        assert "EOPV" not in log_file.read_text()
        assert (tmp_path / "server.previous.log").read_text() == "of the run before"
    finally:
        kill([process])
    assert find_process(program, marker) is None
    assert not psutil.pid_exists(process.pid) or process.status() == psutil.STATUS_ZOMBIE


def test_the_tail_of_a_log_hides_secrets(tmp_path):
    log_file = tmp_path / "server.log"
    log_file.write_text("\n".join(f"line {i} key-123" for i in range(100)))
    shown = tail(log_file, [SecretStr("key-123")])
    assert shown.splitlines()[-1] == "line 99 ********"
    assert len(shown.splitlines()) == 20
    assert tail(tmp_path / "absent.log") == ""


def test_compose_publishes_on_loopback_only_and_holds_no_secret():
    text = (REPOSITORY_ROOT / "compose.yaml").read_text()
    compose = yaml.safe_load(text)
    assert sorted(compose["services"]) == sorted(status.name for status in services.status(Settings(_env_file=None)))
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["healthcheck"]
        for name, content in service["environment"].items():
            if any(word in name for word in ("PASSWORD", "SECRET", "KEY")):
                assert re.fullmatch(r"\$\{\w+:\?.+\}", content)
    # Every EOPV_ name, in the comment too, is one that the settings know
    reject_unknown(dict.fromkeys(re.findall(r"\bEOPV_\w+", text)))
