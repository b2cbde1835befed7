{#- Values, where there are any, lie between two bounds (both inclusive), or above the one that is given. -#}
{% test in_range(model, column_name, min_value, max_value=none) %}
select {{ column_name }}
from {{ model }}
where {{ column_name }} < {{ min_value }}
    {%- if max_value is not none %} or {{ column_name }} > {{ max_value }}{% endif %}
    or isnan({{ column_name }}::double)
{% endtest %}
