{#- Twelve rows of months add up to the row of the year, whose month is null. -#}
{% test months_make_the_year(model, id, column) %}
select {{ id }}
from {{ model }}
group by {{ id }}
having count(month) != 12 or count(*) != 13
    or abs(sum({{ column }}) filter (month is not null) - sum({{ column }}) filter (month is null)) > 1e-9 * sum({{ column }})
{% endtest %}
