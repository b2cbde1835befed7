"""All observations of the mirror's datasets, located by the project's own models in a lake with Natural Earth and counties."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import geopandas as gpd
import pyarrow as pa
import shapely

from benchmarks.context.boundaries import boundaries
from benchmarks.entity_resolution.real_lake import MIRROR, real_lake, real_observations
from benchmarks.entity_resolution.resolving import lake_at
from dataflows.elt import run_dbt
from dataflows.raw.context_ingest import ContextOptions, ingest_contexts
from db import Settings, connect
from ingest.context_manifest import load_context_manifest

CONTEXTS = ("natural_earth_admin_0", "natural_earth_admin_1")
LOCATING = ("prep_h3_admin", "prep_pv_admin_covering", "prep_pv_admin_open", "prep_pv_admin_nearby", "prep_pv_admin")


def located(cache: Path) -> Settings:
    """The lake; ``prepared.prep_pv_admin`` has observation ids for those of installations. Made where it is missing.

    Raises:
        FileNotFoundError: there is no mirror.
        RuntimeError: something could not be ingested, or a model failed.
    """
    home = cache / "located"
    if home.exists():
        return lake_at(home)
    observations = real_observations()
    scratch = home.with_name(f".located.{os.getpid()}")
    shutil.copytree(real_lake().home, scratch)
    lake = lake_at(scratch)
    manifest = load_context_manifest()
    outcomes = ingest_contexts([manifest[key] for key in CONTEXTS], ContextOptions(lake, mirror=str(MIRROR), offline=True))
    if failures := [str(outcome.error) for outcome in outcomes if outcome.status not in ("landed", "unchanged")]:
        raise RuntimeError("\n".join(failures))
    _run(lake, "+stg_admin_areas")
    with connect(lake=lake) as con:
        con.execute(
            "CREATE OR REPLACE TABLE prepared.prep_pv_installations AS SELECT observation_id AS installation_id,"
            f" centroid_lon_deg, centroid_lat_deg, h3_r8 FROM read_parquet('{observations}') WHERE h3_r8 IS NOT NULL"
        )
        _add_counties(con, boundaries(cache).get("us_counties"))
    _run(lake, *LOCATING)
    scratch.rename(home)
    return lake_at(home)


def _run(lake: Settings, *models: str) -> None:
    results = run_dbt("build", lake, arguments=("--select", *models, "--resource-types", "seed", "model"))
    if failures := [result.message for result in results if result.failed]:
        raise RuntimeError("\n".join(failures))


def _add_counties(con: duckdb.DuckDBPyConnection, file: Path | None) -> None:
    """Counties as a further level beside the regions of Natural Earth; their FIPS codes are the ids."""
    if file is None:
        return
    frame = gpd.read_parquet(file)
    given = {"area_id": frame["area_id"], "name": frame["name"], "geometry": shapely.to_wkb(frame.geometry.to_numpy())}
    con.register("given_counties", pa.table(given))
    con.execute(
        """
        INSERT INTO staging.stg_admin_areas BY NAME
        SELECT area_id, 'natural_earth' AS source, 'us-atlas 3' AS release, 'county' AS level, name, 'US' AS country_iso2,
            'USA' AS country_iso3, false AS is_disputed, ST_GeomFromWKB(geometry) AS geometry, 'valid' AS geometry_status
        FROM given_counties
        """
    )
