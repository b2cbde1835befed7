{#- There is a valid, two-dimensional geometry of the stated kind exactly where the status says so. -#}
{% test geometry_matches_status(model) %}
select *
from {{ model }}
where (geometry_status in ('valid', 'repaired')) != (geometry is not null)
    or (geometry is not null and (not st_isvalid(geometry) or st_isempty(geometry) or st_hasz(geometry) or st_hasm(geometry)))
    or (geometry_kind is null) != (geometry is null)
    or (geometry_kind = 'point') != (st_dimension(geometry) = 0)
    or (geometry_kind = 'polygon') != (st_dimension(geometry) = 2)
{% endtest %}
