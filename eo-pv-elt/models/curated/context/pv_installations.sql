-- A golden record (prepared.prep_pv_installations) and what is known of the place where it stands
select
    sites.* exclude (confidence, n_observations, datasets, licence, commercial_use, first_seen_snapshot, last_changed_snapshot),
    -- in which administrative areas
    -- what is published counts where no boundary is known, not where that of a country without a code is
    case when admin.country_id is null then sites.country_iso3 else admin.country_code end as country_code,
    admin.country_name,
    admin.country_id,
    case when admin.country_id is null and sites.country_iso3 is not null then 'published' else admin.country_match end as country_match,
    admin.region_code,
    admin.region_name,
    admin.region_id,
    admin.region_match,
    admin.county_name,
    admin.county_id,
    admin.county_match,
    -- on what
    land.land_cover,
    land.land_cover_share,
    land.land_use,
    land.land_use_class,
    land.land_use_share,
    buildings.building_share,
    buildings.n_buildings,
    coalesce(buildings.mount, 'unknown') as mount,
    buildings.mount_probability,
    buildings.mount_rule,
    -- under which sun
    resource.ghi_kwh_m2_year,
    resource.pvout_kwh_kwp_year,
    resource.temperature_c,
    resource.resource_source,
    resource.resource_distance_m,
    -- on whose word
    sites.n_observations,
    sites.datasets,
    sites.confidence,
    sites.licence,
    sites.commercial_use,
    -- since when
    sites.first_seen_snapshot,
    sites.last_changed_snapshot
from {{ ref("prep_pv_installations") }} as sites
left join {{ ref("prep_pv_admin") }} as admin using (installation_id)
left join {{ ref("prep_pv_land") }} as land using (installation_id)
left join {{ ref("prep_pv_buildings") }} as buildings using (installation_id)
left join {{ ref("prep_pv_resource") }} as resource using (installation_id)
