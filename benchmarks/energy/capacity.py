"""Capacity from area on held-out sites of USPVDB (states) and UFZ (degree cells), against flat densities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.energy.learn import SEED_FILE
from benchmarks.energy.learning import terms
from benchmarks.energy.pairs import pairs

LITERATURE_W_M2 = 44.2
"""The flat figure of the literature that the issue names."""

COEFFICIENTS = ["ln_w_m2", "per_year", "per_lat_deg", "per_ln_area"]


def predicted(sites: pd.DataFrame, seed: pd.DataFrame) -> pd.DataFrame:
    """``median``, ``low`` and ``high`` of ``ln_density``, and the ``density_model``, as ``prep_pv_capacity`` finds them."""
    found = pd.DataFrame(index=sites.index, columns=["density_model", "median", "low", "high"])
    for row in seed.sort_values("precedence").to_dict("records"):
        fits = found["density_model"].isna() & (sites["installed_year"].notna() | (not row["uses_year"]))
        for name in ("outline", "mount", "axis"):
            fits &= (row[name] == "any") | (sites[name] == row[name])
        median = np.nan_to_num(terms(sites[fits], row)) @ np.array([row[name] for name in COEFFICIENTS])
        found.loc[fits, "density_model"] = row["density_model"]
        found.loc[fits, "median"] = median
        found.loc[fits, "low"] = median + np.log(row["low_factor"])
        found.loc[fits, "high"] = median + np.log(row["high_factor"])
    return found.astype({"median": float, "low": float, "high": float})


def measure(out: Console) -> dict[str, Any]:
    """Print and return the errors of each way on each set of held-out sites."""
    return compared(out, pairs())


def compared(out: Console, sites: pd.DataFrame) -> dict[str, Any]:
    """The same of given sites, columns as of :func:`benchmarks.energy.pairs.pairs`."""
    seed = pd.read_csv(SEED_FILE)
    sets = {
        "USPVDB, held-out states": (sites["dataset"] == "usa_uspvdb_v3_2025"),
        "of them, of 3 ha or more": (sites["dataset"] == "usa_uspvdb_v3_2025") & sites["representative"],
        "UFZ, held-out cells": (sites["dataset"] == "deu_ufz_open_field_pv_2015"),
        "of them, not marked implausible": (sites["dataset"] == "deu_ufz_open_field_pv_2015") & sites["representative"],
    }
    table = Table(title="DC capacity from area on held-out sites (error of the estimate; bias is the median error)")
    for heading in ("sites", "n", "density", "MAPE", "median error", "bias", "sum of MW", "in 90 % interval"):
        table.add_column(heading, justify="left" if heading in ("sites", "density") else "right")
    measured = {}
    for name, chosen in sets.items():
        test = sites[chosen & sites["is_test"]]
        known = sites[chosen & ~sites["is_test"] & sites["representative"]]
        model = predicted(test, seed)
        covered = ((test["ln_density"] >= model["low"]) & (test["ln_density"] <= model["high"])).mean()
        ways = {
            "model": model["median"].to_numpy(),
            f"{LITERATURE_W_M2} W/m²": np.full(len(test), np.log(LITERATURE_W_M2)),
            "median of the others": np.full(len(test), known["ln_density"].median()),
        }
        for way, ln_density in ways.items():
            errors = _errors(test, ln_density)
            coverage = f"{100 * covered:.1f} %" if way == "model" else ""
            shown = [f"{errors[key]:.1f} %" for key in ("mape_pct", "median_error_pct", "bias_pct", "sum_error_pct")]
            table.add_row(name, f"{len(test):,}", way, *shown, coverage)
            measured[f"{name}: {way}"] = {"n": len(test), **errors, "coverage": covered if way == "model" else None}
    out.print(table)
    return measured


def _errors(sites: pd.DataFrame, ln_density: NDArray[np.float64]) -> dict[str, float]:
    error = 100 * (np.exp(ln_density - sites["ln_density"]) - 1)
    total_mw = (np.exp(ln_density) * sites["area_m2"]).sum() / 1e6
    return {
        "mape_pct": float(error.abs().mean()),
        "median_error_pct": float(error.abs().median()),
        "bias_pct": float(error.median()),
        "sum_error_pct": float(100 * (total_mw / sites["capacity_mw_dc"].sum() - 1)),
    }
