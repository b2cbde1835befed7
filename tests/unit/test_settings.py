"""Settings: the few variables, their errors, and that secrets stay in them."""

from __future__ import annotations

import json
import pickle
import socket
import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from db import connect
from db.errors import EopvError, LakeError, SettingsError
from db.settings import REPOSITORY_ROOT, Settings, Target, load_settings, settings, using, variables

SECRET = "hunter2-'\"\\ ü"
DSN = "host=127.0.0.1 port={port} dbname=lake user=eopv password=hunter2 connect_timeout=2"


@pytest.fixture(autouse=True)
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / ".env"
    monkeypatch.setitem(Settings.model_config, "env_file", path)
    return path


@pytest.mark.parametrize(
    ("misspelt", "nearest"),
    [
        ("EOPV_TAGRET", "EOPV_TARGET"),
        ("EOPV_HOMES", "EOPV_HOME"),
        ("EOPV_S3_SECRET_KEY", "EOPV_S3_SECRET_ACCESS_KEY"),
        ("EOPV_CATALOG_URL", "EOPV_CATALOG_DSN"),
    ],
)
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_an_unknown_variable_names_the_nearest(misspelt, nearest, where, env_file, monkeypatch) -> None:
    if where == "environment":
        monkeypatch.setenv(misspelt, SECRET)
    else:
        env_file.write_text(f"{misspelt}='hunter2'\n")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert misspelt in caught.value.message
    assert f"Did you mean {nearest}?" in caught.value.remedy
    assert "hunter2" not in str(caught.value)


def test_variables_of_other_programs_are_none_of_ours(monkeypatch) -> None:
    monkeypatch.setenv("EOPVX_HOME", "/elsewhere")
    monkeypatch.setenv("MY_EOPV_HOME", "/elsewhere")
    assert load_settings().home == REPOSITORY_ROOT / "db" / "local"


def test_the_environment_comes_before_the_file_and_arguments_before_both(env_file, monkeypatch, tmp_path) -> None:
    env_file.write_text(f"EOPV_HOME={tmp_path / 'file'}\nEOPV_THREADS=3\n")
    assert load_settings().home == tmp_path / "file"
    monkeypatch.setenv("EOPV_HOME", str(tmp_path / "environment"))
    assert load_settings().home == tmp_path / "environment"
    assert load_settings(home=tmp_path / "argument").home == tmp_path / "argument"
    assert load_settings().threads == 3


def test_an_empty_variable_is_not_set(monkeypatch) -> None:
    monkeypatch.setenv("EOPV_TARGET", "")
    assert load_settings().target is Target.LOCAL


@pytest.mark.parametrize(("name", "value"), [("EOPV_TARGET", "hunter2"), ("EOPV_THREADS", "0"), ("EOPV_THREADS", "hunter2")])
def test_a_value_that_is_not_valid_is_named_and_not_repeated(name, value, monkeypatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert name.removeprefix("EOPV_").lower() in caught.value.message
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["EOPV_CATALOG_DSN", "EOPV_DATA_PATH"]),
        ({"catalog_dsn": "host=x"}, ["EOPV_DATA_PATH"]),
        ({"data_path": "s3://x/"}, ["EOPV_CATALOG_DSN"]),
    ],
)
def test_prod_says_what_it_lacks(given, missing) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(target="prod", **given)
    assert [name for name in ("EOPV_CATALOG_DSN", "EOPV_DATA_PATH") if name in caught.value.message] == missing
    assert load_settings(target="prod", catalog_dsn="host=x", data_path="s3://x/").target is Target.PROD


def test_every_path_derives_from_home(tmp_path) -> None:
    here = load_settings(home=tmp_path)
    properties = [name for name, member in vars(Settings).items() if isinstance(member, property)]
    paths = [path for path in (getattr(here, name) for name in properties) if isinstance(path, Path)]
    assert len(paths) >= 6
    assert all(path.is_relative_to(tmp_path) and path != tmp_path for path in paths)
    assert len(set(paths)) == len(paths)


SECRETS = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]


def test_whatever_is_called_a_key_or_token_is_held_as_a_secret() -> None:
    assert set(SECRETS) == {"catalog_dsn", "s3_access_key_id", "s3_secret_access_key", "motherduck_token", "stac_token"}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_appears_in_no_form_of_the_settings(name, monkeypatch) -> None:
    monkeypatch.setenv(f"EOPV_{name.upper()}", SECRET)
    here = load_settings()
    assert getattr(here, name).get_secret_value() == SECRET
    forms = [repr(here), str(here), here.model_dump_json(), str(here.model_dump()), repr(here.model_dump()), f"{here!s}"]
    assert [form for form in forms if "hunter2" in form] == []
    assert json.loads(here.model_dump_json())[name] == "**********"


def test_settings_reach_a_subprocess_whole() -> None:
    here = load_settings(s3_secret_access_key=SecretStr(SECRET))
    assert pickle.loads(pickle.dumps(here)) == here


def test_every_variable_is_described() -> None:
    assert all(variables().values())
    assert set(variables()) == {f"EOPV_{name.upper()}" for name in Settings.model_fields}


def test_settings_in_force_end_with_their_block(tmp_path) -> None:
    outer, inner = load_settings(home=tmp_path / "outer"), load_settings(home=tmp_path / "inner")
    with using(outer):
        with using(inner):
            assert settings() is inner
        assert settings() is outer


@pytest.mark.parametrize(
    ("endpoint", "host", "tls"),
    [
        (None, None, True),
        ("http://127.0.0.1:8333", "127.0.0.1:8333", False),
        ("https://account.r2.cloudflarestorage.com/", "account.r2.cloudflarestorage.com", True),
        ("account.r2.cloudflarestorage.com", "account.r2.cloudflarestorage.com", True),
        ("localhost:8333", "localhost:8333", False),
        ("127.0.0.1:8333", "127.0.0.1:8333", False),
    ],
)
def test_the_s3_endpoint_as_duckdb_wants_it(endpoint, host, tls) -> None:
    here = load_settings(s3_endpoint=endpoint)
    assert (here.endpoint_host(), here.endpoint_uses_tls()) == (host, tls)


def everything_said(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_a_catalog_that_does_not_answer_is_reported_without_its_password(target, tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    lake = load_settings(home=tmp_path, target=target, catalog_dsn=DSN.format(port=port), data_path=str(tmp_path / "data"))
    with pytest.raises(LakeError) as caught:
        connect(lake=lake)
    assert target in caught.value.message
    assert caught.value.remedy
    assert "hunter2" not in everything_said(caught.value)


@pytest.mark.parametrize("dsn", ["hunter2", "postgresql://user:hunter2@[::1", "host=x password='hunter2"])
def test_a_malformed_connection_string_is_reported_without_it(dsn, tmp_path) -> None:
    lake = load_settings(home=tmp_path, target="prod", catalog_dsn=dsn, data_path=str(tmp_path / "data"))
    with pytest.raises(EopvError) as caught:
        connect(lake=lake)
    assert "EOPV_CATALOG_DSN" in str(caught.value)
    assert "hunter2" not in everything_said(caught.value)
