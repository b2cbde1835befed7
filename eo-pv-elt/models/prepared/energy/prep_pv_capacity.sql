-- DC capacity of each installation: as known, and as its area suggests (docs/energy.md)
with sites as (
    select
        installations.installation_id,
        installations.centroid_lat_deg,
        installations.installed_year,
        installations.area_m2,
        case when installations.area_m2 > 0 then coalesce(profiles.outline, 'any') end as area_outline,
        case
            when installations.level = 'rooftop' or buildings.mount in ('rooftop', 'canopy') then 'roof'
            else 'ground'
        end as mount,
        case when installations.axis = 'fixed' then 'fixed' when installations.axis in ('single', 'dual') then 'tracking' end as axis,
        case
            when installations.capacity_mw_dc > 0 then 'dc'
            when installations.capacity_mw > 0 and installations.capacity_basis != 'modelled' then installations.capacity_basis
            when installations.area_m2 > 0 then 'area'
            when installations.capacity_mw > 0 then 'modelled'
        end as capacity_rule,
        installations.capacity_mw,
        installations.capacity_mw_dc
    from {{ ref("prep_pv_installations") }} as installations
    left join {{ ref("prep_pv_buildings") }} as buildings using (installation_id)
    left join {{ ref("prep_pv_observations") }} as observations on installations.area_m2_source = observations.observation_id
    left join {{ ref("source_profiles") }} as profiles on observations.dataset = profiles.dataset
),

estimated as (
    select
        sites.installation_id,
        density.density_model,
        exp({{ ln_density() }}) as density_w_m2,
        density.low_factor,
        density.high_factor
    from sites
    inner join {{ ref("capacity_density") }} as density
        on density.outline in (sites.area_outline, 'any')
        and density.mount in (sites.mount, 'any')
        and density.axis in (sites.axis, 'any')
        and (sites.installed_year is not null or not density.uses_year)
    where sites.area_m2 > 0
    qualify row_number() over (partition by sites.installation_id order by density.precedence) = 1
),

priced as (
    select
        sites.* exclude (centroid_lat_deg, installed_year, mount, axis),
        estimated.density_model,
        estimated.density_w_m2,
        sites.area_m2 * estimated.density_w_m2 / 1e6 as capacity_mw_dc_estimated,
        estimated.low_factor,
        estimated.high_factor,
        case
            when sites.capacity_rule = 'dc' then sites.capacity_mw_dc
            when sites.capacity_rule in ('ac', 'stated', 'from_dc') then sites.capacity_mw * {{ var("dc_ac_ratio") }}
        end as capacity_mw_dc_known
    from sites
    left join estimated using (installation_id)
)

select
    installation_id,
    area_m2,
    area_outline,
    density_model,
    density_w_m2,
    capacity_mw_dc_estimated,
    capacity_mw_dc_estimated * low_factor as capacity_mw_dc_estimated_low,
    capacity_mw_dc_estimated * high_factor as capacity_mw_dc_estimated_high,
    capacity_mw_dc_known,
    capacity_rule,
    coalesce(
        capacity_mw_dc_known,
        capacity_mw_dc_estimated,
        case when capacity_rule = 'modelled' then capacity_mw * {{ var("dc_ac_ratio") }} end
    ) as capacity_mw_dc_best
from priced
