"""The sample's lake with its imagery: items landed, scenes chosen."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sample_lake import RUN, SampleLake

from dataflows.elt import run_dbt
from dataflows.raw.stac_ingest import CatalogOutcome, StacOptions, ingest_catalogs
from db import Settings, connect
from ingest.stac_manifest import load_stac_manifest

SCENES = ("--select", "path:models/raw/scenes+")


@dataclass(frozen=True)
class SceneLake:
    """A lake with installations, and the folder that the imagery's catalog is in."""

    settings: Settings
    mirror: Path
    manifest: Path

    def ingest(self) -> CatalogOutcome:
        catalogs = load_stac_manifest(self.manifest).available()
        (outcome,) = ingest_catalogs(catalogs, StacOptions(self.settings, mirror=str(self.mirror), offline=True, run=RUN))
        return outcome

    def build(self, **changed: Any) -> None:
        variables = ("--vars", json.dumps(changed)) if changed else ()
        results = run_dbt("build", self.settings, arguments=(*SCENES, *variables))
        assert [result for result in results if result.failed] == []

    def frame(self, text: str) -> pd.DataFrame:
        with connect(read_only=True, lake=self.settings) as con:
            return con.sql(text).df()

    def documents(self) -> list[dict[str, Any]]:
        """The items as they are on disk."""
        return [json.loads(path.read_text()) for path in sorted((self.mirror / "stac").rglob("HELIA_*.json"))]


def build_scene_lake(sample: SampleLake, home: Path) -> SceneLake:
    """Copy the sample's lake to ``home``, land its imagery's items and build what depends on them."""
    shutil.copytree(sample.settings.home, home)
    settings = sample.settings.model_copy(update={"home": home})
    lake = SceneLake(settings, sample.world.folder, sample.world.stac_manifest)
    outcome = lake.ingest()
    assert (outcome.status, outcome.new, outcome.quarantined) == ("landed", 12, 0), outcome
    lake.build()
    return lake
