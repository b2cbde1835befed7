"""The lake of all real datasets of the mirror, up to the union of their observations; built where it is missing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import duckdb

from benchmarks.entity_resolution import observations
from benchmarks.entity_resolution.resolving import Resolution, lake_at, load, run
from benchmarks.reporting import CACHE
from dataflows.elt import run_dbt
from dataflows.raw.ingest import Options
from dataflows.raw.ingest_run import ingest
from db import Settings, connect
from db.settings import REPOSITORY_ROOT
from ingest.manifest import load_manifest

MIRROR = REPOSITORY_ROOT.parent / "shared" / "mirror"
FOLDER = CACHE / "entity_resolution"
FILE = FOLDER / "observations.parquet"


def real_lake() -> Settings:
    """The lake, ingested from the mirror and built up to ``prep_pv_observations``.

    Raises:
        FileNotFoundError: there is no mirror.
        RuntimeError: a dataset that the mirror holds could not be landed, or a model failed.
    """
    home = FOLDER / "real"
    if home.exists():
        return lake_at(home)
    if not MIRROR.is_dir():
        raise FileNotFoundError(f"no mirror of real data at {MIRROR}")
    scratch = home.with_name(f".real.{os.getpid()}")
    lake = lake_at(scratch)
    outcomes = ingest(load_manifest().available(), Options(lake, mirror=str(MIRROR), offline=True, export=False, workers=2))
    results = run_dbt("build", lake, arguments=("--select", "+prep_pv_observations", "--resource-types", "seed", "model"))
    if failures := [outcome.error for outcome in outcomes if outcome.status == "failed"] + [
        r.message for r in results if r.failed
    ]:
        raise RuntimeError("\n".join(map(str, failures)))
    scratch.rename(home)
    return lake_at(home)


def real_observations() -> Path:
    """All real observations as a file."""
    if not FILE.exists():
        with connect(read_only=True, lake=real_lake()) as con:
            observations.export(con, FILE)
    return FILE


def all_resolved() -> Resolution:
    """All real observations, resolved; in a lake that is there already, only what is new."""
    lake = lake_at(FOLDER / "mirror")
    load(real_observations(), lake)
    return run(lake)


def selected(name: str, query: str) -> Path:
    """A file of those observations that a query over the real ones yields.

    Args:
        name: of the file in the cache.
        query: gives canonical columns, ``geometry`` as WKB; ``{file}`` stands for all real observations.
    """
    file = FOLDER / f"{name}.parquet"
    with duckdb.connect() as con:
        con.execute(f"COPY ({query.format(file=f"read_parquet('{real_observations()}')")}) TO '{file}' (FORMAT parquet)")
    return file


def datasets_query(datasets: Sequence[str]) -> str:
    """Query for :func:`selected`: the observations of some datasets."""
    listed = ", ".join(f"'{dataset}'" for dataset in datasets)
    return f"FROM {{file}} WHERE dataset IN ({listed})"
