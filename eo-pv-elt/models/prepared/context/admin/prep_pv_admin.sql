{%- if var("admin_point_of_view") and var("admin_point_of_view") not in natural_earth_views() -%}
{{ exceptions.raise_compiler_error("Unknown var admin_point_of_view: " ~ var("admin_point_of_view") ~ "; known: " ~ natural_earth_views() | join(", ")) }}
{%- endif -%}
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

chosen as (
    select distinct on (installation_id) *
    from candidates
    where level = 'country'
    order by installation_id, {{ area_order() }}
),

-- Where countries overlap; a point on the border of two is claimed by none of them
overlapping as (
    select candidates.installation_id, candidates.area_id, candidates.country_key
    from candidates
    inner join chosen on candidates.installation_id = chosen.installation_id and candidates.source = chosen.source
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

-- Whose country the place is in the eyes of others, where Natural Earth says that they differ
views as (
    select installation_id, arg_min(country_by_view, (not is_covering, area_m2, area_id)) as country_by_view
    from candidates
    where level = 'country' and cardinality(country_by_view) > 0
        and (is_covering or (installation_id, area_id) in (select installation_id, area_id from chosen))
    group by installation_id
),

located as (
    select
        chosen.* exclude (country_by_view),
        views.country_by_view,
        case
            when not chosen.is_covering then 'nearest'
            when claims.claimed_by is not null or chosen.is_disputed then 'disputed'
            else 'within'
        end as country_match,
        case
            when not chosen.is_covering then null
            when claims.claimed_by is not null then claims.claimed_by
            when chosen.is_disputed
                then nullif(
                    list_sort(list_distinct(list_filter(
                        list_append(coalesce(map_values(views.country_by_view), []), chosen.country_key),
                        lambda country: country is not null
                    ))), []
                )
        end as claimed_by
    from chosen
    left join claims using (installation_id)
    left join views using (installation_id)
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

{%- set view = var("admin_point_of_view") %}

select
    located.installation_id,
    -- country
    {%- if view %}
    coalesce(located.country_by_view['{{ view }}'], located.country_iso3) as country_code,
    coalesce(seen.country_name, located.name) as country_name,
    {%- else %}
    located.country_iso3 as country_code,
    located.name as country_name,
    {%- endif %}
    located.area_id as country_id,
    located.country_match,
    located.distance_m as country_distance_m,
    located.claimed_by,
    located.country_by_view,
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
{%- if view %}
left join {{ ref("countries") }} as seen on located.country_by_view['{{ view }}'] = seen.country_iso3
{%- endif %}
