-- Children add up to their area, in each year, in all of them and where the year is unknown; so do years to all of them.
{% set columns = ["n_installations", "n_rooftop", "n_ground", "n_canopy", "n_with_area", "n_with_capacity", "area_m2", "capacity_mw"] -%}
with areas as (
    select * from {{ ref("pv_by_admin") }}
),

of_children as (
    select parent_area_key as area_key, years, year, {% for column in columns %}sum({{ column }}) as {{ column }}{{ ", " if not loop.last }}{% endfor %}
    from areas
    where parent_area_key is not null
    group by all
),

of_years as (
    select area_key, 'all' as years, null::integer as year, {% for column in columns %}sum({{ column }}) as {{ column }}{{ ", " if not loop.last }}{% endfor %}
    from areas
    where years != 'all'
    group by all
),

sites as (
    select count(*) as n_installations from {{ ref("pv_installations") }}
    where {{ stands_alone() }}
)

{% for sums, those in [("of_children", "level != 'county'"), ("of_years", "years = 'all'")] -%}
select '{{ sums }}' as violation, areas.area_key, areas.years, areas.year
from (from areas where {{ those }}) as areas
full join {{ sums }} as sums
    on areas.area_key = sums.area_key and areas.years = sums.years and areas.year is not distinct from sums.year
where false
    {%- for column in columns %}
    or {% if column.startswith("n_") %}areas.{{ column }} is distinct from sums.{{ column }}
    {%- else %}coalesce(abs(areas.{{ column }} - sums.{{ column }}) > 1e-9 * areas.{{ column }}, true){% endif %}
    {%- endfor %}

union all

{% endfor -%}
select 'of sites', 'world', 'all', null
from sites
where n_installations != (select coalesce(max(n_installations), 0) from areas where level = 'world' and years = 'all')
