{#- What a building of an Overture class is to panels: a canopy without walls, a greenhouse, or a building. -#}
{% macro roof_of(building_class) -%}
    case when {{ building_class }} in ('carport', 'roof') then 'canopy' when {{ building_class }} = 'greenhouse' then 'greenhouse' else 'building' end
{%- endmacro %}

{#-
  Circles in degrees, of a radius in metres, around a place: a list of one, or of two where it reaches over the antimeridian, so that
  one of them meets what is on the other side.
-#}
{% macro circle_around(lon, lat, radius_m) -%}
    list_transform(
        case
            when {{ lon }} + {{ radius_m }} / {{ metres_per_degree_east(lat) }} > 180 then [0, -360]
            when {{ lon }} - {{ radius_m }} / {{ metres_per_degree_east(lat) }} < -180 then [0, 360]
            else [0]
        end,
        lambda shift_deg: st_translate(
            st_scale(
                st_buffer(st_point(0, 0), {{ radius_m }}),
                1 / {{ metres_per_degree_east(lat) }},
                1 / {{ metres_per_degree_north(lat) }}
            ),
            {{ lon }} + shift_deg,
            {{ lat }}
        )
    )
{%- endmacro %}

{#- When an entry of context was acquired last; null where it has not been. -#}
{% macro acquired_at(entry) -%}
    {%- if landed("context_versions") -%}
    (select max(ingested_at) from {{ landed("context_versions") }} where context = '{{ entry }}')
    {%- else -%}
    null::timestamptz
    {%- endif -%}
{%- endmacro %}

{#- Whether a rule of mount_rules.csv holds for what is known of an installation; an unknown share or area is within no bounds. -#}
{% macro mount_rule_holds(evidence, rule) -%}
    ({{ rule }}.dataset = '*' or list_contains({{ evidence }}.datasets, {{ rule }}.dataset))
    {%- for column in ["reported_mount", "level", "geometry_kind", "roof", "land_use_class"] %}
    and ({{ rule }}.{{ column }} = '*' or coalesce({{ rule }}.{{ column }} = {{ evidence }}.{{ column }}, false))
    {%- endfor %}
    and ({{ rule }}.buildings_known is null or {{ rule }}.buildings_known = {{ evidence }}.buildings_known)
    and ({{ rule }}.least_share is null or coalesce({{ evidence }}.building_share >= {{ rule }}.least_share, false))
    and ({{ rule }}.least_parking_share is null or coalesce({{ evidence }}.parking_share >= {{ rule }}.least_parking_share, false))
    and ({{ rule }}.least_area_m2 is null or coalesce({{ evidence }}.area_m2 >= {{ rule }}.least_area_m2, false))
    and ({{ rule }}.below_area_m2 is null or coalesce({{ evidence }}.area_m2 < {{ rule }}.below_area_m2, false))
{%- endmacro %}
