{% set resolutions = var("study_resolutions") -%}
with areas as (
    select * from {{ ref("prep_study_areas") }}
    -- the hull of one or two places is no polygon
    where st_dimension(study_window) = 2
),

cells as (
    {% for resolution in resolutions -%}
    -- where there could be PV: empty cells are zeros, not unknown
    select area, unnest({{ cells_within("study_window", resolution) }}) as cell
    from areas
    union
    -- where there is, also in cells that the coast or the border cuts
    select area, h3_cell_to_parent(h3_r8, {{ resolution }})
    from {{ ref("prep_study_sites") }}
    where area in (select area from areas)
    {{ "union" if not loop.last }}
    {% endfor %}
)

select
    cells.area,
    h3_get_resolution(cells.cell)::utinyint as resolution,
    cells.cell,
    coalesce(held.n_installations, 0) as n_installations,
    coalesce(held.capacity_mw, 0) as capacity_mw,
    coalesce(held.cell_area_km2, h3_cell_area(cells.cell, 'km^2')) as cell_area_km2,
    areas.permutations,
    areas.seed,
    {{ var("study_false_discovery_rate") }}::double as false_discovery_rate
from cells
inner join areas using (area)
left join {{ ref("pv_h3") }} as held on cells.cell = held.cell
qualify count(*) filter (held.n_installations > 0) over (partition by cells.area, h3_get_resolution(cells.cell)) >= {{ var("study_min_cells") }}
