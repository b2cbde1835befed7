-- What the energy yield is computed from: where an installation stands, under which sun, and how its modules do
select
    sites.installation_id,
    sites.centroid_lon_deg as lon_deg,
    sites.centroid_lat_deg as lat_deg,
    sites.axis,
    sites.tilt_deg,
    sites.azimuth_deg,
    sites.level = 'rooftop' or coalesce(buildings.mount in ('rooftop', 'canopy'), false) as on_roof,
    -- of one site only where both are stated, and not absurd
    case
        when sites.capacity_basis in ('ac', 'stated') and sites.capacity_mw_dc / nullif(sites.capacity_mw, 0) between 0.8 and 2
        then sites.capacity_mw_dc / sites.capacity_mw
        else {{ var("dc_ac_ratio") }}
    end as dc_ac_ratio,
    capacity.capacity_mw_dc_best,
    capacity.capacity_rule,
    capacity.capacity_mw_dc_estimated_low / capacity.capacity_mw_dc_estimated as capacity_low_factor,
    capacity.capacity_mw_dc_estimated_high / capacity.capacity_mw_dc_estimated as capacity_high_factor,
    resource.ghi_kwh_m2_year,
    resource.pvout_kwh_kwp_year,
    resource.temperature_c
from {{ ref("prep_pv_installations") }} as sites
inner join {{ ref("prep_pv_capacity") }} as capacity using (installation_id)
left join {{ ref("prep_pv_buildings") }} as buildings using (installation_id)
left join {{ ref("prep_pv_resource") }} as resource using (installation_id)
where capacity.capacity_mw_dc_best > 0
