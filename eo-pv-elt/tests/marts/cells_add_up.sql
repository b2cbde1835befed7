-- A coarser cell holds what its children hold, to the last site and the last digits of amounts, and every resolution every site.
with children as (
    select
        parent_cell as cell,
        {%- for column in cell_counts() %}
        sum({{ column }}) as {{ column }},
        {%- endfor %}
        {%- for column in cell_amounts() %}
        {{ exact_sum(column) }}::double as {{ column }},
        {%- endfor %}
        min(first_installed_year) as first_installed_year,
        max(last_installed_year) as last_installed_year
    from {{ ref("pv_h3") }}
    where parent_cell is not null
    group by parent_cell
),

parents as (
    select * from {{ ref("pv_h3") }}
    where resolution < (select max(resolution) from {{ ref("pv_h3") }})
),

sites as (
    select
        count(*) filter ({{ stands_alone() }}) as n_installations,
        count(*) filter (not {{ stands_alone() }}) as n_parts
    from {{ ref("pv_installations") }}
    where h3_r8 is not null
)

select 'of children' as violation, cell::varchar as where_found
from parents
full join children using (cell)
where false
    {%- for column in cell_counts() + ["first_installed_year", "last_installed_year"] %}
    or parents.{{ column }} is distinct from children.{{ column }}
    {%- endfor %}
    {%- for column in cell_amounts() %}
    or coalesce(abs(parents.{{ column }} - children.{{ column }}) > 1e-12 * parents.{{ column }}, true)
    {%- endfor %}

union all

select 'of sites', resolution::varchar
from {{ ref("pv_h3") }}
group by resolution
having (sum(n_installations), sum(n_parts)) is distinct from (select (n_installations, n_parts) from sites)
