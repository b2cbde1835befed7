"""The one call of the dbt model ``prep_timeseries_components``: monthly series → trend, season and what neither explains."""

from __future__ import annotations

import pyarrow as pa

from dataflows.prepared.statistics import monthly_series
from dataflows.run import build_driver


def timeseries_components(monthly: pa.Table) -> pa.Table:
    """Components of every monthly series that is long enough.

    Args:
        monthly: a row a series and month that has a value: ``installation_id``, ``collection``, ``variable``, ``month`` (date,
            the first day), ``observed``, and for all rows alike ``max_gap_months`` and ``min_months``. The order of rows does
            not matter.

    Returns:
        Rows as :data:`dataflows.prepared.statistics.monthly_series.COMPONENTS` has them, ordered by series and month.
    """
    return build_driver(monthly_series).execute(["components"], inputs={"monthly": monthly})["components"]
