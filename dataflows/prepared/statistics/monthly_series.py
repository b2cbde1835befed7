"""Monthly series of sites → trend, season, residual and anomaly score, by STL.

Draw it with ``eopv dag monthly_series -o dag.svg``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from hamilton.function_modifiers import tag
from numpy.typing import NDArray
from statsmodels.tsa.seasonal import STL, DecomposeResult

PERIOD_MONTHS = 12
MONTH = np.timedelta64(1, "M")
# Deviations of less than this share of the values are rounding
ROUNDING = 1e-9
# Of a normal distribution, this times the median absolute deviation is the standard deviation
MAD_TO_SIGMA = 1.4826
# STL's weights are nought beyond six median absolute deviations, or four standard ones (Cleveland et al. 1990). A mean of three
# years is shifted so far by an event three times as large; smaller ones are STL's own business.
EVENT_SIGMAS = 10
LEAST_YEARS = 3

KEYS = ("installation_id", "collection", "variable")
COMPONENTS = pa.schema(
    [
        *((key, pa.string()) for key in KEYS),
        ("month", pa.date32()),
        ("observed", pa.float64()),
        ("is_interpolated", pa.bool_()),
        ("trend", pa.float64()),
        ("seasonal", pa.float64()),
        ("residual", pa.float64()),
        ("anomaly_score", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Series:
    """Months without a gap that is too long.

    Attributes:
        key: installation, collection and variable.
        months: numpy months, consecutive, shape (n,).
        observed: values, NaN where a month has none, shape (n,).
        filled: the same, gaps interpolated linearly, shape (n,).
    """

    key: tuple[str, str, str]
    months: NDArray[np.datetime64]
    observed: NDArray[np.float64]
    filled: NDArray[np.float64]


@tag(layer="prepared")
def series(monthly: pa.Table) -> list[Series]:
    """The longest stretch of each series, where it is long enough.

    A stretch ends where more than ``max_gap_months`` months in a row have no value; it has to span ``min_months``, and at least
    two years, without which a season cannot be told from a trend.
    """
    if len(monthly) == 0:
        return []
    max_gap = monthly["max_gap_months"][0].as_py()
    min_months = max(monthly["min_months"][0].as_py(), 2 * PERIOD_MONTHS)
    monthly = monthly.sort_by([(name, "ascending") for name in (*KEYS, "month")])
    months = monthly["month"].to_numpy().astype("datetime64[M]")
    values = monthly["observed"].to_numpy()
    identity = np.column_stack([monthly[key].dictionary_encode().combine_chunks().indices.to_numpy() for key in KEYS])
    starts = np.flatnonzero(np.r_[True, (identity[1:] != identity[:-1]).any(axis=1)])
    found = []
    for first, end in zip(starts, np.r_[starts[1:], len(months)], strict=True):
        key = tuple(monthly[name][int(first)].as_py() for name in KEYS)
        stretch = first + longest_stretch(months[first:end], max_gap)
        if len(stretch) and months[stretch[-1]] - months[stretch[0]] + MONTH >= min_months * MONTH:
            found.append(_on_every_month(key, months[stretch], values[stretch]))
    return found


@tag(layer="prepared")
def components(series: list[Series]) -> pa.Table:
    """Robust STL (Cleveland et al. 1990) of each series, period 12 months.

    The season is the same every year (R's ``s.window = "periodic"``): a few years are too few to let it drift, which would
    explain the noise away. Single events are kept out of the fit (:func:`without_events`), not out of the residual.

    ``anomaly_score`` is the residual over its robust standard deviation (1.4826 × the median absolute deviation) in the series;
    months that are interpolated have neither value nor score.
    """
    tables = [_decomposed(one) for one in series]
    return pa.concat_tables(tables) if tables else COMPONENTS.empty_table()


def longest_stretch(months: NDArray[np.datetime64], max_gap: int) -> NDArray[np.intp]:
    """Positions of the longest run of months in which no more than ``max_gap`` in a row are missing; the latest of equals."""
    breaks = np.flatnonzero(np.diff(months).astype(np.int64) > max_gap + 1) + 1
    runs = np.split(np.arange(len(months)), breaks)
    return max(reversed(runs), key=lambda run: int((months[run[-1]] - months[run[0]]).astype(np.int64)) if len(run) else -1)


def _on_every_month(key: tuple[str, str, str], months: NDArray[np.datetime64], values: NDArray[np.float64]) -> Series:
    every = np.arange(months[0], months[-1] + MONTH)
    place = (months - months[0]).astype(np.int64)
    observed = np.full(len(every), np.nan)
    observed[place] = values
    return Series(key, every, observed, np.interp(np.arange(len(every)), place, values))


def without_events(filled: NDArray[np.float64]) -> NDArray[np.float64]:
    """A series whose months far from what other years have are replaced by what these let expect.

    Robust STL starts from means. Of three or four years, one event pulls its calendar month's mean so far that all its years
    look odd; STL then gives none of them any weight, and falls back to the values themselves: the event becomes a season.

    Args:
        filled: consecutive months, shape (n,), n ≥ 24.

    Returns:
        The same, shape (n,). Of calendar months in less than ``LEAST_YEARS`` years nothing is replaced: which one is odd?
    """
    months = np.arange(len(filled)) % PERIOD_MONTHS
    trend = _stl(filled, robust=False).trend
    typical = np.array([np.median((filled - trend)[months == month]) for month in range(PERIOD_MONTHS)])[months]
    residual = filled - trend - typical
    sigma = MAD_TO_SIGMA * np.median(np.abs(residual - np.median(residual)))
    enough = np.bincount(months)[months] >= LEAST_YEARS
    is_event = enough & (np.abs(residual) > max(EVENT_SIGMAS * sigma, ROUNDING * np.abs(filled).max()))
    return np.where(is_event, trend + typical, filled)


def _stl(filled: NDArray[np.float64], *, robust: bool) -> DecomposeResult:
    return STL(filled, period=PERIOD_MONTHS, seasonal=10 * len(filled) + 1, seasonal_deg=0, robust=robust).fit()


def _decomposed(series: Series) -> pa.Table:
    n = len(series.months)
    found = _stl(without_events(series.filled), robust=True)
    missing = np.isnan(series.observed)
    residual = np.where(missing, np.nan, series.filled - found.trend - found.seasonal)
    deviation = np.abs(residual - np.nanmedian(residual))
    sigma = MAD_TO_SIGMA * np.nanmedian(deviation)
    # A series without any noise has no anomalies that could be scored
    score = residual / sigma if sigma > ROUNDING * np.abs(series.filled).max() else np.full(n, np.nan)
    columns = {name: [value] * n for name, value in zip(KEYS, series.key, strict=True)}
    return pa.table(
        {
            **columns,
            "month": series.months.astype("datetime64[D]"),
            "observed": pa.array(series.observed, mask=missing),
            "is_interpolated": missing,
            "trend": found.trend,
            "seasonal": found.seasonal,
            "residual": pa.array(residual, mask=missing),
            "anomaly_score": pa.array(score, mask=np.isnan(score)),
        },
        schema=COMPONENTS,
    )
