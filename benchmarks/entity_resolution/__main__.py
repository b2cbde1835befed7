"""Entity resolution: ``python -m benchmarks.entity_resolution [truth|overlap|worlds|speed|mirror …]``, all five by default."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.entity_resolution import mirror, overlap, speed, truth, worlds
from benchmarks.reporting import RESULTS, console, store


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.entity_resolution", description=__doc__)
    names = ["truth", "mirror", "overlap", "worlds", "speed"]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(names)} (default: all)")
    parser.add_argument("--sizes", type=int, nargs="+", default=speed.SIZES, help="observations of the speed benchmark")
    parser.add_argument("--output", type=Path, default=RESULTS / "entity_resolution.json")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(names):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(names)}")

    benchmarks = {
        "truth": truth.measure,
        "mirror": mirror.measure,
        "overlap": overlap.measure,
        "worlds": worlds.measure,
        "speed": partial(speed.measure, sizes=chosen.sizes),
    }
    out = console()
    facts = machine.facts()
    out.print(machine.line(facts), highlight=False)
    for name in chosen.parts or names:
        # Stored one by one, beside what other runs have measured
        measured = {"machine": facts, **benchmarks[name](out)}
        store({**_stored(chosen.output), name: measured}, chosen.output, out)


def _stored(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


if __name__ == "__main__":
    main()
