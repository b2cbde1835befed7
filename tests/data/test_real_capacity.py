"""Capacity from area on real sites that the densities were not learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest
from conftest import RealLake
from rich.console import Console

from benchmarks.energy.capacity import compared
from benchmarks.energy.learn import SEED_FILE
from benchmarks.energy.learning import KINDS
from benchmarks.energy.pairs import pairs

# One process, one lake
pytestmark = [pytest.mark.realdata, pytest.mark.xdist_group("real_lake")]


@pytest.fixture(scope="module")
def sites(real_lake: RealLake) -> pd.DataFrame:
    return pairs(real_lake.settings)


@pytest.fixture(scope="module")
def errors(sites: pd.DataFrame) -> Mapping[str, dict[str, Any]]:
    return compared(Console(quiet=True), sites)


@pytest.mark.parametrize(
    ("held_out", "least_coverage"), [("USPVDB, held-out states", 0.88), ("of them, not marked implausible", 0.85)]
)
def test_the_model_beats_flat_densities_and_its_interval_holds(errors, held_out: str, least_coverage: float) -> None:
    model = errors[f"{held_out}: model"]
    for flat in ("44.2 W/m²", "median of the others"):
        other = errors[f"{held_out}: {flat}"]
        assert model["mape_pct"] < other["mape_pct"]
        assert model["median_error_pct"] < other["median_error_pct"]
    assert least_coverage < model["coverage"] < 0.95
    assert abs(model["sum_error_pct"]) < 10


def test_the_seed_was_learnt_from_these_sites(sites: pd.DataFrame) -> None:
    seed = pd.read_csv(SEED_FILE).set_index("density_model")
    learnt_from = sites[~sites["is_test"]]
    for kind in KINDS:
        assert seed.loc[f"{kind.outline}_{kind.mount}_{kind.axis}_any", "n_sites"] == len(kind.select(learnt_from))
