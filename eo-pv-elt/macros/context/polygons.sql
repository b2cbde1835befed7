{#- The polygonal part of a geometry, valid: as published where it is, else mended; null where there is none. -#}
{% macro mended_polygon(geometry) -%}
case
    when {{ geometry }} is null or st_isempty({{ geometry }}) or st_dimension({{ geometry }}) < 2 then null
    when st_isvalid({{ geometry }}) then st_force2d({{ geometry }})
    when not st_isempty(st_collectionextract(st_makevalid(st_force2d({{ geometry }})), 3))
        then st_collectionextract(st_makevalid(st_force2d({{ geometry }})), 3)
end
{%- endmacro %}

{#- What became of a published polygon, in the words of `geometry_status`. -#}
{% macro polygon_status(geometry, mended) -%}
case
    when {{ geometry }} is null then 'null'
    when st_isempty({{ geometry }}) then 'empty'
    when {{ mended }} is null then 'unusable'
    when st_isvalid({{ geometry }}) then 'valid'
    else 'repaired'
end
{%- endmacro %}
