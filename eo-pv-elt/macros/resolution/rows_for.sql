{#-
  Rows of a large table that a model joins several times, as the body of a CTE ('sites as {{ rows_for(…) }}'): in a build in part
  those whose key is in `keys`, read once; otherwise whatever each join takes of the table.
-#}
{% macro rows_for(part, table, keys, key="observation_key") -%}
    {{ "materialized" if part else "not materialized" }} (
        select *{{ ", " ~ key ~ " as observation_key" if key != "observation_key" }} from {{ table }}
        {%- if part %} where {{ key }} in ({{ keys }}) {%- endif %}
    )
{%- endmacro %}
