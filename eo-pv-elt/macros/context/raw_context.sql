{#-
  Body of a raw view of context: the columns that the layers above use, and what the manifest says of the entry (`context_…`).
  A column that this version of the source does not have is null; without a landing there are no rows.
  `columns` is `{published name: type}`; the type is that of the null, what is there stays as published.
-#}
{% macro raw_context(entry, columns) -%}
{%- set table = landed(entry) -%}
{%- set provenance = {
    "source_file": "varchar", "source_sha256": "varchar", "source_row": "bigint", "ingested_at": "timestamptz", "ingest_run_id": "varchar"
} -%}
{%- if table -%}
{%- set there = adapter.get_columns_in_relation(table) | map(attribute="name") | map("lower") | list if execute and flags.INTROSPECT
    else columns.keys() | map("lower") | list -%}
with version as (
    select * from {{ source("landing", "context_versions") }}
    where context = '{{ entry }}'
    qualify row_number() over (order by ingested_at desc) = 1
)

select
    {%- for column, type in columns.items() %}
    {% if column | lower in there %}landing.{{ adapter.quote(column) }}{% else %}null::{{ type }} as {{ adapter.quote(column) }}{% endif %},
    {%- endfor %}
    landing.geometry,
    {%- for column in provenance %}
    landing.{{ column }},
    {%- endfor %}
    version.release as context_release,
    version.url as context_url,
    version.citation as context_citation,
    version.licence as context_licence,
    version.commercial_use as context_commercial_use
from {{ table }} as landing
cross join version
{%- else -%}
-- {{ entry }} has not been landed in this lake: an empty view keeps the layers above it whole
select
    {%- for column, type in columns.items() %}
    null::{{ type }} as {{ adapter.quote(column) }},
    {%- endfor %}
    null::geometry as geometry,
    {%- for column, type in provenance.items() %}
    null::{{ type }} as {{ column }},
    {%- endfor %}
    {%- for column in ["release", "url", "citation", "licence", "commercial_use"] %}
    null::varchar as context_{{ column }}{{ "," if not loop.last }}
    {%- endfor %}
where false
{%- endif -%}
{%- endmacro %}
