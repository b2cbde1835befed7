"""Capacity and energy: ``python -m benchmarks.energy [capacity|yields …]``, both by default; about a minute."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import machine
from benchmarks.energy import capacity, yields
from benchmarks.reporting import RESULTS, console, store

PARTS = {"capacity": capacity.measure, "yields": yields.measure}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.energy", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--output", type=Path, default=RESULTS / "energy.json")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    out = console()
    facts = machine.facts((*machine.PACKAGES, "pvlib", "statsmodels"))
    out.print(machine.line(facts), highlight=False)
    measured = {name: PARTS[name](out) for name in chosen.parts or PARTS}
    store({"machine": facts, **measured}, chosen.output, out)


if __name__ == "__main__":
    main()
