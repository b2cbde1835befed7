{#- Place of a value in a list of names, best first; names that are not in it come last. -#}
{% macro preference(column, names) -%}
    coalesce(list_position(['{{ names | join("', '") }}'], {{ column }}), {{ names | length + 1 }})
{%- endmacro %}
