{#- No two rows agree in all of these columns. -#}
{% test one_row_each(model, columns) %}
select {{ columns | join(", ") }}
from {{ model }}
group by all
having count(*) > 1
{% endtest %}
