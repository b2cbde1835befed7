"""Axis, tilt, capacity and energy of the sample's installations, from the published files to the curated tables."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from sample_lake import SampleLake

from db import connect


@pytest.fixture(scope="module")
def lake(sample_lake: SampleLake) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(read_only=True, lake=sample_lake.settings) as con:
        yield con


def test_modules_stand_as_the_register_publishes_it(lake: duckdb.DuckDBPyConnection) -> None:
    wrong, n, trackers = lake.sql(
        """
        SELECT
            count(*) FILTER (
                installed.axis IS DISTINCT FROM CASE p_axis WHEN 'single-axis' THEN 'single' WHEN 'fixed-tilt' THEN 'fixed' END
                OR installed.tilt_deg IS DISTINCT FROM p_tilt::double
                OR installed.azimuth_deg IS DISTINCT FROM try_cast(nullif(p_azimuth::varchar, 'NaN') AS double)
            ),
            count(*),
            count(*) FILTER (p_axis = 'single-axis')
        FROM curated.pv_installations AS installed
        JOIN curated.pv_observations AS observed ON installed.orientation_source = observed.observation_id
        JOIN landing.usa_uspvdb_v3_2025 AS landed USING (source_file, source_row)
        WHERE observed.dataset = 'usa_uspvdb_v3_2025'
        """
    ).fetchall()[0]
    assert wrong == 0
    assert trackers > 50
    assert n > trackers + 50


def test_whatever_has_an_area_has_an_estimate_that_mostly_holds_what_is_known(lake: duckdb.DuckDBPyConnection) -> None:
    missing, n, covered = lake.sql(
        """
        SELECT
            count(*) FILTER (estimated.installation_id IS NULL),
            count(capacity_mw_dc_known),
            avg((capacity_mw_dc_known BETWEEN capacity_mw_dc_estimated_low AND capacity_mw_dc_estimated_high)::integer)
        FROM curated.pv_installations AS installed
        LEFT JOIN curated.pv_capacity_estimated AS estimated USING (installation_id)
        WHERE installed.area_m2 > 0
        """
    ).fetchall()[0]
    assert missing == 0
    assert n > 100
    # the sample's sites have 50 W/m² whatever their year and axis: the intervals of real ones still hold most
    assert covered > 0.7


def test_whatever_has_a_capacity_has_thirteen_rows_of_energy(lake: duckdb.DuckDBPyConnection) -> None:
    sites, rows, absurd = lake.sql(
        """
        SELECT
            (SELECT count(*) FROM prepared.prep_pv_capacity WHERE capacity_mw_dc_best > 0),
            count(*),
            count(*) FILTER (month IS NULL AND specific_yield_kwh_kwp NOT BETWEEN 800 AND 2500)
        FROM curated.pv_energy_yield
        """
    ).fetchall()[0]
    assert sites > 200
    assert rows == 13 * sites
    assert absurd == 0


def test_trackers_yield_more_than_fixed_modules_of_the_same_method(lake: duckdb.DuckDBPyConnection) -> None:
    found = dict(
        lake.sql(
            """
            SELECT axis_assumed, median(specific_yield_kwh_kwp)
            FROM curated.pv_energy_yield
            WHERE month IS NULL AND orientation_rule IN ('tracker', 'published', 'assumed_angles')
                AND method = (SELECT mode(method) FROM curated.pv_energy_yield)
            GROUP BY ALL
            """
        ).fetchall()
    )
    assert found["single"] > 1.03 * found["fixed"]
