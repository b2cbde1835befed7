"""Benchmark 1: USPVDB and GPPD, matched without their EIA plant codes; precision, recall and F1 on the held-out states."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.entity_resolution import point_rules, splink_contender
from benchmarks.entity_resolution.distances import between
from benchmarks.entity_resolution.real_lake import FOLDER, selected
from benchmarks.entity_resolution.resolving import Resolution, resolve
from benchmarks.entity_resolution.scores import score
from benchmarks.entity_resolution.sites import GPPD, HELD_OUT, HIDDEN, TRAINING, USPVDB, Sites, facts, sites

OURS = "this method"
BANDS_M = (0, 50, 190, 500, 1_000, 2_500, 10_000, np.inf)
# The predecessor's H3_DEDUP_RES, and the resolution at which its rule does best on points
CELL_RESOLUTIONS = (12, 8)
WORST = 10
THRESHOLDS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99)

Contenders = dict[str, pd.DataFrame]


def contenders(known: Sites, resolution: Resolution) -> Contenders:
    """The pairs that each contender finds, over both halves."""
    return {
        "nearest ≤ 1 km": point_rules.nearest_within(known, 1_000),
        **{f"same H3 cell, res {resolution}": point_rules.same_cell(known, resolution) for resolution in CELL_RESOLUTIONS},
        "distance ≤ 190 m": point_rules.within_radius(known, 190),
        "distance ≤ f(size)": point_rules.within_scaled_radius(known),
        "Splink 5": _splink(known),
        OURS: joined(resolution),
    }


def joined(resolution: Resolution) -> pd.DataFrame:
    """Pairs of both sources in one installation."""
    with resolution.connect() as con:
        return con.execute(
            f"""SELECT u.observation_id AS uspvdb, g.observation_id AS gppd
            FROM lake.curated.pv_installation_observations AS u
            JOIN lake.curated.pv_installation_observations AS g USING (installation_id)
            WHERE u.dataset = '{USPVDB}' AND g.dataset = '{GPPD}'"""
        ).df()


def _splink(known: Sites) -> pd.DataFrame:
    logging.getLogger("splink").setLevel(logging.ERROR)
    scored = splink_contender.probabilities(known)
    # Its threshold is chosen on the half that nothing else of it has seen
    true = of_half(known, known.pairs, TRAINING)
    found = {threshold: point_rules.one_to_one(scored, threshold) for threshold in THRESHOLDS}
    return max(found.values(), key=lambda pairs: score(of_half(known, pairs, TRAINING), true).f1)


def of_half(known: Sites, pairs: pd.DataFrame, half: str) -> pd.DataFrame:
    """Pairs whose USPVDB site lies in a state of the half."""
    return pairs[pairs["uspvdb"].map(known.uspvdb["half"]) == half].reset_index(drop=True)


def by_band(known: Sites, found: pd.DataFrame, true: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Scores by distance between the two points."""
    banded = [_banded(known, pairs) for pairs in (found, true)]
    return {
        str(band): score(banded[0][banded[0]["band"] == band], banded[1][banded[1]["band"] == band]).document()
        for band in banded[1]["band"].cat.categories
    }


def _banded(known: Sites, pairs: pd.DataFrame) -> pd.DataFrame:
    distance = between(known.uspvdb.loc[pairs["uspvdb"]], known.gppd.loc[pairs["gppd"]])
    names = [f"{low:,.0f}–{high:,.0f} m" if np.isfinite(high) else f"> {low:,.0f} m" for low, high in pairwise(BANDS_M)]
    return pairs.assign(band=pd.cut(distance, BANDS_M, labels=names, include_lowest=True))


def errors(known: Sites, found: pd.DataFrame, true: pd.DataFrame, resolution: Resolution) -> dict[str, pd.DataFrame]:
    """Missed and wrong pairs, least probable (never compared: first) and most distant first, with what is known of them."""
    columns = list(true.columns)
    missed = true.merge(found, on=columns, how="left", indicator=True).query("_merge == 'left_only'")[columns]
    wrong = found.merge(true, on=columns, how="left", indicator=True).query("_merge == 'left_only'")[columns]
    with resolution.connect() as con:
        links = con.execute(
            f"""SELECT CASE WHEN dataset_a = '{USPVDB}' THEN observation_id_a ELSE observation_id_b END AS uspvdb,
                CASE WHEN dataset_a = '{USPVDB}' THEN observation_id_b ELSE observation_id_a END AS gppd,
                match_probability, refusal, rule_id
            FROM lake.curated.pv_links"""
        ).df()
    partner = known.pairs.set_index("gppd")["uspvdb"]
    described = {}
    for kind, pairs in (("missed", missed), ("wrong", wrong)):
        located = known.located(pairs.merge(links, on=columns, how="left"))
        located["distance_m"] = between(
            *(located[[f"lon_{side}", f"lat_{side}"]].set_axis(["lon", "lat"], axis=1) for side in ("uspvdb", "gppd"))
        )
        located["gppd_is_listed"] = located["gppd"].isin(partner.index)
        shown = ["name", "capacity_mw", "installed_year", "plant_code"]
        kept = ["state_uspvdb", *(f"{name}_{side}" for name in shown for side in ("uspvdb", "gppd"))]
        kept += ["distance_m", "match_probability", "refusal", "rule_id", "gppd_is_listed"]
        described[kind] = located.sort_values(
            ["match_probability", "distance_m"], ascending=[True, False], na_position="first"
        )[kept]
    return described


def measure(out: Console) -> dict[str, Any]:
    """Run the benchmark, print its tables and return them."""
    known = sites()
    resolution = resolve(selected("truth", HIDDEN), FOLDER / "truth")
    found = contenders(known, resolution)
    true = {half: of_half(known, known.pairs, half) for half in (HELD_OUT, TRAINING)}
    scores = {
        half: {name: score(of_half(known, pairs, half), true[half]).document() for name, pairs in found.items()}
        for half in true
    }
    bands = {name: by_band(known, of_half(known, pairs, HELD_OUT), true[HELD_OUT]) for name, pairs in found.items()}
    wanting = errors(known, of_half(known, found[OURS], HELD_OUT), true[HELD_OUT], resolution)
    out.print(_score_table(scores), _band_table(bands))
    for title, rows in (("Worst misses", wanting["missed"].head(WORST)), ("False pairs", wanting["wrong"])):
        out.print(_error_table(f"{title} of this method, held-out states", rows))
    return {
        "sites": facts(known),
        "scores": scores,
        "bands, held out": bands,
        **{f"{kind}, held out": [_plain(row) for row in rows.to_dict("records")] for kind, rows in wanting.items()},
    }


def _score_table(scores: dict[str, dict[str, dict[str, float]]]) -> Table:
    table = Table(title="USPVDB ↔ GPPD, plant codes hidden (weights and Splink's threshold come from the training half)")
    table.add_column("contender")
    for heading in ("found", "right", "precision", "recall", "F1", "F1 training"):
        table.add_column(heading, justify="right")
    for name, held_out in scores[HELD_OUT].items():
        measures = (f"{held_out[measure]:.4f}" for measure in ("precision", "recall", "f1"))
        table.add_row(
            name, f"{held_out['found']:,}", f"{held_out['right']:,}", *measures, f"{scores[TRAINING][name]['f1']:.4f}"
        )
    return table


def _band_table(bands: dict[str, dict[str, dict[str, float]]]) -> Table:
    table = Table(title="Precision / recall by distance, held-out states")
    table.add_column("distance")
    table.add_column("true pairs", justify="right")
    for name in bands:
        table.add_column(name, justify="right")
    for band, of_ours in bands[OURS].items():
        cells = (bands[name][band] for name in bands)
        rates = (f"{cell['precision']:.3f} / {cell['recall']:.3f}" if cell["found"] else "– / 0" for cell in cells)
        table.add_row(band, f"{of_ours['true']:,}", *rates)
    return table


def _error_table(title: str, rows: pd.DataFrame) -> Table:
    table = Table(title=title)
    for heading in ("state", "USPVDB", "GPPD", "MW", "year", "m", "probability", "refusal"):
        table.add_column(heading)
    for row in (_plain(record) for record in rows.to_dict("records")):
        table.add_row(
            row["state_uspvdb"],
            row["name_uspvdb"],
            row["name_gppd"],
            f"{row['capacity_mw_uspvdb']} | {row['capacity_mw_gppd']}",
            f"{row['installed_year_uspvdb']} | {row['installed_year_gppd']}",
            f"{row['distance_m']:,.0f}",
            "not compared" if row["match_probability"] is None else f"{row['match_probability']:.3f}",
            str(row["refusal"] or ""),
        )
    return table


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A record for JSON: what is missing is null, numbers are Python's."""
    return {
        name: None
        if pd.isna(value)
        else round(value, 4)
        if isinstance(value, float)
        else getattr(value, "item", lambda v=value: v)()
        for name, value in row.items()
    }
