"""Generated polygon observations for the speed benchmark: six datasets, sites clustered in towns, 10 m² to 10⁷ m²."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from benchmarks.entity_resolution.placing import degrees
from benchmarks.entity_resolution.words import word

SEED = 20_261_120
DATASETS = 6
# A dataset knows every second site, hence half of six observations a site
KNOWN_SHARE = 0.5
SITES_PER_TOWN = 670
TOWN_RADIUS_M = 3_000.0
# Towns lie as dense however many there are: 540,000 observations fill 30° by 23°
TOWNS_PER_DEGREE2 = 0.39
WEST, SOUTH = -5.0, 37.0
MEDIAN_AREA_M2, SIGMA = 400.0, 2.2
AREA_M2 = (10.0, 1e7)
LEVELS = [(1e3, "rooftop"), (2e4, "array"), (np.inf, "plant")]
VERTICES = 8
# Datasets that give names and capacities, of plants only
WITH_ATTRIBUTES = (0, 1)
M2_PER_MW = 20_000.0
CHUNK = 200_000


def sites(count: int, random: np.random.Generator) -> pd.DataFrame:
    """True sites: ``lon``, ``lat``, ``area_m2``, ``level``, ``town``."""
    towns = max(1, round(count / SITES_PER_TOWN))
    breadth = np.sqrt(towns / TOWNS_PER_DEGREE2)
    town_lon, town_lat = (
        WEST + random.uniform(0, breadth * 1.15, towns),
        SOUTH + random.uniform(0, min(breadth / 1.15, 35), towns),
    )
    town = random.integers(towns, size=count)
    place = degrees(*random.normal(0, TOWN_RADIUS_M, (2, count)), town_lon[town], town_lat[town])
    area = np.clip(np.exp(random.normal(np.log(MEDIAN_AREA_M2), SIGMA, count)), *AREA_M2)
    level = np.array([name for _, name in LEVELS])[np.searchsorted([most for most, _ in LEVELS], area, side="right")]
    return pd.DataFrame({"lon": place[:, 0], "lat": place[:, 1], "area_m2": area, "level": level, "town": town})


def observed(known: pd.DataFrame, random: np.random.Generator, first: int = 0) -> pd.DataFrame:
    """One observation of each row of sites: star-shaped outlines, a tenth of the site's size apart."""
    count = len(known)
    side = np.sqrt(known["area_m2"].to_numpy())
    shift = random.normal(0, 0.1, (2, count)) * side
    centre = degrees(shift[0], shift[1], known["lon"].to_numpy(), known["lat"].to_numpy())
    angle = (np.arange(VERTICES) + random.uniform(0, 0.6, (count, VERTICES))) * (2 * np.pi / VERTICES)
    radius = (side * random.uniform(0.9, 1.1, count) / np.sqrt(np.pi) * 1.1)[:, None] * random.uniform(
        0.8, 1.1, (count, VERTICES)
    )
    rings = degrees(radius * np.cos(angle), radius * np.sin(angle), centre[:, :1], centre[:, 1:])
    named = known["dataset"].isin(WITH_ATTRIBUTES) & (known["level"] == "plant")
    return pd.DataFrame(
        {
            "dataset": "generated_" + known["dataset"].astype(str),
            "source_feature_id": np.arange(first, first + count).astype(str),
            "geometry": shapely.to_wkb(shapely.polygons(rings)),
            "level": known["level"],
            "name": [
                f"{word(town)} {word(site % 300_000)} Solar" if has_name else None
                for town, site, has_name in zip(known["town"], known["site"], named, strict=True)
            ],
            "capacity_mw": (known["area_m2"] / M2_PER_MW).round(1).where(named),
        }
    )


def written(count: int, cache: Path) -> tuple[Path, Path]:
    """Files of about ``count`` observations and of one per cent more, by a seventh dataset; written where they are missing."""
    files = cache / f"generated_{count}.parquet", cache / f"generated_{count}_more.parquet"
    if all(file.exists() for file in files):
        return files
    random = np.random.default_rng(SEED)
    true = sites(round(count / DATASETS / KNOWN_SHARE), random)
    true["site"] = np.arange(len(true))
    known = np.argwhere(random.random((len(true), DATASETS)) < KNOWN_SHARE)
    known = known[random.permutation(len(known))]
    more = random.choice(len(true), size=round(count / 100), replace=False)
    _write(true.iloc[known[:, 0]].assign(dataset=known[:, 1]), random, files[0])
    _write(true.iloc[more].assign(dataset=DATASETS), random, files[1])
    return files


def _write(known: pd.DataFrame, random: np.random.Generator, file: Path) -> None:

    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    writer = None
    for first in range(0, len(known), CHUNK):
        rows = observed(known.iloc[first : first + CHUNK].reset_index(drop=True), random, first)
        table = pa.Table.from_pandas(rows, preserve_index=False)
        writer = writer or pq.ParquetWriter(part, table.schema)
        writer.write_table(table.cast(writer.schema))
    if writer is not None:
        writer.close()
    part.rename(file)
