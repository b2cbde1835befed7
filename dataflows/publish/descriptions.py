"""What tables and columns mean, from the dbt project, where each text stands once."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

from dataflows.publish.source import Source
from db.errors import BuildError
from db.settings import Settings

log = logging.getLogger(__name__)

# The lake's suffixes (docs/columns.md), longest first
UNITS = {
    "_kwh_m2_year": "kWh/m²/year",
    "_kwh_kwp_year": "kWh/kWp/year",
    "_kwh_kwp": "kWh/kWp",
    "_m2_per_mw": "m²/MW",
    "_w_m2": "W/m²",
    "_m_s": "m/s",
    "_per_km2": "1/km²",
    "_mw": "MW",
    "_mwh": "MWh",
    "_km2": "km²",
    "_m2": "m²",
    "_m": "m",
    "_deg": "°",
    "_pct": "%",
    "_c": "°C",
    "_share": "1",
    "_year": "year",
}
_QUALIFIED = re.compile(r"_(dc|ac|estimated|low|high|best|known|added|removed|undated|cumulative|total|mean|median)$")


@dataclass(frozen=True)
class Description:
    """What dbt's YAML says of a table.

    Attributes:
        text: of the table.
        columns: text by column.
    """

    text: str = ""
    columns: dict[str, str] = field(default_factory=dict)


def unit(column: str) -> str | None:
    """The unit that a column's suffix names: ``capacity_mw_dc`` is in MW."""
    name = column
    while (shorter := _QUALIFIED.sub("", name)) != name:
        name = shorter
    return next((text for suffix, text in UNITS.items() if name.endswith(suffix)), None)


def describe(source: Source, lake: Settings) -> Description:
    """The texts of a table: from the manifest of the last build, else of a parse; empty where dbt does not know it."""
    manifest = lake.home / "dbt" / "target" / "manifest.json"
    if not manifest.exists():
        from dataflows.elt import run_dbt  # dbt takes seconds to import

        try:
            run_dbt("parse", lake)
        except BuildError as error:
            log.warning("columns are not described: %s", error)
            return Description()
    return _read(manifest, source)


def _read(manifest: Path, source: Source) -> Description:
    content = json.loads(manifest.read_text(encoding="utf-8"))
    for node in [*content["nodes"].values(), *content["sources"].values()]:
        if node["resource_type"] in ("model", "seed", "source") and (node["schema"], node["name"]) == (
            source.schema,
            source.table,
        ):
            columns = {name: _one_line(column["description"]) for name, column in node["columns"].items()}
            return Description(_one_line(node["description"]), columns)
    return Description()


def _one_line(text: str) -> str:
    return " ".join(text.split())
