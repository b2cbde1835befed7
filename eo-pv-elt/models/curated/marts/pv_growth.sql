with areas as (
    select * from {{ ref("pv_by_admin") }}
    where level in ('world', 'country')
),

totals as (
    select
        totals.area_key,
        totals.level,
        coalesce(totals.country_code, case totals.level when 'country' then 'unknown' end) as country_code,
        totals.country_name,
        totals.n_installations,
        coalesce(undated.n_installations, 0) as n_installations_undated,
        coalesce(undated.capacity_mw, 0) as capacity_mw_undated
    from areas as totals
    left join areas as undated on totals.area_key = undated.area_key and undated.years = 'unknown'
    where totals.years = 'all'
),

-- Every year from an area's first one to the last one of all, also those in which nothing came on line
calendar as (
    select
        area_key,
        unnest(range(min(year), (select max(year) from areas) + 1))::integer as year
    from areas
    where years = 'one'
    group by area_key
),

added as (
    select
        calendar.area_key,
        calendar.year,
        {%- for column in ["n_installations", "n_with_capacity", "area_m2", "capacity_mw"] %}
        coalesce(areas.{{ column }}, 0) as {{ column }}_added{{ "," if not loop.last }}
        {%- endfor %}
    from calendar
    left join areas on calendar.area_key = areas.area_key and calendar.year = areas.year
),

cumulated as (
    select
        *,
        {%- for column in ["n_installations", "area_m2", "capacity_mw"] %}
        sum({{ column }}_added) over through_the_year as {{ column }}_cumulative{{ "," if not loop.last }}
        {%- endfor %}
    from added
    window through_the_year as (partition by area_key order by year)
)

select
    totals.level,
    totals.country_code,
    totals.country_name,
    cumulated.year,
    -- what came on line
    cumulated.n_installations_added::bigint as n_installations_added,
    cumulated.n_with_capacity_added::bigint as n_with_capacity_added,
    cumulated.area_m2_added,
    cumulated.capacity_mw_added,
    -- what stands at the end of the year
    cumulated.n_installations_cumulative::bigint as n_installations_cumulative,
    cumulated.area_m2_cumulative,
    cumulated.capacity_mw_cumulative,
    100 * cumulated.capacity_mw_added / nullif(lag(cumulated.capacity_mw_cumulative) over the_year_before, 0) as capacity_growth_pct,
    -- what cannot be said
    totals.n_installations_undated::bigint as n_installations_undated,
    totals.capacity_mw_undated,
    1 - totals.n_installations_undated / totals.n_installations as known_year_share
from cumulated
inner join totals using (area_key)
window the_year_before as (partition by area_key order by year)
