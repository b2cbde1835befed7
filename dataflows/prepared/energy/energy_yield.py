"""The one call of the dbt model ``prep_pv_energy``."""

from __future__ import annotations

import pyarrow as pa

from dataflows.prepared.energy import dag
from dataflows.run import build_driver
from db.errors import BuildError

SITES = (
    "installation_id",
    "lon_deg",
    "lat_deg",
    "axis",
    "tilt_deg",
    "azimuth_deg",
    "on_roof",
    "dc_ac_ratio",
    "capacity_mw_dc_best",
    "capacity_rule",
    "capacity_low_factor",
    "capacity_high_factor",
    "ghi_kwh_m2_year",
    "pvout_kwh_kwp_year",
    "temperature_c",
)
IRRADIANCE = (
    "source",
    "release",
    "station_id",
    "lon_deg",
    "lat_deg",
    "elevation_m",
    "kind",
    "time",
    "ghi_w_m2",
    "dni_w_m2",
    "dhi_w_m2",
    "temperature_c",
    "wind_speed_m_s",
)


def energy_yield(installations: pa.Table, irradiance: pa.Table) -> pa.Table:
    """Energy of an average year and of its months, by the best method that is possible at each place.

    Args:
        installations: a row an installation: ``installation_id``, ``lon_deg`` and ``lat_deg`` (EPSG:4326), ``axis``,
            ``tilt_deg``, ``azimuth_deg`` as published, ``on_roof``, ``dc_ac_ratio``, ``capacity_mw_dc_best`` (MW),
            ``capacity_rule``, ``capacity_low_factor`` and ``capacity_high_factor``, ``ghi_kwh_m2_year``,
            ``pvout_kwh_kwp_year``, ``temperature_c``.
        irradiance: rows of ``stg_irradiance``; ``time`` with a time zone.

    Returns:
        13 rows an installation of known place and capacity, in the order of ids, ``month`` 1 to 12 and null for the year:
        ``energy_mwh`` (AC) with its 90 % interval ``energy_mwh_low`` and ``energy_mwh_high``, ``specific_yield_kwh_kwp`` (of DC
        capacity), ``method`` (tmy|pvout|ghi|clear_sky), and what was assumed; ``docs/energy.md`` has the columns.

    Raises:
        BuildError: a column is missing.
    """
    for name, table, needed in (("installations", installations, SITES), ("irradiance", irradiance, IRRADIANCE)):
        if missing := sorted(set(needed) - set(table.column_names)):
            raise BuildError(f"Energy yield: {name} lack {', '.join(missing)}.", remedy="Build the models above it.")
    inputs = {"installations": installations, "irradiance": irradiance}
    return build_driver(dag).execute(["yields"], inputs=inputs)["yields"]
