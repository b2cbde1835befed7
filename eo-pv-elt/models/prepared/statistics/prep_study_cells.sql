{% set resolutions = var("study_resolutions") -%}
with held_cells as (
    {% for resolution in resolutions -%}
    select distinct area, {{ resolution }} as resolution, h3_cell_to_parent(h3_r8, {{ resolution }}) as cell
    from {{ ref("prep_study_sites") }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

areas as (
    select *, st_area_spheroid(study_window) / 1e6 as window_km2
    from {{ ref("prep_study_areas") }}
    -- the hull of one or two places is no polygon
    where st_dimension(study_window) = 2
),

-- Few cells with PV give no statistics, and a hull around half the globe none that say anything: what takes time is to cover them
studied as (
    select area, resolution
    from held_cells
    inner join areas using (area)
    group by area, resolution, window_km2
    having count(*) >= {{ var("study_min_cells") }}
        and window_km2 / (510065622 / h3_get_num_cells(resolution)) <= {{ var("study_max_cells") }}
),

cells as (
    {% for resolution in resolutions -%}
    -- where there could be PV: empty cells are zeros, not unknown
    select area, unnest({{ cells_within("study_window", resolution) }}) as cell
    from areas
    where area in (select area from studied where resolution = {{ resolution }})
    union
    {% endfor -%}
    -- where there is, also in cells that the coast or the border cuts
    select area, cell
    from held_cells
    inner join studied using (area, resolution)
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
