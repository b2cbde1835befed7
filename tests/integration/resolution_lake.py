"""A lake that holds given observations, resolved by the project's own models, and its tables as comparable rows."""

from __future__ import annotations

import shutil
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field, replace
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import shapely

from benchmarks.entity_resolution import observations
from benchmarks.entity_resolution.placing import degrees
from benchmarks.entity_resolution.worlds import written
from dataflows.elt import run_dbt
from dataflows.raw import landing
from db import Settings, connect
from db.settings import REPOSITORY_ROOT

RESOLUTION = "tag:resolution"
LON, LAT = 10.0, 50.0
# What a resolution leaves; the tables beside them say what the last build had to do
TABLES = (
    *(f"prepared.prep_pv_{name}" for name in ("footprints", "candidates", "evidence", "clusters", "links", "memberships")),
    "prepared.prep_pv_installations",
    *(f"curated.pv_{name}" for name in ("installation_observations", "links", "dataset_overlap")),
    "curated.pv_installation_changes",
)
Rows = dict[str, Counter[str]]


def observation_id(dataset: str, source_feature_id: str) -> str:
    """As the lake completes it."""
    return md5(f"{dataset}|{source_feature_id}".encode(), usedforsecurity=False).hexdigest()


def installation_founded_by(dataset: str, source_feature_id: str) -> str:
    """Id of the installation that an observation founded."""
    return f"pv-{observation_id(dataset, source_feature_id)[:16]}"


def observation(dataset: str, source_feature_id: str, **attributes: Any) -> dict[str, Any]:
    """A row for :meth:`ResolutionLake.observe`; ``duplicate_of`` names dataset and source_feature_id."""
    row = {
        "dataset": dataset,
        "source_feature_id": source_feature_id,
        "observation_id": observation_id(dataset, source_feature_id),
        **{"level": "plant", "trust": "normal", "licence": "CC0-1.0", "commercial_use": "yes"},
        **attributes,
    }
    return {**row, "duplicate_of": observation_id(*row["duplicate_of"])} if row.get("duplicate_of") else row


def square(east_m: float, north_m: float, width_m: float, height_m: float | None = None) -> shapely.Polygon:
    """A rectangle around a place, metres from a place of no importance; degrees."""
    half_width, half_height = width_m / 2, (height_m or width_m) / 2
    west, east = east_m - half_width, east_m + half_width
    south, north = north_m - half_height, north_m + half_height
    corners = np.array([[west, south], [east, south], [east, north], [west, north]])
    return shapely.Polygon(degrees(corners[:, 0], corners[:, 1], LON, LAT))


def point(east_m: float, north_m: float) -> shapely.Point:
    """A place, metres from that place; degrees."""
    return shapely.Point(degrees(np.array(east_m), np.array(north_m), LON, LAT))


@dataclass(frozen=True)
class ResolutionLake:
    """A lake on the target `local`.

    Attributes:
        settings: where it is.
        began: the snapshot at which each resolution began, in order.
        root: holds the dbt project.
    """

    settings: Settings
    began: list[int] = field(default_factory=list)
    root: Path = REPOSITORY_ROOT

    @classmethod
    def at(cls, home: Path) -> ResolutionLake:
        """A fresh one, with the seeds."""
        lake = cls(Settings(home=home, threads=2, _env_file=None))
        with connect(lake=lake.settings) as con:
            landing.VERSIONS.ensure(con)  # dbt refuses a lake into which nothing has ever been landed
        lake.seed()
        return lake

    def copy(self, home: Path) -> ResolutionLake:
        """Another one with the same history."""
        shutil.copytree(self.settings.home, home)
        return replace(self, settings=self.settings.model_copy(update={"home": home}), began=list(self.began))

    def with_project(self, root: Path) -> ResolutionLake:
        """The same lake, for another dbt project."""
        return replace(self, root=root)

    def observe(self, published: pd.DataFrame) -> None:
        """Make these the observations: canonical columns, ``geometry`` as Shapely objects; missing columns are completed."""
        file = self.settings.home / "observations.parquet"
        written(published, file)
        with connect(lake=self.settings) as con:
            observations.replace_by(con, file)

    def seed(self) -> None:
        self._run("seed", "--select", RESOLUTION)

    def resolve(self, *arguments: str, select: str = RESOLUTION, resumes: bool = False) -> None:
        """Resolve; ``resumes`` counts it to the resolution before, which broke off."""
        if not resumes:
            ((snapshot,),) = self.query("SELECT max(snapshot_id) FROM lake.snapshots()")
            self.began.append(snapshot)
        self._run("run", "--select", *select.split(), *arguments)

    def query(self, text: str, as_of: int | None = None) -> list[tuple[Any, ...]]:
        with connect(read_only=True, as_of=as_of, lake=self.settings) as con:
            return con.execute(text).fetchall()

    def records(self, text: str) -> list[dict[str, Any]]:
        with connect(read_only=True, lake=self.settings) as con:
            return _records(con, text)

    def numbered(self, text: str) -> list[dict[str, Any]]:
        """Records with snapshots as the number of the resolution that wrote them."""
        return [self._numbered(record) for record in self.records(text)]

    def rows(self) -> Rows:
        """Each table as a bag of rows, snapshots as the number of the resolution that wrote them."""
        with connect(read_only=True, lake=self.settings) as con:
            return {
                table: Counter(repr([*self._numbered(record).items()]) for record in _records(con, f"FROM {table}"))
                for table in TABLES
            }

    def memberships(self) -> list[tuple[Any, ...]]:
        """The history, snapshots as they are."""
        return self.query("FROM prepared.prep_pv_memberships ORDER BY ALL")

    def last_resolution(self) -> dict[str, Any]:
        (record,) = self.records("FROM prepared.prep_pv_resolutions")
        return record

    def _numbered(self, record: dict[str, Any]) -> dict[str, Any]:
        return {
            name: bisect_right(self.began, value) if name.endswith("snapshot") and value is not None else value
            for name, value in record.items()
        }

    def _run(self, command: str, *arguments: str) -> None:
        results = run_dbt(command, self.settings, arguments=("--no-write-json", *arguments), root=self.root)
        assert results
        assert {result.name: result.message[-500:] for result in results if result.failed} == {}


def difference(one: Rows, other: Rows) -> dict[str, tuple[list[str], list[str]]]:
    """Rows of either that the other has not, by table."""
    return {
        table: (sorted((one[table] - other[table]).elements()), sorted((other[table] - one[table]).elements()))
        for table in one
        if one[table] != other[table]
    }


def _records(con: duckdb.DuckDBPyConnection, text: str) -> list[dict[str, Any]]:
    found = con.execute(text)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
