"""Benchmark 3: generated worlds whose truth is known; F1 over pairs, and whether all overlapping pairs are candidates."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import shapely
from rich.console import Console
from rich.table import Table

from benchmarks.entity_resolution.observations import COMPLETED
from benchmarks.entity_resolution.real_lake import FOLDER
from benchmarks.entity_resolution.resolving import Resolution, resolve
from benchmarks.entity_resolution.scores import score
from benchmarks.entity_resolution.world import NEIGHBOURS, VIEWS, Setting, observed, published

MODERATE = Setting("moderate")
VARIED = {
    "jitter": (0.0, 0.05, 0.2, 0.3, 0.5),
    "partial": (0.0, 0.5, 0.8),
    "gap": (0.05, 0.1, 0.25, 1.0),
    "density": (0.0, 1.0),
}
PLACES = {"antimeridian": {"lon": 180.0, "lat": -17.0}, "latitude 70": {"lat": 70.0}}
# Worlds of one run lie side by side in one lake: evidence and guards look at no pair further apart than this
DEGREES_APART = 6.0
WEST = -170.0


def settings() -> list[Setting]:
    """The moderate setting, one thing varied at a time, and the moderate one in awkward places."""
    varied = [
        replace(MODERATE, name=f"{thing} {value}", **{thing: value}) for thing, values in VARIED.items() for value in values
    ]
    here = [replace(setting, lon=WEST + number * DEGREES_APART) for number, setting in enumerate([MODERATE, *varied])]
    return [*here, *(replace(MODERATE, name=name, **place) for name, place in PLACES.items())]


def worlds(chosen: list[Setting]) -> pd.DataFrame:
    """Observations of all settings; no two worlds share a name."""
    words = (NEIGHBOURS[1] + 1) * max(setting.groups for setting in chosen)
    found = [observed(setting, number * words) for number, setting in enumerate(chosen)]
    return pd.concat(found, ignore_index=True)


def written(observations: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Write the file, and return the observations with the ids that the lake gives them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        con.register("given", published(observations))
        con.execute(f"COPY (FROM given) TO '{file}' (FORMAT parquet)")
        ids = con.execute(f"SELECT {COMPLETED['observation_id']} FROM given").fetchall()
    return observations.assign(observation_id=[identifier for (identifier,) in ids])


def true_pairs(observations: pd.DataFrame) -> pd.DataFrame:
    """Pairs (``a`` < ``b``, observation ids) of one site in two datasets."""
    columns = ["setting", "site", "dataset", "observation_id"]
    both = observations[columns].merge(observations[columns], on=["setting", "site"])
    both = both[both["observation_id_x"] < both["observation_id_y"]]
    return both.rename(columns={"observation_id_x": "a", "observation_id_y": "b"})[["setting", "a", "b"]].reset_index(drop=True)


def overlapping_pairs(observations: pd.DataFrame) -> pd.DataFrame:
    """Pairs (``a`` < ``b``) of two datasets whose geometries meet, by brute force."""
    geometry = observations["geometry"].to_numpy()
    one, other = shapely.STRtree(geometry).query(geometry, predicate="intersects")
    ids, datasets = (observations[name].to_numpy() for name in ("observation_id", "dataset"))
    meet = (ids[one] < ids[other]) & (datasets[one] != datasets[other])
    one, other = one[meet], other[meet]
    return pd.DataFrame({"setting": observations["setting"].to_numpy()[one], "a": ids[one], "b": ids[other]})


def found_pairs(resolution: Resolution) -> pd.DataFrame:
    """Pairs (``a`` < ``b``) of two datasets in one installation."""
    members = "lake.curated.pv_installation_observations"
    with resolution.connect() as con:
        return con.execute(
            f"""SELECT a.observation_id AS a, b.observation_id AS b
            FROM {members} AS a JOIN {members} AS b USING (installation_id)
            WHERE a.observation_id < b.observation_id AND a.dataset != b.dataset"""
        ).df()


def candidates(resolution: Resolution) -> pd.DataFrame:
    """Pairs (``a`` < ``b``) that are candidates."""
    sites = "lake.prepared.prep_pv_footprints"
    with resolution.connect() as con:
        return con.execute(
            f"""SELECT least(a.observation_id, b.observation_id) AS a, greatest(a.observation_id, b.observation_id) AS b
            FROM lake.prepared.prep_pv_candidates
            JOIN {sites} AS a ON key_a = a.observation_key JOIN {sites} AS b ON key_b = b.observation_key"""
        ).df()


def measure(out: Console) -> dict[str, Any]:
    """Run the benchmark, print its table and return it."""
    chosen = settings()
    observations = written(worlds(chosen), FOLDER / "worlds.parquet")
    resolution = resolve(FOLDER / "worlds.parquet", FOLDER / "worlds")
    rows = compare(chosen, observations, found_pairs(resolution), candidates(resolution))
    out.print(_as_table(rows))
    return {"datasets": [asdict(view) for view in VIEWS], "settings": rows}


def compare(
    chosen: list[Setting], observations: pd.DataFrame, found: pd.DataFrame, compared: pd.DataFrame
) -> list[dict[str, Any]]:
    """One record a setting."""
    by_id = observations.set_index("observation_id")["setting"]
    found = found.assign(setting=found["a"].map(by_id))
    true, overlapping = true_pairs(observations), overlapping_pairs(observations)
    rows = []
    for setting in chosen:
        of_setting = [pairs.loc[pairs["setting"] == setting.name, ["a", "b"]] for pairs in (found, true, overlapping)]
        meeting = of_setting[2]
        seen = observations[observations["setting"] == setting.name]
        rows.append(
            {
                **asdict(setting),
                "observations": len(seen),
                "sites": int(seen["site"].nunique()),
                **score(of_setting[0], of_setting[1]).document(),
                "overlapping": len(meeting),
                "overlapping_compared": len(meeting.merge(compared, on=["a", "b"])),
            }
        )
    return rows


def _as_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Generated worlds: pairs of one site in two datasets")
    table.add_column("setting")
    for heading in ("observations", "sites", "true pairs", "precision", "recall", "F1", "overlapping", "of them candidates"):
        table.add_column(heading, justify="right")
    for row in rows:
        share = row["overlapping_compared"] / row["overlapping"] if row["overlapping"] else 1.0
        counts = (f"{row[name]:,}" for name in ("observations", "sites", "true"))
        measures = (f"{row[name]:.4f}" for name in ("precision", "recall", "f1"))
        table.add_row(row["name"], *counts, *measures, f"{row['overlapping']:,}", f"{share:.2%}")
    return table
