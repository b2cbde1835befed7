"""What every commit of a cube says about where it came from: one half of "two histories, one lineage"."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Self

import duckdb
from icechunk import SnapshotInfo
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from db.settings import REPOSITORY_ROOT

KEY = "eopv"


class ItemReference(BaseModel):
    """A STAC item, or one asset of it, that went into a commit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    collection: str
    item_id: str
    version: int | None = Field(default=None, description="Version of the item in landing.stac_items.")
    asset_key: str | None = None
    checksum: str | None = Field(default=None, description="file:checksum of the asset, a multihash in hex.")
    etag: str | None = Field(default=None, description="ETag of the source when it was read or referenced.")


class CommitMetadata(BaseModel):
    """Where a commit came from.

    It stands in the commit under the key ``eopv``; Icechunk's other keys are left alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ducklake_snapshot_id: int | None = Field(default=None, description="Snapshot of the lake that the build read.")
    dbt_invocation_id: str | None = Field(default=None, description="The dbt run that built the tables it read.")
    code_version: str = Field(default_factory=lambda: code_version())
    parameters: dict[str, Any] = Field(default_factory=dict, description="Arguments of the build, as JSON.")
    items: tuple[ItemReference, ...] = Field(default=(), description="What this commit added, and nothing older.")

    def as_properties(self) -> dict[str, Any]:
        """The form that Icechunk stores."""
        return {KEY: self.model_dump(mode="json", exclude_defaults=False, exclude_none=True)}

    @classmethod
    def reading(cls, lake: duckdb.DuckDBPyConnection, **more: Any) -> Self:
        """Metadata of a build that reads the lake as it is now.

        Args:
            lake: connection.
            more: other fields.
        """
        newest, built = lake.execute(
            """
            SELECT max(snapshot_id), max_by(commit_extra_info ->> 'dbt_invocation_id', snapshot_id)
                FILTER (commit_extra_info ->> 'dbt_invocation_id' IS NOT NULL)
            FROM lake.snapshots()
            """
        ).fetchone() or (None, None)
        return cls(ducklake_snapshot_id=newest, dbt_invocation_id=built, **more)

    @classmethod
    def of(cls, snapshot: SnapshotInfo) -> Self | None:
        """What a commit says; ``None`` for one that is not ours, such as the first of a repository."""
        try:
            return cls.model_validate(snapshot.metadata[KEY])
        except (KeyError, ValidationError):
            return None


@lru_cache(maxsize=1)
def code_version() -> str:
    """The version of this code: ``git describe`` in a checkout, else the installed package's version."""
    package = version("eo-pv-lakehouse")
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--tags"],  # noqa: S607 - whichever git is on the path
            cwd=REPOSITORY_ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return package
    return f"{package}+{described.stdout.strip()}"
