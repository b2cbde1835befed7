"""The one place where the environment is read.

Few variables exist (``.env.example`` lists them all); every path derives from ``EOPV_HOME``. An ``EOPV_*`` variable
that is not one of them is an error, because a misspelt setting that is silently ignored costs an afternoon.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from db.errors import SettingsError

REPOSITORY_ROOT = Path(__file__).resolve().parent.parent
PREFIX = "EOPV_"

_in_force: Settings | None = None


class Target(StrEnum):
    """Where the lake lives; the models are the same in each."""

    LOCAL = "local"
    DEV = "dev"
    PROD = "prod"


class Settings(BaseSettings):
    """Settings of one lake. Read from ``EOPV_*`` variables and a ``.env`` file at the repository's root."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=REPOSITORY_ROOT / ".env",
        env_ignore_empty=True,
        extra="ignore",  # unknown EOPV_* names are rejected by reject_unknown(), with a suggestion
        frozen=True,
    )

    home: Path = Field(
        default=REPOSITORY_ROOT / "db" / "local",
        description="Folder of everything the project writes: catalog, data, cache, exports, logs, services.",
    )
    target: Target = Field(default=Target.LOCAL, description="Which lake: local, dev or prod.")
    mirror: str | None = Field(
        default=None, description="Folder or URL with published files, one folder a dataset key, tried before the repositories."
    )
    catalog_dsn: SecretStr | None = Field(
        default=None,
        description="libpq connection string of the DuckLake catalog (dev: that of the local services; prod: required).",
    )
    data_path: str | None = Field(
        default=None, description="Where Parquet files go, e.g. s3://bucket/prefix/ (dev: the local S3 server; prod: required)."
    )
    s3_endpoint: str | None = Field(
        default=None, description="host:port or URL of an S3 server; empty means AWS (dev: the local S3 server)."
    )
    s3_region: str = Field(default="us-east-1", description="Region of the bucket; 'auto' for Cloudflare R2.")
    s3_access_key_id: SecretStr | None = Field(default=None, description="S3 key id.")
    s3_secret_access_key: SecretStr | None = Field(default=None, description="S3 secret key.")
    motherduck_token: SecretStr | None = Field(
        default=None, description="Token of MotherDuck; only the dbt target 'motherduck' uses it."
    )
    stac_token: SecretStr | None = Field(
        default=None, description="Token for the STAC catalogs whose manifest entry asks for one; sent to their own host only."
    )
    threads: int | None = Field(default=None, ge=1, description="DuckDB threads; empty means one a core.")
    memory_limit: str | None = Field(default=None, description="DuckDB memory limit, e.g. 8GB; empty means 80 % of RAM.")

    @model_validator(mode="after")
    def _target_is_complete(self) -> Self:
        if self.target is Target.PROD:
            missing = [f"{PREFIX}{name.upper()}" for name in ("catalog_dsn", "data_path") if getattr(self, name) is None]
            if missing:
                raise ValueError(f"target prod needs {', '.join(missing)}")
        if self.target is Target.DEV and (self.catalog_dsn is None) != (self.data_path is None):
            raise ValueError(
                f"target dev takes {PREFIX}CATALOG_DSN and {PREFIX}DATA_PATH together (compose.yaml),"
                " or neither (eopv services)"
            )
        return self

    @property
    def catalog_file(self) -> Path:
        """DuckLake catalog of the ``local`` target, a DuckDB file."""
        return self.home / "catalog.ducklake"

    @property
    def data_dir(self) -> Path:
        """Parquet files of the ``local`` target."""
        return self.home / "data"

    @property
    def cache_dir(self) -> Path:
        """Verified downloads and Hamilton's cache; may be deleted at any time."""
        return self.home / "cache"

    @property
    def geoparquet_dir(self) -> Path:
        """GeoParquet exports, one file a dataset."""
        return self.home / "geoparquet"

    @property
    def sample_dir(self) -> Path:
        """The generated sample world, laid out as a mirror."""
        return self.home / "sample"

    @property
    def services_dir(self) -> Path:
        """State, data and logs of the development services."""
        return self.home / "services"

    @property
    def icechunk_root(self) -> str:
        """Where Icechunk repositories go: a folder, or ``s3://bucket/prefix`` where the Parquet files are in S3 too.

        DuckLake's ``ducklake_delete_orphaned_files`` looks below its data path for ``*.parquet`` only, so that it spares them.
        """
        if self.data_path is not None and self.data_path.startswith("s3://"):
            return f"{self.data_path.rstrip('/')}/icechunk"
        return str(self.home / "icechunk")

    def endpoint_host(self) -> str | None:
        """S3 endpoint as DuckDB wants it: ``host[:port]`` without a scheme."""
        return None if self.s3_endpoint is None else self.s3_endpoint.split("://", 1)[-1].rstrip("/")

    def endpoint_uses_tls(self) -> bool:
        """Whether the S3 endpoint is spoken to over TLS: an ``http://`` URL or a bare loopback address is not."""
        endpoint = self.s3_endpoint or "https://"
        if "://" in endpoint:
            return endpoint.startswith("https://")
        return not endpoint.startswith(("127.0.0.1", "localhost", "[::1]"))


def variables() -> dict[str, str]:
    """Every environment variable there is, with its description."""
    return {f"{PREFIX}{name.upper()}": field.description or "" for name, field in Settings.model_fields.items()}


def reject_unknown(environment: Mapping[str, object]) -> None:
    """Raise for an ``EOPV_*`` variable that does not exist.

    Raises:
        SettingsError: names the variable and the nearest known one.
    """
    known = variables()
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise SettingsError(
                f"Unknown environment variable {name}.", remedy=f"Did you mean {nearest}? Known: {', '.join(known)}."
            )


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment, with ``overrides`` taking precedence.

    Raises:
        SettingsError: an unknown ``EOPV_*`` variable, or a value that is not valid. Values are not repeated in the
            message: they may be secrets.
    """
    reject_unknown({**dotenv_values(Settings.model_config["env_file"]), **os.environ})
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'settings'}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(
            f"Settings are not valid: {problems}.", remedy="See .env.example for what each one means."
        ) from None


@lru_cache(maxsize=1)
def _from_environment() -> Settings:
    return load_settings()


def settings() -> Settings:
    """The settings in force: those of :func:`using`, else the process's, read from the environment once."""
    return _in_force or _from_environment()


@contextmanager
def using(lake: Settings) -> Iterator[Settings]:
    """Put settings in force for everything in this process, dbt's threads included."""
    global _in_force
    before, _in_force = _in_force, lake
    try:
        yield lake
    finally:
        _in_force = before
