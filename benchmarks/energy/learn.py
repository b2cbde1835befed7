"""Write the learnt rows of ``eo-pv-elt/seeds/capacity_density.csv``: ``python -m benchmarks.energy.learn``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from rich.table import Table

from benchmarks.energy.learning import learn
from benchmarks.energy.pairs import pairs
from benchmarks.reporting import console
from dataflows.elt import PROJECT_DIR

SEED_FILE = PROJECT_DIR / "seeds" / "capacity_density.csv"


def updated(before: pd.DataFrame, learnt: pd.DataFrame) -> pd.DataFrame:
    """The seed with its learnt rows replaced; what is declared stays."""
    declared = before[before["origin"] == "declared"]
    return pd.concat([declared, learnt.assign(remark="")]).sort_values("precedence", ignore_index=True)[before.columns]


def as_table(seed: pd.DataFrame) -> Table:
    """One line a row of the seed; effects in per cent."""
    table = Table(title="Density of DC capacity by area (at 2015, 40° and 10 ha)")
    for heading in ("model", "W/m²", "a year", "a degree", "twice the area", "90 % interval", "sites", "origin"):
        table.add_column(heading, justify="left" if heading in ("model", "origin") else "right")
    for row in seed.itertuples():
        effects = [f"{100 * (np.exp(effect) - 1):+.1f} %" for effect in (row.per_year, row.per_lat_deg)]
        doubled = f"{100 * (2**row.per_ln_area - 1):+.1f} %"
        interval = f"× {row.low_factor:.2f} … {row.high_factor:.2f}"
        density = f"{np.exp(row.ln_w_m2):.1f}"
        table.add_row(row.density_model, density, *effects, doubled, interval, f"{row.n_sites:,}", row.origin)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.energy.learn", description=__doc__)
    parser.add_argument("--output", type=Path, default=SEED_FILE)
    chosen = parser.parse_args()
    after = updated(pd.read_csv(SEED_FILE), learn(pairs()))
    out = console()
    out.print(as_table(after))
    part = chosen.output.with_suffix(".part")
    after.to_csv(part, index=False)
    part.rename(chosen.output)
    out.print(f"Written to {chosen.output}")


if __name__ == "__main__":
    main()
