{#- None of the columns is ever null: one scan of the table, where a not_null of each would be one a column. -#}
{% test no_nulls(model, columns) %}
select column_name, n_nulls
from (
    unpivot (
        select {% for column in columns %}count(*) filter ({{ column }} is null) as {{ column }}{{ ", " if not loop.last }}{% endfor %}
        from {{ model }}
    ) on columns(*) into name column_name value n_nulls
)
where n_nulls > 0
{% endtest %}
