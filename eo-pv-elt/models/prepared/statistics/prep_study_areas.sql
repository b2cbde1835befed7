{% set chosen = chosen_study() -%}
with sites as (
    select
        *,
        max(centroid_lon_deg) over (partition by area) - min(centroid_lon_deg) over (partition by area) > 180 as is_wrapped
    from {{ ref("prep_study_sites") }}
),

areas as (
    select
        kind,
        area,
        mode(area_id order by area_id) as area_id,
        count(*) as n_installations,
        -- around the antimeridian, longitudes go on beyond 180°
        st_convexhull(st_collect(list(
            st_point(
                case when is_wrapped and centroid_lon_deg < 0 then centroid_lon_deg + 360 else centroid_lon_deg end, centroid_lat_deg
            )
            order by installation_id
        ))) as hull
    from sites
    group by kind, area
),

boundaries as (
    select area_id, any_value(geometry order by st_area(geometry) desc) as boundary
    from {{ ref("stg_admin_areas") }}
    where area_id in (select area_id from areas) and geometry is not null
    group by area_id
)

select
    areas.kind,
    areas.area,
    {% if chosen.area -%}
    areas.area = '{{ chosen.area }}' as is_chosen,
    {%- else -%}
    row_number() over (order by n_installations desc, area) = 1 as is_chosen,
    {%- endif %}
    areas.n_installations,
    case
        when areas.kind = 'box' then 'box'
        when boundaries.boundary is not null then 'boundary'
        else 'hull'
    end as study_window_source,
    {%- if chosen.kind == "box" %}
    {%- set west, south, east, north = var("study_area") %}
    case
        when areas.kind = 'box' then {{ wrapped_polygon("st_makeenvelope(" ~ [west, south, east + (360 if east < west else 0), north] | join(", ") ~ ")") }}
        else coalesce(boundaries.boundary, {{ wrapped_polygon("areas.hull") }})
    end as study_window,
    {%- else %}
    coalesce(boundaries.boundary, {{ wrapped_polygon("areas.hull") }}) as study_window,
    {%- endif %}
    -- how it is studied
    {{ var("study_permutations") }} as permutations,
    {{ var("study_random_patterns") }} as random_patterns,
    {{ var("study_seed") }} as seed,
    {{ var("study_max_distance_m") or "null" }}::double as max_distance_m
from areas
left join boundaries using (area_id)
