{#- Body of a raw view on a table that ingest writes: the table as it is, or no rows of its columns (`{name: type}`) while there is none. -#}
{% macro landed_or_empty(name, columns) -%}
{%- set table = landed(name) -%}
{%- if table -%}
select
    {%- for column in columns %}
    {{ column }}{{ "," if not loop.last }}
    {%- endfor %}
from {{ table }}
{%- else -%}
-- {{ name }} has not been landed in this lake: an empty view keeps the layers above it whole
select
    {%- for column, type in columns.items() %}
    null::{{ type }} as {{ column }}{{ "," if not loop.last }}
    {%- endfor %}
where false
{%- endif -%}
{%- endmacro %}
