"""What a year looks like at an installation, and where it drifts: monthly climatology and linear trend of its time series.

Both are questions to ``landing.cube_timeseries``. A month counts only where enough of the installation was clear.
"""

from __future__ import annotations

import duckdb

MIN_CLEAR_SHARE = 0.5

# Fewer points have a slope, but no meaning
MIN_POINTS = 4

# Julian year of the International Astronomical Union
DAYS_A_YEAR = 365.25

_CLEAR = "FROM lake.landing.cube_timeseries WHERE mean IS NOT NULL AND clear_share >= $min_clear_share"


def climatology(lake: duckdb.DuckDBPyConnection, *, min_clear_share: float = MIN_CLEAR_SHARE) -> duckdb.DuckDBPyRelation:
    """Mean and spread of each calendar month over the years.

    Args:
        lake: a connection to a lake with time series.
        min_clear_share: least share of the installation that must have been clear, 0 to 1.

    Returns:
        installation_id, collection, variable, month (1 to 12), n_years, mean, stdev (of a sample; null for one year), min, max;
        scenes of one month are averaged first, so that every year counts once.
    """
    return lake.sql(
        f"""
        WITH monthly AS (
            SELECT installation_id, collection, variable, period, avg(mean) AS mean {_CLEAR} GROUP BY ALL
        )
        SELECT
            installation_id, collection, variable, month(period)::TINYINT AS month, count(*)::INTEGER AS n_years,
            avg(mean) AS mean, stddev_samp(mean) AS stdev, min(mean) AS min, max(mean) AS max
        FROM monthly GROUP BY ALL ORDER BY ALL
        """,
        params={"min_clear_share": min_clear_share},
    )


def trends(
    lake: duckdb.DuckDBPyConnection,
    *,
    min_clear_share: float = MIN_CLEAR_SHARE,
    min_points: int = MIN_POINTS,
    deseasonalised: bool = True,
) -> duckdb.DuckDBPyRelation:
    """Linear trend of each variable by ordinary least squares over the times of the scenes.

    Args:
        lake: a connection to a lake with time series.
        min_clear_share: least share of the installation that must have been clear, 0 to 1.
        min_points: fewest scenes.
        deseasonalised: take each calendar month's mean off first, so that a series that begins in spring and ends in autumn has
            no trend for that reason. Of a single year nothing is left then: the slope is 0.

    Returns:
        installation_id, collection, variable, n_points, first_datetime, last_datetime, slope_per_year, intercept (at
        first_datetime), slope_stderr, r2.
    """
    season = "avg(mean) OVER (PARTITION BY installation_id, collection, variable, month(period))" if deseasonalised else "0"
    return lake.sql(
        f"""
        WITH points AS (
            SELECT
                installation_id, collection, variable, datetime, mean - {season} AS value,
                min(datetime) OVER (PARTITION BY installation_id, collection, variable) AS origin
            {_CLEAR}
        ),
        timed AS (SELECT *, (epoch(datetime) - epoch(origin)) / 86400 / {DAYS_A_YEAR} AS years FROM points)
        SELECT
            installation_id, collection, variable, count(*)::INTEGER AS n_points,
            min(datetime) AS first_datetime, max(datetime) AS last_datetime,
            regr_slope(value, years) AS slope_per_year, regr_intercept(value, years) AS intercept,
            sqrt(greatest(0, regr_syy(value, years) - regr_slope(value, years) * regr_sxy(value, years))
                / nullif((count(*) - 2) * regr_sxx(value, years), 0)) AS slope_stderr,
            regr_r2(value, years) AS r2
        FROM timed
        GROUP BY installation_id, collection, variable
        HAVING count(*) >= $min_points AND regr_sxx(value, years) > 0
        ORDER BY installation_id, collection, variable
        """,
        params={"min_clear_share": min_clear_share, "min_points": min_points},
    )
