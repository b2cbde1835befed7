"""Small worlds of observations and links: rows as dictionaries, tables of them, and a strategy that draws them at random."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

type Row = dict[str, Any]

OBSERVATIONS = pa.schema(
    {
        "observation_key": pa.uint64(),
        "dataset": pa.string(),
        "level": pa.string(),
        "trust": pa.string(),
        "one_row_per_site": pa.bool_(),
        "lon_deg": pa.float64(),
        "lat_deg": pa.float64(),
        "extent_cap_m": pa.float64(),
    }
)
LINKS = pa.schema(
    {
        "key_a": pa.uint64(),
        "key_b": pa.uint64(),
        "match_probability": pa.float64(),
        "iou": pa.float64(),
        "distance_m": pa.float64(),
        "same_site": pa.bool_(),
        "by_attribute": pa.bool_(),
        "part_key": pa.uint64(),
    }
)


def observation(key: int, dataset: str = "", **changes: Any) -> Row:
    """An observation; its dataset is its own unless one is named."""
    row = {"observation_key": key, "dataset": dataset or f"dataset_{key}", "level": "plant", "trust": "normal"}
    row |= {"one_row_per_site": True, "lon_deg": 10.0, "lat_deg": 50.0, "extent_cap_m": 1000.0}
    return row | changes


def link(key_a: int, key_b: int, probability: float = 0.99, **changes: Any) -> Row:
    """A same-site link."""
    row = {"key_a": key_a, "key_b": key_b, "match_probability": probability, "iou": 0.0, "distance_m": 10.0}
    return row | {"same_site": True, "by_attribute": False, "part_key": None} | changes


def part(key: int, whole: int, probability: float = 0.99, **changes: Any) -> Row:
    """A link that says only that one observation lies within another one."""
    return link(min(key, whole), max(key, whole), probability, **{"same_site": False, "part_key": key} | changes)


@dataclass(frozen=True)
class World:
    """What is to be resolved."""

    observations: list[Row]
    links: list[Row]

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """As the function under test takes them."""
        return pa.Table.from_pylist(self.observations, OBSERVATIONS), pa.Table.from_pylist(self.links, LINKS)


# dataset → (one row a site, trust)
DATASETS = {"a": (True, "reference"), "b": (True, "normal"), "m": (False, "normal"), "x": (True, "low"), "y": (False, "low")}
LATTICE_DEG = 0.001
CAPS_M = (0.0, 97.3, 251.7, 1003.1)


@st.composite
def worlds(draw: st.DrawFn, max_size: int = 9) -> World:
    """Few observations on a lattice of about 100 m, many ties among their links, anywhere and on the antimeridian."""
    keys = draw(st.lists(st.integers(1, 2**64 - 1), min_size=1, max_size=max_size, unique=True))
    west, south = draw(st.sampled_from([(10.0, 50.0), (179.9985, -17.0), (-0.0015, 0.0), (-120.0, 88.9)]))
    observations = []
    for key in keys:
        dataset = draw(st.sampled_from(sorted(DATASETS)))
        exclusive, trust = DATASETS[dataset]
        lon = west + draw(st.integers(0, 3)) * LATTICE_DEG
        place = {"lon_deg": lon - 360 if lon > 180 else lon, "lat_deg": south + draw(st.integers(0, 3)) * LATTICE_DEG}
        kind = {"level": draw(st.sampled_from(["plant", "plant", "rooftop"])), "trust": trust, "one_row_per_site": exclusive}
        cap = {"extent_cap_m": draw(st.sampled_from(CAPS_M))}
        observations.append(observation(key, dataset, **place, **kind, **cap))
    links = []
    for pair in combinations(sorted(keys), 2):
        if draw(st.booleans()):
            evidence = {"iou": draw(st.sampled_from([0.0, 0.5])), "distance_m": draw(st.sampled_from([5.0, 150.0]))}
            nature = {"same_site": draw(st.integers(0, 3)) > 0, "by_attribute": draw(st.integers(0, 3)) == 0}
            within = draw(st.sampled_from([None, None, *pair]))
            probability = draw(st.sampled_from([0.9, 0.95, 0.99]))
            links.append(link(*pair, probability, **evidence, **nature, part_key=within))
    return World(observations, links)
