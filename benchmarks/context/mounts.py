"""How often a rule of ``mount_rules.csv`` is right, where an independent source says how sites are mounted.

USPVDB says it of each of its sites (``p_sys_type``, read from imagery by its makers); Dunnett's clusters of panels come from
OpenStreetMap and say nothing of it. Sites that both list tell how often such a cluster is on the ground. Other rules need
buildings around sites of known mount, which the mirror has of none: :func:`measured` says so for each.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.stats import beta

from benchmarks.entity_resolution.real_lake import MIRROR
from dataflows.elt import PROJECT_DIR

DUNNETT, USPVDB = "global_harmonized_large_solar_farms_2020", "usa_uspvdb_v3_2025"
RULE, MOUNT = "listed_as_farm", "ground"
# Positions of both differ by some 100 m; farther off, neighbours are taken for one another
NEAR_M = 250.0
# Of one kind; what is of several, or floating, no rule decides
KINDS = ("ground", "rooftop", "canopy")
# Of the conterminous United States, metres
ALBERS = "EPSG:5070"
LEVEL = 0.95


def known(mirror: Path = MIRROR) -> pd.DataFrame:
    """Sites of USPVDB with the nearest cluster of Dunnett's within ``NEAR_M``, if the rule is about its area.

    Args:
        mirror: the mirror's folder.

    Returns:
        ``case_id``, ``p_state``, ``mount`` (one of ``KINDS``), ``area_m2`` (of the cluster) and ``distance_m``; one row a
        site, and a cluster.
    """
    (file,) = (mirror / USPVDB).glob("*.csv")
    sites = pd.read_csv(file, encoding="utf-8-sig", usecols=["case_id", "p_state", "p_sys_type", "xlong", "ylat"])
    sites = sites[sites["p_sys_type"].isin(KINDS)]
    places = gpd.GeoSeries.from_xy(sites["xlong"], sites["ylat"], crs="EPSG:4326").to_crs(ALBERS)
    (file,) = (mirror / DUNNETT).glob("*.csv")
    clusters = pd.read_csv(file, usecols=["X", "Y", "GID_0", "landscape.area"]).query("GID_0 == 'USA'").reset_index(drop=True)
    centres = gpd.GeoSeries.from_xy(clusters["X"], clusters["Y"], crs="ESRI:54012").to_crs(ALBERS)
    pairs = gpd.GeoDataFrame(sites, geometry=places).sjoin_nearest(
        gpd.GeoDataFrame({"area_m2": 1e6 * clusters["landscape.area"]}, geometry=centres),
        max_distance=NEAR_M,
        distance_col="distance_m",
    )
    pairs = pairs.sort_values(["distance_m", "case_id"]).drop_duplicates("index_right").drop_duplicates("case_id")
    pairs = pairs[pairs["area_m2"] >= float(rule()["least_area_m2"])].rename(columns={"p_sys_type": "mount"})
    return pd.DataFrame(pairs[["case_id", "p_state", "mount", "area_m2", "distance_m"]]).reset_index(drop=True)


def rules() -> list[dict[str, str]]:
    """Rows of the seed."""
    with (PROJECT_DIR / "seeds" / "mount_rules.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rule() -> dict[str, str]:
    """That of Dunnett's clusters."""
    (row,) = (row for row in rules() if row["dataset"] == DUNNETT)
    return row


def estimate(right: int, sites: int) -> tuple[float, float, float]:
    """Mean and ``LEVEL`` interval of a probability after ``right`` of ``sites``, from Jeffreys' prior, Beta(1/2, 1/2)."""
    low, high = beta.interval(LEVEL, right + 0.5, sites - right + 0.5)
    return (right + 0.5) / (sites + 1), float(low), float(high)


def halves(sites: pd.DataFrame) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Sites of every other state, and the rest; and the other way round."""
    states = sorted(sites["p_state"].unique())
    one = sites["p_state"].isin(states[::2])
    return [(sites[one], sites[~one]), (sites[~one], sites[one])]


def measured(out: Console) -> dict[str, Any]:
    """Print and return the estimate of the rule, what each half of the states says of the other, and what is not known."""
    sites = known()
    found: dict[str, Any] = {"all": _row(sites, sites)}
    found |= {f"half {number}": _row(learnt, held_out) for number, (learnt, held_out) in enumerate(halves(sites), 1)}
    table = Table(title=f"{RULE}: {DUNNETT} of ≥ {rule()['least_area_m2']} m² on the ground, by USPVDB")
    for heading in ("", "learnt from", "probability", "held out", "right", "share right", f"{LEVEL:.0%} interval"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, row in found.items():
        interval = f"{row['low']:.3f}–{row['high']:.3f}"
        counts = (f"{row['learnt_from']:,}", f"{row['probability']:.3f}", f"{row['sites']:,}", f"{row['right']:,}")
        table.add_row(name, *counts, f"{row['right'] / row['sites']:.3f}", interval)
    out.print(table)
    declared = sorted({row["rule"] for row in rules() if row["origin"] == "declared" and row["probability"]})
    out.print(f"No site of known mount to learn from: {', '.join(declared)}", highlight=False)
    return {**found, "declared": declared}


def _row(learnt: pd.DataFrame, held_out: pd.DataFrame) -> dict[str, float]:
    probability, _, _ = estimate(int((learnt["mount"] == MOUNT).sum()), len(learnt))
    right = int((held_out["mount"] == MOUNT).sum())
    _, low, high = estimate(right, len(held_out))
    return {
        "learnt_from": len(learnt),
        "probability": probability,
        "sites": len(held_out),
        "right": right,
        "low": low,
        "high": high,
    }
