with sites as (
    select
        installation_id,
        installed_year as year,
        coalesce(country_code, country_id, 'unknown') as country,
        coalesce(region_code, region_id, 'unknown') as region,
        coalesce(county_id, 'unknown') as county,
        country_code,
        country_name,
        country_id,
        region_code,
        region_name,
        region_id,
        county_name,
        county_id,
        mount,
        area_m2,
        capacity_mw
    from {{ ref("pv_installations") }}
    where {{ stands_alone() }}
),

-- What stands in no known region is in the region 'unknown' of its country, so that children add up to their parents
summed as (
    select
        case
            when grouping(country) = 1 then 'world'
            when grouping(region) = 1 then 'country'
            when grouping(county) = 1 then 'region'
            else 'county'
        end as level,
        case when grouping(year) = 1 then 'all' when year is null then 'unknown' else 'one' end as years,
        country,
        region,
        county,
        year,
        -- of most of its sites: where a boundary of one source ends, those of another may take over
        mode(country_code order by country_code) as country_code,
        mode(country_name order by country_name) as country_name,
        mode(country_id order by country_id) as country_id,
        mode(region_code order by region_code) as region_code,
        mode(region_name order by region_name) as region_name,
        mode(region_id order by region_id) as region_id,
        mode(county_name order by county_name) as county_name,
        mode(county_id order by county_id) as county_id,
        {{ summed_sites() | indent(8) }}
    from sites
    group by grouping sets (
        (),
        (year),
        (country),
        (country, year),
        (country, region),
        (country, region, year),
        (country, region, county),
        (country, region, county, year)
    )
    -- in an empty lake, () is a row all the same
    having count(*) > 0
),

named as (
    select
        * exclude (country_code, country_name, country_id, region_code, region_name, region_id, county_name, county_id),
        case when level = 'world' then 'world' else concat_ws('/', country, region, county) end as area_key,
        case level
            when 'country' then 'world'
            when 'region' then country
            when 'county' then concat_ws('/', country, region)
        end as parent_area_key,
        case level when 'country' then country_id when 'region' then region_id when 'county' then county_id end as area_id,
        case level when 'country' then country_name when 'region' then region_name when 'county' then county_name end as area_name,
        case when level != 'world' then country_code end as country_code,
        case when level != 'world' then country_name end as country_name,
        case when level in ('region', 'county') then region_code end as region_code,
        case when level in ('region', 'county') then region_name end as region_name,
        case when level = 'county' then county_name end as county_name
    from summed
),

boundaries as (
    select area_id, max(st_area_spheroid(geometry)) / 1e6 as boundary_area_km2
    from {{ ref("stg_admin_areas") }}
    where area_id in (select area_id from named)
    group by area_id
),

cumulated as (
    select
        *,
        {%- for column in ["n_installations", "area_m2", "capacity_mw"] %}
        case years
            when 'one' then sum({{ column }}) over through_the_year
            when 'all' then {{ column }}
        end as {{ column }}_cumulative{{ "," if not loop.last }}
        {%- endfor %}
    from named
    window through_the_year as (partition by area_key, years order by year)
)

select
    -- which area
    level,
    area_key,
    parent_area_key,
    area_id,
    area_name,
    country_code,
    country_name,
    region_code,
    region_name,
    county_name,
    boundary_area_km2,
    -- when
    years,
    year,
    -- what came on line
    n_installations,
    n_rooftop,
    n_ground,
    n_canopy,
    n_with_area,
    area_m2::double as area_m2,
    n_with_capacity,
    capacity_mw::double as capacity_mw,
    -- what stands at the end of the year
    n_installations_cumulative::bigint as n_installations_cumulative,
    area_m2_cumulative::double as area_m2_cumulative,
    capacity_mw_cumulative::double as capacity_mw_cumulative,
    n_installations_cumulative / boundary_area_km2 as n_installations_per_km2,
    area_m2_cumulative::double / 1e6 / boundary_area_km2 as area_share,
    capacity_mw_cumulative::double / boundary_area_km2 as capacity_mw_per_km2
from cumulated
left join boundaries using (area_id)
