"""``eopv explain``: why two observations are, or are not, one installation."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from db import connect
from eopv.console import cell, out, table, write_json

if TYPE_CHECKING:
    from dataflows.prepared.explanation import Evidence
    from dataflows.prepared.stored import Observation

WHO = {
    "observation": "observation_id",
    "dataset": "dataset",
    "source id": "source_feature_id",
    "name": "name",
    "operator": "operator",
    "capacity, MW": "capacity_mw",
    "capacity, MW DC": "capacity_mw_dc",
    "year": "installed_year",
    "area, m²": "area_m2",
    "level": "level",
    "trust": "trust",
    "installation": "installation_id",
    "part of": "part_of",
}


def explain(
    observation_a: Annotated[str, typer.Argument(help="An observation_id, or its first digits.")],
    observation_b: Annotated[str, typer.Argument(help="Another.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Show the evidence for two observations being one installation, and why the link was accepted or not."""
    # SciPy is not needed to start the other verbs
    from dataflows.prepared import explanation as prepared
    from eopv.verdict import sentence

    with connect(read_only=True) as con:
        explanation = prepared.explain(con, observation_a, observation_b)
    if as_json:
        write_json({**asdict(explanation), "sentence": sentence(explanation)})
        return
    out.print(_who(explanation.a, explanation.b))
    if explanation.evidence is not None:
        out.print(_weighed(explanation.evidence))
    out.print(sentence(explanation), markup=False, highlight=False, soft_wrap=True)


def _who(a: Observation, b: Observation) -> Table:
    def shown(observation: Observation, attribute: str) -> str:
        value = getattr(observation, attribute)
        # A year takes no thousands separator
        return str(value) if attribute == "installed_year" and value is not None else cell(value)

    rows = [{"": label, "A": shown(a, attribute), "B": shown(b, attribute)} for label, attribute in WHO.items()]
    return table([row for row in rows if row["A"] or row["B"]])


def _weighed(evidence: Evidence) -> Table:
    rows = [{"comparison": "prior", "found": "", "level": "", "bits": _bits(evidence.prior_bits)}]
    for comparison in evidence.comparisons:
        found = ", ".join(
            f"{name} {' / '.join(map(str, value)) if isinstance(value, list) else cell(value)}"
            for name, value in comparison.found.items()
        )
        level = comparison.level or "nothing to compare"
        rows.append({"comparison": comparison.name, "found": found, "level": level, "bits": _bits(comparison.weight_bits)})
    total = f"probability {evidence.match_probability:.6g}"
    rows.append(
        {"comparison": "sum", "found": f"rule {evidence.rule_id}", "level": total, "bits": _bits(evidence.match_weight)}
    )
    return table(rows, numeric=frozenset({"bits"}))


def _bits(bits: float) -> str:
    return f"{bits:+.6g}"
