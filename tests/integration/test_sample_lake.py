"""The sample world through the whole path, compared with its truth row by row."""

from __future__ import annotations

import duckdb
import pytest
from sample_lake import SampleLake

from db import connect


@pytest.fixture(scope="module")
def lake(sample_lake: SampleLake) -> duckdb.DuckDBPyConnection:
    with connect(read_only=True, lake=sample_lake.settings) as con:
        yield con


def test_every_published_row_is_an_observation_with_the_true_status(lake, sample_lake):
    truth = sample_lake.world.folder / "truth" / "observations.parquet"
    wrong = lake.sql(
        f"""
        SELECT truth.dataset, truth.source_file, truth.source_row, truth.geometry_status, observed.geometry_status
        FROM read_parquet('{truth}') AS truth
        FULL JOIN curated.pv_observations AS observed USING (dataset, source_file, source_row)
        WHERE truth.geometry_status IS DISTINCT FROM observed.geometry_status
        """
    ).fetchall()
    assert wrong == []


def test_publishers_ids_are_kept(lake, sample_lake):
    truth = sample_lake.world.folder / "truth" / "observations.parquet"
    joined = lake.sql(
        f"""
        SELECT dataset, count(*), count(*) FILTER (truth.source_feature_id = observed.source_feature_id)
        FROM read_parquet('{truth}') AS truth
        JOIN curated.pv_observations AS observed USING (dataset, source_file, source_row)
        WHERE truth.source_feature_id IS NOT NULL GROUP BY dataset
        """
    ).fetchall()
    assert joined
    assert [row for row in joined if row[1] != row[2]] == []
