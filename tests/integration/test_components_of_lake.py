"""Three years of a made-up series through dbt: its trend and season are found again, as statsmodels finds them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd
import pytest
from sample_lake import SampleLake
from statsmodels.tsa.seasonal import STL

from dataflows.cubes.landed_series import TABLES
from dataflows.elt import run_dbt
from db import connect

MONTHS = np.arange(36)
TREND = 0.45 - 0.004 * MONTHS
SEASON = 0.12 * np.sin(2 * np.pi * MONTHS / 12)
CONSTRUCTION, CLOUDED = 20, (7, 30)
MODELS = "raw_cube_timeseries pv_timeseries prep_pv_monthly prep_timeseries_components pv_timeseries_components"


def monthly_values() -> np.ndarray:
    values = TREND + SEASON + np.random.default_rng(3).normal(0, 0.004, len(MONTHS))
    values[CONSTRUCTION] -= 0.15
    return values


def scenes(installation_id: str, months: int) -> pd.DataFrame:
    """Three scenes a month: two clear ones around its value, and one in cloud that says something absurd."""
    rows = []
    for month, value in zip(MONTHS[:months], monthly_values()[:months], strict=True):
        day = pd.Timestamp(2021 + month // 12, month % 12 + 1, 1, 10, 30, tz="UTC")
        for number, (median, clear_share) in enumerate([(value - 0.01, 0.9), (value + 0.01, 0.5), (-0.9, 0.49)]):
            share = 0.0 if month in CLOUDED else clear_share
            rows.append((day + pd.Timedelta(days=9 * number), median, share, f"{month:02}-{number}"))
    frame = pd.DataFrame(rows, columns=["datetime", "median", "clear_share", "item_id"])
    return frame.assign(installation_id=installation_id, collection="made", variable="ndvi", epsg=32632)


@pytest.fixture(scope="module")
def built(sample_lake: SampleLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A copy of the sample's lake with a series of three years, and one of 23 months; only the models of series are built."""
    home = tmp_path_factory.mktemp("components") / "home"
    shutil.copytree(sample_lake.settings.home, home)
    lake = sample_lake.settings.model_copy(update={"home": home})
    with connect(lake=lake) as con:
        (long,), (short,) = con.execute(
            "SELECT installation_id FROM lake.curated.pv_installations ORDER BY 1 LIMIT 2"
        ).fetchall()
        con.register("empty", TABLES["cube_timeseries"].empty_table())
        con.execute("CREATE OR REPLACE TABLE lake.landing.cube_timeseries AS FROM empty")
        con.register("made", pd.concat([scenes(long, 36), scenes(short, 23)]))
        con.execute("INSERT INTO lake.landing.cube_timeseries BY NAME SELECT * FROM made")
    results = run_dbt("build", lake, arguments=("--select", MODELS))
    assert {result.name: result.message for result in results if result.failed} == {}
    assert {result.name for result in results if result.kind == "model"} == set(MODELS.split())
    with connect(read_only=True, lake=lake) as con:
        yield con, long


def components(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return con.sql("FROM curated.pv_timeseries_components ORDER BY month").df()


def test_components_are_those_of_statsmodels_on_monthly_medians(built: tuple[duckdb.DuckDBPyConnection, str]) -> None:
    con, long = built
    found = components(con)
    assert set(found.installation_id) == {long}, "23 months are too few"
    assert pd.to_datetime(found.month).tolist() == pd.date_range("2021-01-01", periods=36, freq="MS").tolist()
    made = scenes(long, 36)
    clear = made[made.clear_share >= 0.5]
    medians = clear.groupby(clear.datetime.dt.tz_localize(None).dt.to_period("M"))["median"].median()
    every = medians.reindex(pd.period_range("2021-01", periods=36, freq="M"))
    assert np.flatnonzero(every.isna()).tolist() == list(CLOUDED) == np.flatnonzero(found.is_interpolated).tolist()
    np.testing.assert_allclose(found.observed, every, rtol=1e-12)
    # A window that is far longer than the series, and constants within it: the same season every year
    settings = {"period": 12, "seasonal": 361, "seasonal_deg": 0}
    filled = every.interpolate().to_numpy()
    # The event is kept out of the fit: in its place is the trend and what September has in the other years
    detrended = filled - STL(filled, **settings).fit().trend
    usual = filled.copy()
    usual[CONSTRUCTION] -= detrended[CONSTRUCTION] - np.median(detrended[CONSTRUCTION % 12 :: 12])
    expected = STL(usual, **settings, robust=True).fit()
    for column, values in (("trend", expected.trend), ("seasonal", expected.seasonal)):
        np.testing.assert_allclose(found[column], values, atol=1e-9)
    residual = np.where(every.isna(), np.nan, filled - expected.trend - expected.seasonal)
    np.testing.assert_allclose(found.residual, residual, atol=1e-9)


def test_what_the_series_was_made_of_is_found_again(built: tuple[duckdb.DuckDBPyConnection, str]) -> None:
    found = components(built[0])
    # Seasons are those about the mean of the year
    np.testing.assert_allclose(found.trend, TREND, atol=0.012)
    np.testing.assert_allclose(found.seasonal, SEASON, atol=0.02)
    score = found.anomaly_score.abs()
    assert score.idxmax() == CONSTRUCTION
    assert score[CONSTRUCTION] > 10 > 6 > score.drop(CONSTRUCTION).max()
