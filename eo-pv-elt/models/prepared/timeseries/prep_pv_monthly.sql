-- One value a month: the median over its clear scenes of the median over the site
select
    installation_id,
    collection,
    variable,
    date_trunc('month', datetime at time zone 'UTC')::date as month,
    median(median) as observed,
    {{ var("stl_max_gap_months") }}::integer as max_gap_months,
    {{ var("stl_min_months") }}::integer as min_months
from {{ ref("pv_timeseries") }}
where median is not null and clear_share >= {{ var("stl_min_clear_share") }}
group by installation_id, collection, variable, month
