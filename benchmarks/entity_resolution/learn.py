"""Write the learnt rows of ``eo-pv-elt/seeds/match_weights.csv``: ``python -m benchmarks.entity_resolution.learn``."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from rich.table import Table

from benchmarks.entity_resolution.learning import compared, learn, training_pairs, updated
from benchmarks.entity_resolution.sites import sites
from benchmarks.reporting import console
from dataflows.elt import PROJECT_DIR

SEED_FILE = PROJECT_DIR / "seeds" / "match_weights.csv"


def as_table(before: pd.DataFrame, after: pd.DataFrame, pairs: pd.DataFrame) -> Table:
    """One line a weight, with the training pairs that show its level."""
    table = Table(title="Match weights (bits)")
    for heading in ("comparison", "level", "before", "after", "origin", "true pairs", "other pairs"):
        table.add_column(heading, justify="left" if heading in ("comparison", "level", "origin") else "right")
    for old, new in zip(before.itertuples(), after.itertuples(), strict=True):
        shown = pairs[pairs[new.comparison] == new.level]["is_true"] if new.comparison in pairs else pairs["is_true"]
        counts = f"{shown.sum():,}", f"{(~shown).sum():,}"
        table.add_row(new.comparison, new.level, f"{old.weight_bits:.2f}", f"{new.weight_bits:.2f}", new.origin, *counts)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.entity_resolution.learn", description=__doc__)
    parser.add_argument("--output", type=Path, default=SEED_FILE)
    chosen = parser.parse_args()
    pairs = training_pairs(compared(), sites())
    before = pd.read_csv(SEED_FILE)
    after = updated(before, *learn(pairs, before))
    out = console()
    out.print(as_table(before, after, pairs))
    part = chosen.output.with_suffix(".part")
    after.to_csv(part, index=False)
    part.rename(chosen.output)
    out.print(f"Version {after['version'].iloc[0]} written to {chosen.output}")


if __name__ == "__main__":
    main()
