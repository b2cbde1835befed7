{#-
  A polygon across the antimeridian as RFC 7946 wants it, in two parts. Many publish it as one ring whose longitudes jump from 180
  to -180, which reads as a band around the world. What spans more than half the world's longitudes, but less than 60 degrees of
  latitude, and does not reach both ends exactly, is held to be such a ring; world-wide products are left as they are.
-#}
{% macro cut_at_antimeridian(geometry) -%}
    {%- set beyond = "st_makevalid(st_transform(" ~ geometry ~ ", 'EPSG:4326', '+proj=longlat +datum=WGS84 +lon_wrap=180'))" -%}
    case
        when st_geometrytype({{ geometry }}) = 'POLYGON'
            and st_xmax({{ geometry }}) - st_xmin({{ geometry }}) between 180.000001 and 359.999999
            and st_ymax({{ geometry }}) - st_ymin({{ geometry }}) < 60
        then st_collectionextract(st_collect([
            st_intersection({{ beyond }}, st_makeenvelope(0, -90, 180, 90)),
            st_translate(st_intersection({{ beyond }}, st_makeenvelope(180, -90, 360, 90)), -360, 0)
        ]), 3)
        else {{ geometry }}
    end
{%- endmacro %}
