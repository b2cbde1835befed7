{% set finest, coarsest = 8, 3 -%}
with sites as (
    select * from {{ ref("pv_installations") }}
    where h3_r{{ finest }} is not null
),

-- Installations are put into cells once, at the finest resolution; a coarser cell is the sum of its children
parts_r{{ finest }} as (
    select h3_r{{ finest }} as cell, count(*) as n_parts
    from sites
    where not {{ stands_alone() }}
    group by cell
),

alone_r{{ finest }} as (
    select
        h3_r{{ finest }} as cell,
        {{ summed_sites() | indent(8) }},
        count(*) filter (geometry_kind = 'polygon') as n_polygons,
        count(*) filter (geometry_kind = 'point') as n_points,
        {{ exact_sum("confidence") }} as n_installations_expected,
        count(installed_year) as n_with_year,
        min(installed_year) as first_installed_year,
        max(installed_year) as last_installed_year
    from sites
    where {{ stands_alone() }}
    group by cell
),

r{{ finest }} as (
    select
        cell,
        {%- for column in cell_counts() %}
        coalesce({{ column }}, 0) as {{ column }},
        {%- endfor %}
        {%- for column in cell_amounts() %}
        coalesce({{ column }}, 0) as {{ column }},
        {%- endfor %}
        first_installed_year,
        last_installed_year
    from alone_r{{ finest }}
    full join parts_r{{ finest }} using (cell)
),

{% for resolution in range(finest - 1, coarsest - 1, -1) -%}
r{{ resolution }} as (
    select
        h3_cell_to_parent(cell, {{ resolution }}) as cell,
        {%- for column in cell_counts() %}
        sum({{ column }}) as {{ column }},
        {%- endfor %}
        {%- for column in cell_amounts() %}
        sum({{ column }}) as {{ column }},
        {%- endfor %}
        min(first_installed_year) as first_installed_year,
        max(last_installed_year) as last_installed_year
    from r{{ resolution + 1 }}
    group by 1
),

{% endfor -%}
cells as (
    select * from r{{ finest }}
    {%- for resolution in range(finest - 1, coarsest - 1, -1) %}
    union all
    select * from r{{ resolution }}
    {%- endfor %}
)

select
    h3_get_resolution(cell)::utinyint as resolution,
    cell,
    case when h3_get_resolution(cell) > {{ coarsest }} then h3_cell_to_parent(cell, h3_get_resolution(cell) - 1) end as parent_cell,
    h3_cell_area(cell, 'km^2') as cell_area_km2,
    -- how many
    n_installations::bigint as n_installations,
    n_installations_expected::double as n_installations_expected,
    n_rooftop::bigint as n_rooftop,
    n_ground::bigint as n_ground,
    n_canopy::bigint as n_canopy,
    n_polygons::bigint as n_polygons,
    n_points::bigint as n_points,
    n_parts::bigint as n_parts,
    -- how large
    n_with_area::bigint as n_with_area,
    area_m2::double as area_m2,
    n_with_capacity::bigint as n_with_capacity,
    capacity_mw::double as capacity_mw,
    capacity_mw::double / h3_cell_area(cell, 'km^2') as capacity_mw_per_km2,
    -- since when
    n_with_year::bigint as n_with_year,
    first_installed_year,
    last_installed_year
from cells
