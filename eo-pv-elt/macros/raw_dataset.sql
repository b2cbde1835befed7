{#- The landing table of a dataset, or none when it has not been landed in this lake (with --no-introspect: always the table). -#}
{% macro landed(dataset) -%}
    {%- set table = source("landing", dataset) -%}
    {%- if execute and flags.INTROSPECT -%}
        {{ return(load_relation(table)) }}
    {%- endif -%}
    {{ return(table) }}
{%- endmacro %}

{#- Body of a raw view: the published columns and geometry, and what the manifest says about the dataset (`dataset_…`). -#}
{% macro raw_dataset(dataset) -%}
{%- set table = landed(dataset) -%}
{%- if table -%}
with version as (
    select * from {{ source("landing", "dataset_versions") }}
    where dataset = '{{ dataset }}'
    qualify row_number() over (order by ingested_at desc) = 1
)

select
    landing.*,
    version.vintage as dataset_vintage,
    version.doi as dataset_doi,
    version.url as dataset_url,
    version.citation as dataset_citation,
    version.licence as dataset_licence,
    version.commercial_use as dataset_commercial_use,
    version.level as dataset_level,
    version.trust as dataset_trust,
    version.countries as dataset_countries
from {{ table }} as landing
cross join version
{%- else -%}
-- {{ dataset }} has not been landed in this lake: an empty view keeps the layers above it whole
select
    null::geometry as geometry,
    null::varchar as source_file,
    null::varchar as source_sha256,
    null::bigint as source_row,
    null::timestamptz as ingested_at,
    null::varchar as ingest_run_id
where false
{%- endif -%}
{%- endmacro %}

{#- Says plainly what to do where a build would find no landing schema. -#}
{% macro require_landing() -%}
    {%- if execute and flags.WHICH in ("build", "run", "test") and not landed("dataset_versions") -%}
        {{ exceptions.raise_compiler_error("Nothing has been landed in this lake yet: run 'eopv ingest KEY' or 'make demo' first.") }}
    {%- endif -%}
{%- endmacro %}
