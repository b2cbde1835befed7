select
    installation_id,
    -- from what
    area_m2,
    area_outline,
    density_model,
    density_w_m2,
    -- how much
    capacity_mw_dc_estimated,
    capacity_mw_dc_estimated_low,
    capacity_mw_dc_estimated_high,
    capacity_mw_dc_estimated / {{ var("dc_ac_ratio") }} as capacity_mw_estimated,
    -- beside what is known
    capacity_mw_dc_known,
    case when capacity_mw_dc_known is not null then capacity_rule end as capacity_known_from,
    round(100 * (capacity_mw_dc_estimated / capacity_mw_dc_known - 1), 1) as estimate_error_pct
from {{ ref("prep_pv_capacity") }}
where capacity_mw_dc_estimated is not null
