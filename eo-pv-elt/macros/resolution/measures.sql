{#-
  Metres a degree on the WGS 84 ellipsoid at a latitude in degrees (series of the National Geospatial-Intelligence Agency, as
  in its Length of a Degree calculator): right to 0.01 m.
-#}
{% macro metres_per_degree_north(latitude) -%}
    (111132.92 - 559.82 * cos(radians(2 * {{ latitude }})) + 1.175 * cos(radians(4 * {{ latitude }})))
{%- endmacro %}

{% macro metres_per_degree_east(latitude) -%}
    (111412.84 * cos(radians({{ latitude }})) - 93.5 * cos(radians(3 * {{ latitude }})) + 0.118 * cos(radians(5 * {{ latitude }})))
{%- endmacro %}

{#- Great-circle distance in metres; the haversine holds across the antimeridian and at the poles. -#}
{% macro great_circle_m(lon_a, lat_a, lon_b, lat_b) -%}
    (2 * 6371008.8 * asin(least(1, sqrt(
        pow(sin(radians({{ lat_b }} - {{ lat_a }}) / 2), 2)
        + cos(radians({{ lat_a }})) * cos(radians({{ lat_b }})) * pow(sin(radians({{ lon_b }} - {{ lon_a }}) / 2), 2)
    ))))
{%- endmacro %}

{#- Area that two polygons share, in square units of their coordinates; most are convex, and GEOS is asked for the others only. -#}
{% macro shared_area(a, b) -%}
    coalesce(convex_intersection_area(st_aswkb({{ a }})::blob, st_aswkb({{ b }})::blob), st_area(st_intersection({{ a }}, {{ b }})))
{%- endmacro %}
