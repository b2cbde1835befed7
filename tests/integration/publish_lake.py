"""A copy of the sample's lake for what leaves it: restricted datasets, a hostile name, a boundary."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sample_lake import SampleLake

from db import Settings, connect

# Of what is all free in the sample
NOT_COMMERCIAL, UNKNOWN = "usa_gm_seus_v1_2025", "deu_ufz_open_field_pv_2015"
LICENCES = {NOT_COMMERCIAL: ("CC-BY-NC-4.0", "no"), UNKNOWN: ("ODbL-1.0", "unknown")}
HOSTILE = """<img src=x onerror="window.hacked = 1"></script><script>window.hacked = 2</script> & 'Söhne' {{ 7 * 7 }}"""
AREA = "area-of-the-test"


@dataclass(frozen=True)
class PublishLake:
    """The lake, and the installation whose name is HTML."""

    settings: Settings
    hostile: str

    def frame(self, text: str) -> pd.DataFrame:
        with connect(read_only=True, lake=self.settings) as con:
            return con.sql(text).df()


def build_publish_lake(sample: SampleLake, home: Path) -> PublishLake:
    """Copy the sample's lake to ``home`` and change what the tests are about, as other publications would have had it."""
    shutil.copytree(sample.settings.home, home)
    settings = sample.settings.model_copy(update={"home": home})
    with connect(lake=settings) as con:
        for dataset, (licence, commercial_use) in LICENCES.items():
            for table in ("landing.dataset_versions", "curated.pv_observations", "curated.dataset_summary"):
                con.execute(
                    f"UPDATE lake.{table} SET licence = ?, commercial_use = ? WHERE dataset = ?",
                    [licence, commercial_use, dataset],
                )
        # Alone far and wide, so that nothing else is under the pointer
        (hostile,) = con.execute(
            """
            SELECT a.installation_id FROM lake.curated.pv_installations AS a CROSS JOIN lake.curated.pv_installations AS b
            WHERE a.installation_id != b.installation_id AND a.capacity_mw IS NOT NULL AND a.installed_year IS NOT NULL
                AND a.part_of IS NULL
            GROUP BY 1 ORDER BY min(ST_Distance(ST_Centroid(a.geometry), ST_Centroid(b.geometry))) DESC, 1 LIMIT 1
            """
        ).fetchone()
        # Above all others, so that the name is in the page's tables too
        con.execute(
            "UPDATE lake.curated.pv_installations SET name = ?, capacity_mw = 9999.5 WHERE installation_id = ?",
            [HOSTILE, hostile],
        )
        con.execute(
            """
            INSERT INTO lake.staging.stg_admin_areas (area_id, source, release, level, name, geometry, geometry_status)
            VALUES (?, 'natural_earth', 'test', 'country', 'Test', ST_MakeEnvelope(-21.5, 43.2, -18.5, 45.8), 'valid')
            """,
            [AREA],
        )
    return PublishLake(settings, hostile)
