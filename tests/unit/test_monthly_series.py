"""Series made of a known trend, season and event are taken apart again."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tsa.seasonal import STL

from dataflows.prepared.statistics.decomposition import timeseries_components
from dataflows.prepared.statistics.monthly_series import longest_stretch

JANUARY = np.datetime64("2018-01", "M")


def monthly(
    values: dict[int, float], site: str = "pv-1", variable: str = "ndvi", *, max_gap: int = 2, least: int = 24
) -> pa.Table:
    months = [(JANUARY + np.timedelta64(number, "M")).astype("datetime64[D]").item() for number in values]
    n = len(values)
    return pa.table(
        {
            "installation_id": [site] * n,
            "collection": ["l2a"] * n,
            "variable": [variable] * n,
            "month": pa.array(months, pa.date32()),
            "observed": pa.array(list(values.values()), pa.float64()),
            "max_gap_months": pa.array([max_gap] * n, pa.int32()),
            "min_months": pa.array([least] * n, pa.int32()),
        }
    )


def made(n: int, seed: int = 0) -> dict[int, float]:
    noise = np.random.default_rng(seed).normal(0, 0.005, n)
    return {month: 0.4 - 0.001 * month + 0.1 * math.sin(math.tau * month / 12) + noise[month] for month in range(n)}


def test_what_a_series_is_made_of_is_found_again() -> None:
    values = made(72)
    values[40] += 0.2
    found = timeseries_components(monthly(values))
    month = np.arange(72)
    assert found["observed"].to_pylist() == list(values.values())
    np.testing.assert_allclose(found["trend"].to_numpy(), 0.4 - 0.001 * month, atol=0.01)
    np.testing.assert_allclose(found["seasonal"].to_numpy(), 0.1 * np.sin(math.tau * month / 12), atol=0.02)
    total = found["trend"].to_numpy() + found["seasonal"].to_numpy() + found["residual"].to_numpy()
    np.testing.assert_allclose(total, list(values.values()), atol=1e-12)
    score = np.abs(found["anomaly_score"].to_numpy())
    assert score.argmax() == 40
    assert score[40] > 10
    # Robust: the event does not leak into its neighbours
    assert np.delete(score, 40).max() < 6


def test_components_are_those_of_statsmodels_on_the_series_with_gaps_filled() -> None:
    values = made(48)
    for missing in (10, 11, 30):
        del values[missing]
    shuffled = list(values.items())
    np.random.default_rng(0).shuffle(shuffled)
    found = timeseries_components(monthly({int(month): value for month, value in shuffled}))
    filled = np.interp(np.arange(48), list(values), list(values.values()))
    expected = STL(filled, period=12, seasonal=481, seasonal_deg=0, robust=True).fit()
    np.testing.assert_allclose(found["trend"].to_numpy(), expected.trend)
    np.testing.assert_allclose(found["seasonal"].to_numpy(), expected.seasonal)
    assert np.flatnonzero(found["is_interpolated"].to_numpy(zero_copy_only=False)).tolist() == [10, 11, 30]
    for column in ("observed", "residual", "anomaly_score"):
        assert np.flatnonzero(found[column].is_null().to_numpy(zero_copy_only=False)).tolist() == [10, 11, 30]
    months = found["month"].to_numpy().astype("datetime64[M]")
    assert (np.diff(months) == np.timedelta64(1, "M")).all()


@pytest.mark.parametrize(
    ("missing", "rows"),
    [
        ((), 60),
        ((10, 11), 60),
        ((10, 11, 12), 47),  # months 13 to 59 are left
        ((30, 31, 32), 30),  # of 30 before and 27 after
        ((20, 21, 22, 40, 41, 42), 0),  # no stretch has two years
    ],
)
def test_a_longer_gap_ends_a_series(missing, rows) -> None:
    values = {month: value for month, value in made(60).items() if month not in missing}
    assert len(timeseries_components(monthly(values))) == rows


def test_series_are_apart_and_short_ones_are_left_out() -> None:
    tables = [monthly(made(36), "pv-2"), monthly(made(23), "pv-1"), monthly(made(24), "pv-1", "ndwi")]
    found = timeseries_components(pa.concat_tables(tables))
    lengths = found.group_by(["installation_id", "variable"]).aggregate([("month", "count")]).to_pylist()
    assert {(row["installation_id"], row["variable"], row["month_count"]) for row in lengths} == {
        ("pv-2", "ndvi", 36),
        ("pv-1", "ndwi", 24),
    }
    assert (
        found.slice(24).drop_columns("installation_id").equals(timeseries_components(tables[0]).drop_columns("installation_id"))
    )


def test_two_years_are_the_least_whatever_is_asked_for() -> None:
    assert len(timeseries_components(monthly(made(23), least=12))) == 0
    assert len(timeseries_components(monthly(made(30), least=36))) == 0


def test_a_series_without_noise_has_no_scores() -> None:
    found = timeseries_components(monthly(dict.fromkeys(range(36), 0.5)))
    np.testing.assert_allclose(found["trend"].to_numpy(), 0.5)
    assert found["anomaly_score"].null_count == 36


def test_no_series_is_no_rows() -> None:
    assert len(timeseries_components(monthly({}))) == 0


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(0, 4))
def test_the_longest_stretch_cannot_be_extended_or_beaten(numbers: set[int], max_gap: int) -> None:
    months = sorted(numbers)
    stretch = [months[place] for place in longest_stretch(np.array(months, "datetime64[M]"), max_gap)]
    runs, run = [], [months[0]]
    for one in months[1:]:
        if one - run[-1] <= max_gap + 1:
            run.append(one)
        else:
            runs.append(run)
            run = [one]
    runs.append(run)
    assert stretch in runs
    assert stretch[-1] - stretch[0] == max(run[-1] - run[0] for run in runs)


@pytest.mark.parametrize("event", [8, 20, 32])
def test_one_event_in_three_years_is_no_season(event: int) -> None:
    values = made(36)
    values[event] -= 0.15
    found = timeseries_components(monthly(values))
    season = found["seasonal"].to_numpy().reshape(3, 12)
    np.testing.assert_allclose(season, np.tile(0.1 * np.sin(math.tau * np.arange(12) / 12), (3, 1)), atol=0.02)
    score = np.abs(found["anomaly_score"].to_numpy())
    assert score.argmax() == event
    assert score[event] > 10
