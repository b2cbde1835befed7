"""Splink 5 on the same two sources, set up as its documentation advises: unsupervised, blocked, then greedy one-to-one.

Names are compared without the words that most of them share, capacities by their ratio, years by their difference, places by
distance. Blocking: H3 cells of about 8 km with their neighbours, so that no pair within 10 km is lost.
"""

from __future__ import annotations

import re

import duckdb
import numpy as np
import pandas as pd
import splink.comparison_level_library as levels
from h3ronpy import grid_disk
from h3ronpy.vector import coordinates_to_cells
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.comparison_library import CustomComparison

from benchmarks.entity_resolution.sites import Sites

BLOCK_RESOLUTION = 5
SEED = 20_261_120
SHARED_WORDS = re.compile(
    r"\b(solar|pv|photovoltaic|farm|park|plant|project|power|energy|facility|station|center|centre|array|generating|generation"
    r"|llc|inc|corp|co|lp|ltd|company|the|of|at)\b"
)


def probabilities(known: Sites) -> pd.DataFrame:
    """Blocked pairs of both sources (``uspvdb``, ``gppd``) with Splink's match ``probability``."""
    con = duckdb.connect()
    database = DuckDBAPI(con)
    tables = [
        database.register(_prepared(frame, neighbours=neighbours), dataset_display_name=name)
        for name, frame, neighbours in (("a_uspvdb", known.uspvdb, True), ("b_gppd", known.gppd, False))
    ]
    linker = Linker(tables, _settings(), log_level=None)
    training = linker.training
    training.estimate_probability_two_random_records_match([block_on("name", "near_cell")], recall=0.3)
    training.estimate_u_using_random_sampling(max_pairs=5e6, seed=SEED)
    # Each comparison is learnt in the session that is not blocked by it
    for rule in (block_on("name"), block_on("near_cell")):
        training.estimate_parameters_using_expectation_maximisation(rule, record_sample_proportion=1.0)
    found = linker.inference.predict().as_pandas_dataframe()
    return found.rename(columns={"unique_id_l": "uspvdb", "unique_id_r": "gppd", "match_probability": "probability"})[
        ["uspvdb", "gppd", "probability"]
    ]


def _prepared(frame: pd.DataFrame, *, neighbours: bool) -> pd.DataFrame:
    lat, lon = frame["lat"].to_numpy(), frame["lon"].to_numpy()
    cells = coordinates_to_cells(lat, lon, BLOCK_RESOLUTION)
    lists = grid_disk(cells, 1).to_pylist() if neighbours else [[cell] for cell in cells.to_pylist()]
    names = frame["name"].str.lower().str.replace(r"[^a-z0-9]+", " ", regex=True).str.replace(SHARED_WORDS, " ", regex=True)
    names = names.str.split().str.join(" ")
    return pd.DataFrame(
        {
            "unique_id": frame.index,
            "name": names.where(names.str.len() > 0),
            "capacity_mw": frame["capacity_mw"],
            "installed_year": frame["installed_year"].astype("float64"),
            "lat": lat,
            "lon": lon,
            "near_cell": np.asarray(coordinates_to_cells(lat, lon, 7)),
            "cells": lists,
        }
    )


def _settings() -> SettingsCreator:
    ratio = "greatest(capacity_mw_l, capacity_mw_r) / nullif(least(capacity_mw_l, capacity_mw_r), 0)"
    years = "abs(installed_year_l - installed_year_r)"
    return SettingsCreator(
        link_type="link_only",
        blocking_rules_to_generate_predictions=[block_on("cells", arrays_to_explode=["cells"])],
        comparisons=[
            CustomComparison(
                output_column_name="name",
                comparison_levels=[
                    levels.NullLevel("name"),
                    levels.ExactMatchLevel("name", term_frequency_adjustments=True),
                    levels.JaroWinklerLevel("name", 0.95),
                    levels.Or(levels.JaroWinklerLevel("name", 0.88), levels.LevenshteinLevel("name", 2)),
                    levels.JaroWinklerLevel("name", 0.75),
                    levels.ElseLevel(),
                ],
            ),
            CustomComparison(
                output_column_name="place",
                comparison_levels=[
                    levels.NullLevel("lat"),
                    *(levels.DistanceInKMLevel("lat", "lon", km) for km in (0.1, 0.3, 1, 3, 10)),
                    levels.ElseLevel(),
                ],
            ),
            CustomComparison(
                output_column_name="capacity",
                comparison_levels=[
                    levels.NullLevel("capacity_mw"),
                    *(levels.CustomLevel(f"{ratio} <= {most}") for most in (1.02, 1.15, 1.5, 3)),
                    levels.ElseLevel(),
                ],
            ),
            CustomComparison(
                output_column_name="installed_year",
                comparison_levels=[
                    levels.NullLevel("installed_year"),
                    *(levels.CustomLevel(f"{years} <= {most}") for most in (0, 1, 3)),
                    levels.ElseLevel(),
                ],
            ),
        ],
    )
