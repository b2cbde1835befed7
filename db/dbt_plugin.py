"""dbt-duckdb plugin: gives dbt the same connection as everything else, so that no secret stands in ``profiles.yml``."""

from __future__ import annotations

from typing import Any

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from db.connection import attach, engine_config, prepare
from db.extensions import TRUST_WHEELS
from db.settings import Settings, Target, load_settings, settings


class Plugin(BasePlugin):
    """Prepares dbt's in-memory DuckDB and attaches the lake before dbt's own (then idle) ``ATTACH IF NOT EXISTS``.

    Configuration in the profile: ``target`` (local, dev or prod) and, for MotherDuck, ``motherduck: true``.
    """

    lake: Settings
    motherduck: bool

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Read the settings of the profile's target."""
        self.motherduck = bool(plugin_config.get("motherduck", False))
        target = Target(plugin_config["target"])
        in_force = settings()
        self.lake = in_force if in_force.target is target else load_settings(target=target)

    def update_connection_config(self, creds: Any, config: dict[str, Any]) -> None:
        """Add the engine's options, and MotherDuck's token where it is used."""
        config.update(engine_config(self.lake))
        if not self.motherduck:
            # MotherDuck's own extension comes from its servers before others are loaded
            config.update(TRUST_WHEELS)
        elif self.lake.motherduck_token is not None:
            config["motherduck_token"] = self.lake.motherduck_token.get_secret_value()

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Load extensions, register functions, create secrets and attach the lake."""
        prepare(conn, self.lake)
        attach(conn, self.lake)
