select
    installation_id,
    month,
    energy_mwh,
    energy_mwh_low,
    energy_mwh_high,
    specific_yield_kwh_kwp,
    capacity_mw_dc_best,
    capacity_rule,
    -- how it is known
    method,
    yield_station_source,
    yield_station_id,
    yield_station_distance_m,
    -- for which modules
    axis_assumed,
    tilt_assumed_deg,
    azimuth_assumed_deg,
    orientation_rule
from {{ ref("prep_pv_energy") }}
