"""A lake with given observations and given context, on which the models of land, buildings and resource are built by dbt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import shapely
from resolution_lake import ResolutionLake

from dataflows.elt import run_dbt
from db import connect

STAGED = ("stg_buildings", "stg_parking", "stg_land_cover", "stg_land_use", "stg_solar_resource", "stg_irradiance")
MODELS = ("mount_rules", "prep_pv_land", "prep_pv_buildings", "prep_pv_resource")

FOUND = """
    SELECT observations.source_feature_id, land.*, buildings.* EXCLUDE (installation_id), resource.* EXCLUDE (installation_id)
    FROM prepared.prep_pv_installations AS sites
    JOIN prepared.prep_pv_observations AS observations ON sites.geometry_source = observations.observation_id
    JOIN prepared.prep_pv_land AS land USING (installation_id)
    JOIN prepared.prep_pv_buildings AS buildings USING (installation_id)
    JOIN prepared.prep_pv_resource AS resource USING (installation_id)
"""


@dataclass(frozen=True)
class LandLake:
    """A lake on the target `local` whose observations have been resolved.

    Attributes:
        resolved: holds the golden records.
    """

    resolved: ResolutionLake

    @classmethod
    def of(cls, home: Path, observations: pd.DataFrame) -> LandLake:
        """Canonical columns, ``geometry`` as Shapely objects; missing columns are completed."""
        lake = ResolutionLake.at(home)
        lake.observe(observations)
        lake.resolve("--full-refresh")
        _run(lake, "run", "--empty", "--select", *(f"1+{name}" for name in STAGED))
        return cls(lake)

    def have(self, table: str, rows: pd.DataFrame) -> None:
        """Fill a table of staging; ``geometry`` as Shapely objects, columns that are missing are null."""
        geometry = {"geometry": shapely.to_wkb(rows["geometry"].to_numpy())} if "geometry" in rows else {}
        with connect(lake=self.resolved.settings) as con:
            con.register("given", pa.Table.from_pandas(pd.DataFrame({**dict(rows), **geometry}), preserve_index=False))
            columns = ", ".join(f'"{name}"' for name in rows.columns)
            values = ", ".join("ST_GeomFromWKB(geometry)" if name == "geometry" else f'"{name}"' for name in rows.columns)
            con.execute(f"DELETE FROM lake.staging.{table}")
            con.execute(f"INSERT INTO lake.staging.{table} ({columns}) SELECT {values} FROM given")

    def build(self) -> pd.DataFrame:
        """Build and test the models; their columns by the publisher's id of the observation that gave the geometry."""
        _run(self.resolved, "build", "--select", *MODELS)
        with connect(read_only=True, lake=self.resolved.settings) as con:
            return con.sql(FOUND).df().set_index("source_feature_id")


def _run(lake: ResolutionLake, command: str, *arguments: str) -> None:
    results = run_dbt(command, lake.settings, arguments=("--no-write-json", *arguments))
    assert results
    assert {result.name: result.message[-500:] for result in results if result.failed} == {}
