-- In which country an installation is, and in which region and county of that country
with met as (
    select installation_id, area_id, 0::double as distance_m, true as is_covering from {{ ref("prep_pv_admin_covering") }}
    union all
    -- an area of another country may cover what none of its own does
    select installation_id, area_id, distance_m, false
    from {{ ref("prep_pv_admin_nearby") }}
    anti join {{ ref("prep_pv_admin_covering") }} using (installation_id, area_id)
),

areas as (
    select *, {{ country_key() }} as country_key, st_area_spheroid(geometry) as area_m2
    from {{ ref("stg_admin_areas") }}
    where area_id in (select area_id from met)
),

candidates as (
    select met.*, areas.* exclude (area_id, geometry)
    from met
    inner join areas using (area_id)
),

countries as (
    select distinct on (installation_id) *
    from candidates
    where level = 'country'
    order by installation_id, {{ area_order() }}
),

-- Where countries overlap; a point on the border of two is claimed by none of them
overlapping as (
    select candidates.installation_id, candidates.area_id, candidates.country_key
    from candidates
    inner join countries on candidates.installation_id = countries.installation_id and candidates.source = countries.source
    where candidates.level = 'country' and candidates.is_covering
    qualify count(*) over (partition by candidates.installation_id) > 1
),

claims as (
    select installation_id, list_sort(list(distinct overlapping.country_key)) as claimed_by
    from overlapping
    inner join areas using (area_id)
    inner join {{ ref("prep_pv_installations") }} as sites using (installation_id)
    where st_contains(areas.geometry, st_point(sites.centroid_lon_deg, sites.centroid_lat_deg))
    group by installation_id
    having count(distinct overlapping.country_key) > 1
),

located as (
    select
        countries.*,
        case
            when not countries.is_covering then 'nearest'
            when claims.claimed_by is not null or countries.is_disputed then 'disputed'
            else 'within'
        end as country_match,
        case
            when not countries.is_covering then null
            when claims.claimed_by is not null then claims.claimed_by
            when countries.is_disputed and countries.country_key is not null then [countries.country_key]
        end as claimed_by
    from countries
    left join claims using (installation_id)
),

divisions as (
    select distinct on (installation_id, level) *
    from (
        select candidates.*
        from candidates
        inner join located using (installation_id)
        where candidates.level != 'country'
            and (
                candidates.country_key = located.country_key
                or coalesce(list_contains(located.claimed_by, candidates.country_key), false)
            )
            -- inland, what no county covers is in none; but generalised boundaries of two levels leave gaps
            and (
                candidates.is_covering
                or located.country_match = 'nearest'
                or candidates.distance_m <= {{ var("admin_gap_max_m") }}
            )
    )
    order by installation_id, level, {{ area_order() }}
)

select
    located.installation_id,
    -- country
    located.country_iso3 as country_code,
    located.name as country_name,
    located.area_id as country_id,
    located.country_match,
    located.distance_m as country_distance_m,
    located.claimed_by,
    -- region
    regions.region_code,
    regions.name as region_name,
    regions.area_id as region_id,
    {{ division_match("regions") }} as region_match,
    -- county
    counties.name as county_name,
    counties.area_id as county_id,
    {{ division_match("counties") }} as county_match,
    -- on whose word
    located.source as admin_source,
    located.release as admin_release
from located
left join (select * from divisions where level = 'region') as regions using (installation_id)
left join (select * from divisions where level = 'county') as counties using (installation_id)
