{#-
  Which areas cover which points: st_intersects in the plane of longitude and latitude, so that a point on a border is in the
  areas on both sides. Two ways, the same rows (tests/unit/test_points_in_areas.py compares both with Shapely); docs/adr/0011
  has the measurements. Yields point_id, area_id.

  points  relation: point_id, lon_deg, lat_deg, and cell, at the finest resolution of the cover or a finer one
  areas   relation: area_id, geometry (valid polygons)
  cover   relation like prep_h3_admin, of the same areas
-#}
{% macro points_in_areas(points, areas, cover) -%}
{%- if var("admin_join_method") == "h3" -%}
{{ points_in_areas_by_h3(points, areas, cover) }}
{%- elif var("admin_join_method") == "spatial_join" -%}
{{ points_in_areas_by_spatial_join(points, areas) }}
{%- else -%}
{{ exceptions.raise_compiler_error("Unknown var admin_join_method: " ~ var("admin_join_method") ~ "; known: h3, spatial_join") }}
{%- endif -%}
{%- endmacro %}

{% macro points_in_areas_by_spatial_join(points, areas) -%}
select points.point_id, areas.area_id
from {{ points }} as points
inner join {{ areas }} as areas on st_intersects(areas.geometry, st_point(points.lon_deg, points.lat_deg))
-- Without this barrier a condition on both sides moves into the join, whose plan then is quadratic
offset 0
{%- endmacro %}

{% macro points_in_areas_by_h3(points, areas, cover) -%}
select point_id, area_id
from (
    with met as materialized (
        {%- for resolution in range(var("admin_coarsest_resolution"), var("admin_finest_resolution") + 1) %}
        select points.point_id, points.lon_deg, points.lat_deg, cover.area_id, cover.is_interior
        from {{ points }} as points
        inner join {{ cover }} as cover
            on cover.resolution = {{ resolution }} and cover.cell = {{ h3_parent("points.cell", resolution) }}
        {{- " union all" if not loop.last }}
        {%- endfor %}
    ),

    on_border as (
        select area_id, list(point_id) as point_ids, list(lon_deg) as lons_deg, list(lat_deg) as lats_deg
        from met
        where not is_interior
        group by area_id
    ),

    tested as (
        select
            areas.area_id,
            unnest(on_border.point_ids) as point_id,
            unnest(covered_points(st_aswkb(areas.geometry)::blob, on_border.lons_deg, on_border.lats_deg)) as is_covered
        from on_border
        inner join {{ areas }} as areas on on_border.area_id = areas.area_id
    )

    select point_id, area_id from met where is_interior
    union all
    select point_id, area_id from tested where is_covered
)
{%- endmacro %}

{#-
  The cell of a coarser resolution that a cell descends from: h3_cell_to_parent as arithmetic, which does not leave SQL
  (h3geo.org, "H3 index representations": bits 52 to 55 are the resolution, three more below for each one's digit, 7 for none).
-#}
{% macro h3_parent(cell, resolution) -%}
    {%- set beyond = 2 ** (45 - 3 * resolution) - 1 -%}
    (({{ cell }} & {{ 2 ** 64 - 1 - 15 * 2 ** 52 - beyond }}::ubigint) | {{ resolution * 2 ** 52 + beyond }}::ubigint)
{%- endmacro %}
