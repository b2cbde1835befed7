"""Match weights learnt from the training half of the real truth; nothing of the held-out half is looked at.

A logistic regression on the levels of each comparison, given the weights of those that stay declared: a coefficient over ln 2
is a weight in bits. Declared stay the levels that the training pairs hardly show, and those that this truth cannot teach: both
sources copy from the same forms of EIA, so that it says nothing of what a difference between independent sources is worth.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit

from benchmarks.entity_resolution.real_lake import FOLDER, selected
from benchmarks.entity_resolution.resolving import TAG, Resolution, resolve
from benchmarks.entity_resolution.sites import GPPD, HIDDEN, TRAINING, USPVDB, Sites

LEARNT, DECLARED = "learnt", "declared"
PRIOR = "prior"
SUFFIX = "_level"

# Sources lack these at times: the weights have to hold without any of them, and their absence must not count
HIDEABLE = ("name", "capacity", "year")
HIDDEN_SHARE = 0.5
COPIES = 4
# What two sources with common forms can teach besides the distance: agreement, and that numerals tell sites apart
TAUGHT = frozenset({"capacity: equal", "year: same", "year: next", "name: same", "name: numbered apart"})
ALWAYS = "geometry"
SEED = 20_261_120

# Pairs that show a level, below which it is not learnt
LEAST_PAIRS = 30
# Strength of the L2 penalty on the sum of losses; not tuned
PENALTY = 0.5


def training_pairs(resolution: Resolution, known: Sites) -> pd.DataFrame:
    """Compared pairs whose sites both lie in training states: a column of levels for each comparison, and ``is_true``."""
    with resolution.connect() as con:
        evidence = con.execute(
            f"""SELECT COLUMNS('.*{SUFFIX}$'), u.observation_id AS uspvdb, g.observation_id AS gppd
            FROM lake.prepared.prep_pv_evidence
            JOIN lake.prepared.prep_pv_footprints AS u ON u.observation_key IN (key_a, key_b) AND u.dataset = '{USPVDB}'
            JOIN lake.prepared.prep_pv_footprints AS g ON g.observation_key IN (key_a, key_b) AND g.dataset = '{GPPD}'
            ORDER BY uspvdb, gppd"""
        ).df()
    in_training = [
        evidence[name].map(half) == TRAINING for name, half in (("uspvdb", known.uspvdb["half"]), ("gppd", known.gppd["half"]))
    ]
    marked = evidence[in_training[0] & in_training[1]].merge(
        known.pairs.assign(is_true=True), on=["uspvdb", "gppd"], how="left"
    )
    levels = marked.filter(regex=f"{SUFFIX}$").rename(columns=lambda name: name.removesuffix(SUFFIX))
    return levels.assign(is_true=marked["is_true"].notna())


def with_attributes_hidden(pairs: pd.DataFrame, copies: int = COPIES) -> pd.DataFrame:
    """The pairs and copies of them in which attributes are missing at random."""
    random = np.random.default_rng(SEED)
    hidden = []
    for _ in range(copies):
        copy = pairs.copy()
        for comparison in (name for name in HIDEABLE if name in pairs):
            copy[comparison] = copy[comparison].mask(random.random(len(copy)) < HIDDEN_SHARE)
        hidden.append(copy)
    return pd.concat([pairs, *hidden], ignore_index=True)


def learn(
    pairs: pd.DataFrame, weights: pd.DataFrame, *, least_pairs: int = LEAST_PAIRS
) -> tuple[float, dict[tuple[str, str], float]]:
    """Fit the weights that this truth can teach, given the others.

    Args:
        pairs: a column of levels (text, null = nothing to compare) for each comparison, and ``is_true``.
        weights: the seed's table.
        least_pairs: a level that fewer pairs show is not learnt.

    Returns:
        The intercept, and the weight of each learnt (comparison, level), all in bits.
    """
    seen = with_attributes_hidden(pairs)
    taught: dict[tuple[str, str], np.ndarray] = {}
    given = np.zeros(len(seen))
    for comparison, level, bits in weights[["comparison", "level", "weight_bits"]].itertuples(index=False):
        if comparison not in pairs:
            continue
        shows = (seen[comparison] == level).to_numpy()
        if (comparison == ALWAYS or level in TAUGHT) and (pairs[comparison] == level).sum() >= least_pairs:
            taught[comparison, level] = shows
        else:
            given += bits * np.log(2) * shows
    design = np.column_stack([np.ones(len(seen)), *taught.values()]).astype(float)
    is_true = seen["is_true"].to_numpy()

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        score = design @ coefficients + given
        penalised = np.r_[0.0, coefficients[1:]]
        value = np.logaddexp(0, np.where(is_true, -score, score)).sum() + PENALTY * (penalised**2).sum()
        return value, design.T @ (expit(score) - is_true) + 2 * PENALTY * penalised

    fit = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    bits = fit.x / np.log(2)
    return float(bits[0]), dict(zip(taught, bits[1:].tolist(), strict=True))


def updated(weights: pd.DataFrame, intercept: float, learnt: dict[tuple[str, str], float]) -> pd.DataFrame:
    """The seed's table with the learnt rows in place of the declared ones; the version rises where a weight changes.

    What was learnt once and is not any more stays as declared. The prior stays, for the declared levels count from it. One
    comparison is never null: what the intercept differs from the prior by goes into that one's levels, which changes no sum.
    """
    prior = float(weights.loc[weights["comparison"] == PRIOR, "weight_bits"].iloc[0])
    shifted = {key: weight + (intercept - prior if key[0] == ALWAYS else 0.0) for key, weight in learnt.items()}
    keys = list(zip(weights["comparison"], weights["level"], strict=True))
    if unknown := set(shifted) - set(keys):
        raise ValueError(f"levels without a row in the seed: {sorted(unknown)}")
    bits = [round(shifted.get(key, old), 2) for key, old in zip(keys, weights["weight_bits"].astype(float), strict=True)]
    kept = [origin if key[0] == PRIOR else DECLARED for key, origin in zip(keys, weights["origin"], strict=True)]
    origins = [LEARNT if key in shifted else origin for key, origin in zip(keys, kept, strict=True)]
    changed = not np.array_equal(bits, weights["weight_bits"].astype(float)) or origins != list(weights["origin"])
    return weights.assign(weight_bits=bits, origin=origins, version=weights["version"].astype(int) + int(changed))


def compared() -> Resolution:
    """A lake of both sources, resolved up to the evidence: no weight matters to the levels."""
    return resolve(selected("truth", HIDDEN), FOLDER / "learning", select=f"{TAG},+prep_pv_evidence")
