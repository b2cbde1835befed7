"""Match weights learnt from the training half of the real truth; nothing of the held-out half is looked at.

A logistic regression on the levels of each comparison: a coefficient over ln 2 is a weight in bits. Levels that the training
pairs hardly show keep their declared weights, and so do all levels of comparisons that this truth cannot teach (polygons, ids).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

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
# USPVDB and GPPD copy their names from the same forms of EIA; other sources spell them in their own way
BLURRED_SHARE = 0.1
BLURRED = {"name: same": "name: similar", "name: similar": "name: partly"}
SEED = 20_261_120

# Pairs that show a level, below which it is not learnt
LEAST_PAIRS = 30
# Inverse of the strength of the L2 penalty, scikit-learn's default; not tuned
REGULARISATION = 1.0


def training_pairs(resolution: Resolution, known: Sites) -> pd.DataFrame:
    """Compared pairs whose sites both lie in training states: a column of levels for each comparison, and ``is_true``."""
    with resolution.connect() as con:
        evidence = con.execute(
            f"""SELECT COLUMNS('.*{SUFFIX}$'), u.observation_id AS uspvdb, g.observation_id AS gppd
            FROM lake.prepared.prep_pv_evidence
            JOIN lake.prepared.prep_pv_footprints AS u ON u.observation_key IN (key_a, key_b) AND u.dataset = '{USPVDB}'
            JOIN lake.prepared.prep_pv_footprints AS g ON g.observation_key IN (key_a, key_b) AND g.dataset = '{GPPD}'"""
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
    """The pairs and copies of them in which attributes are missing, or names are less alike, at random."""
    random = np.random.default_rng(SEED)
    blurred = []
    for _ in range(copies):
        copy = pairs.copy()
        for comparison in set(HIDEABLE) & set(pairs.columns):
            spelt_differently = copy[comparison].replace(BLURRED)
            copy[comparison] = copy[comparison].where(random.random(len(copy)) >= BLURRED_SHARE, spelt_differently)
            copy[comparison] = copy[comparison].mask(random.random(len(copy)) < HIDDEN_SHARE)
        blurred.append(copy)
    return pd.concat([pairs, *blurred], ignore_index=True)


def learn(pairs: pd.DataFrame, *, least_pairs: int = LEAST_PAIRS) -> tuple[float, dict[tuple[str, str], float]]:
    """Fit the weights.

    Args:
        pairs: a column of levels (text, null = nothing to compare) for each comparison, and ``is_true``.
        least_pairs: a level that fewer pairs show is not learnt, and pairs that show it are left out.

    Returns:
        The intercept, and the weight of each learnt (comparison, level), all in bits.
    """
    comparisons = [name for name in pairs.columns if name != "is_true"]
    for comparison in comparisons:
        shown = pairs[comparison].map(pairs[comparison].value_counts())
        pairs = pairs[pairs[comparison].isna() | (shown >= least_pairs)]
    comparisons = [name for name in comparisons if pairs[name].notna().any()]
    seen = with_attributes_hidden(pairs)
    levels = pd.get_dummies(seen[comparisons], columns=comparisons, prefix_sep="\t", dtype="float32")
    model = LogisticRegression(C=REGULARISATION, max_iter=10_000).fit(levels.to_numpy(), seen["is_true"].to_numpy())
    bits = model.coef_[0] / np.log(2)
    names = [tuple(name.split("\t", 1)) for name in levels.columns]
    return float(model.intercept_[0] / np.log(2)), {
        (name[0], name[1]): float(weight) for name, weight in zip(names, bits, strict=True)
    }


def updated(
    weights: pd.DataFrame, intercept: float, learnt: dict[tuple[str, str], float], always: str = "geometry"
) -> pd.DataFrame:
    """The seed's table with the learnt rows in place of the declared ones; the version rises where a weight changes.

    What was learnt once and is not any more stays as declared. The prior stays, for the declared levels count from it. One comparison is never null: what the intercept differs
    from the prior by goes into that one's levels, which changes no sum.
    """
    prior = float(weights.loc[weights["comparison"] == PRIOR, "weight_bits"].iloc[0])
    shifted = {key: weight + (intercept - prior if key[0] == always else 0.0) for key, weight in learnt.items()}
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
