{#- Columns ascend from the first to the last, and are all there or all missing. -#}
{% test in_order(model, columns) %}
select {{ columns | join(", ") }}
from {{ model }}
where
    {%- for column in columns[1:] %}
    {{ columns[loop.index0] }} > {{ column }} or ({{ columns[loop.index0] }} is null) != ({{ column }} is null){{ " or" if not loop.last }}
    {%- endfor %}
{% endtest %}
