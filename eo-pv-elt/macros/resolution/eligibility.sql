{#- Links that may join two observations into one installation. -#}
{% macro is_eligible() -%}
    match_probability >= {{ var("match_threshold") }}
{%- endmacro %}

{#- Links that the graph has to know: the eligible ones, and those that may say that one site is part of another. -#}
{% macro is_relevant() -%}
    ({{ is_eligible() }} or part_key is not null)
{%- endmacro %}
