"""The schema check at the boundary of the DAG."""

from __future__ import annotations

import duckdb
import pytest
from hamilton.data_quality.base import DataValidationError, DataValidationLevel
from hamilton.function_modifiers import check_output_custom

from dataflows.raw.layer import LazyTable
from dataflows.raw.validators import HasColumns
from dataflows.run import build_driver
from db.extensions import TRUST_WHEELS, load_extensions


@pytest.fixture(scope="module")
def con():
    with duckdb.connect(config=TRUST_WHEELS) as con:
        load_extensions(con)
        yield con


CHECK = HasColumns("geometry", "source_row")


def test_a_table_with_all_columns_passes(con) -> None:
    assert CHECK.validate(LazyTable(con.sql("SELECT ST_Point(1, 2) AS geometry, 0 AS source_row, 'x' AS more"))).passes


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("SELECT 0 AS source_row", "missing columns: geometry"),
        ("SELECT ST_Point(1, 2) AS geometry", "missing columns: source_row"),
        ("SELECT 'POINT (1 2)' AS geometry, 0 AS source_row", "geometry is VARCHAR"),
        ("SELECT 'x'::BLOB AS geometry, 0 AS source_row", "geometry is BLOB"),
    ],
)
def test_a_table_without_them_does_not(con, query: str, complaint: str) -> None:
    result = CHECK.validate(LazyTable(con.sql(query)))
    assert not result.passes
    assert complaint in result.message


def test_nothing_is_read_for_the_check(con) -> None:
    table = con.sql("SELECT ST_Point(1, 2) AS geometry, error('was read') AS source_row")
    assert CHECK.validate(LazyTable(table)).passes
    with pytest.raises(duckdb.Error, match="was read"):
        table.fetchall()


def test_the_representation_of_a_table_does_not_run_it(con) -> None:
    lazy = LazyTable(con.sql("SELECT error('was read') AS column"))
    assert "LazyTable" in repr(lazy)


def test_only_tables_are_checked() -> None:
    assert CHECK.applies_to(LazyTable)
    assert not CHECK.applies_to(dict)


def test_a_failed_check_stops_the_dag_and_not_only_warns(con) -> None:
    assert CHECK.importance == DataValidationLevel.FAIL
    from hamilton import ad_hoc_utils

    @check_output_custom(HasColumns("geometry", importance="fail"))
    def provenanced_table() -> LazyTable:
        return LazyTable(con.sql("SELECT 1 AS x"))

    driver = build_driver(ad_hoc_utils.create_temporary_module(provenanced_table))
    with pytest.raises(DataValidationError):
        driver.execute(["provenanced_table"])
