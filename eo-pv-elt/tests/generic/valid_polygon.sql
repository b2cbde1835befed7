{#- Geometries, where there are any, are valid, two-dimensional polygons that are not empty. -#}
{% test valid_polygon(model, column_name) %}
select *
from {{ model }}
where {{ column_name }} is not null
    and (
        not st_isvalid({{ column_name }}) or st_isempty({{ column_name }}) or st_dimension({{ column_name }}) != 2
        or st_hasz({{ column_name }}) or st_hasm({{ column_name }})
    )
{% endtest %}
