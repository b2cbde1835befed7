"""What is true of the sample lake's installations: the truth of the site that all their observations show."""

from __future__ import annotations

import duckdb
import pandas as pd

from dataflows.sample import SampleWorld
from dataflows.sample.context import CONTEXT_TRUTH_FILE
from dataflows.sample.generation import OBSERVATIONS_FILE


def beside_truth(lake: duckdb.DuckDBPyConnection, world: SampleWorld, table: str) -> pd.DataFrame:
    """A table keyed by installation, beside the truth.

    Installations that no true site or more than one has observations in are left out.

    Args:
        lake: connection to the built sample lake.
        world: that it was built from.
        table: schema and name.

    Returns:
        The table's columns, ``geometry_kind``, ``level``, ``was_repaired`` (whether any outline was invalid), and those of
        ``truth/context.parquet`` with ``true_`` before their names; index ``site_id``, which may have several installations.
    """
    found = lake.sql(
        f"""
        WITH shown AS (
            SELECT members.installation_id, truth.site_id, truth.geometry_status
            FROM curated.pv_installation_observations AS members
            INNER JOIN curated.pv_observations AS observations USING (observation_id)
            INNER JOIN read_parquet('{world.folder / OBSERVATIONS_FILE}') AS truth
                ON observations.dataset = truth.dataset
                AND observations.source_file = truth.source_file
                AND observations.source_row = truth.source_row
        ),
        of_one_site AS (
            SELECT installation_id, any_value(site_id) AS site_id, bool_or(geometry_status = 'repaired') AS was_repaired
            FROM shown
            GROUP BY installation_id HAVING count(DISTINCT site_id) = 1 AND count(site_id) = count(*)
        )
        SELECT found.*, installations.geometry_kind, installations.level, of_one_site.site_id, was_repaired,
            columns(truth.* EXCLUDE site_id) AS 'true_\\0'
        FROM of_one_site
        INNER JOIN {table} AS found USING (installation_id)
        INNER JOIN prepared.prep_pv_installations AS installations USING (installation_id)
        INNER JOIN read_parquet('{world.folder / CONTEXT_TRUTH_FILE}') AS truth USING (site_id)
        ORDER BY site_id, installation_id
        """
    ).df()
    assert len(found) > 300, "most installations show one true site"
    return found.set_index("site_id")
