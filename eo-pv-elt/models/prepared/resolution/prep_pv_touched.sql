{{ config(materialized="table") }}
{#-
  Compared with what was resolved last: prep_pv_footprints is complete where the last resolution was (its last model,
  prep_pv_resolutions, names the run). A resolution that broke off, or another method, begins anew.
-#}
{%- set method = resolution_method() -%}
{%- set footprints = prepared("prep_pv_footprints") -%}
{%- set resolutions = prepared("prep_pv_resolutions") -%}
{%- set whole = true -%}
{%- if execute and flags.INTROSPECT and not should_full_refresh() and load_relation(this) and load_relation(footprints) and load_relation(resolutions) -%}
    {%- set unfinished = "select count(*) from " ~ this ~ " where resolution_id not in (select resolution_id from " ~ resolutions ~ ")" -%}
    {%- set otherwise = "select count(*) from " ~ resolutions ~ " where method != '" ~ method ~ "'" -%}
    {%- set whole = run_query("select (" ~ unfinished ~ ") + (" ~ otherwise ~ ")").rows[0][0] > 0 -%}
{%- endif -%}
with observations as (
    select
        {{ observation_key("observation_id") }} as observation_key,
        -- every column that the resolution reads
        md5_number_lower(concat_ws(
            '|',
            dataset, md5(st_aswkb(geometry)), level, trust,
            {%- for column in [
                "reported_area_m2", "capacity_mw", "capacity_mw_dc", "installed_year", "axis", "tilt_deg", "azimuth_deg", "reported_mount", "name", "operator", "country_iso3", "licence",
                "commercial_use", "vintage", "external_ids", "duplicate_of", "source_feature_id"
            ] %}
            coalesce({{ column }}::varchar, ''){{ "," if not loop.last }}
            {%- endfor %}
        )) as fingerprint
    from {{ ref("prep_pv_observations") }}
    where geometry is not null
),

compared as (
    {%- if whole %}
    select observation_key, fingerprint, 'new' as change, true as everything from observations
    {%- else %}
    select
        observation_key,
        coalesce(observations.fingerprint, footprints.fingerprint) as fingerprint,
        case
            when footprints.fingerprint is null then 'new'
            when observations.fingerprint is null then 'gone'
            when observations.fingerprint != footprints.fingerprint then 'changed'
        end as change,
        -- more than a third is resolved faster as a whole
        count(change) over () > count(*) over () / 3 as everything
    from observations
    full join {{ footprints }} as footprints using (observation_key)
    {%- endif %}
)

select
    observation_key,
    fingerprint,
    change,
    everything,
    '{{ invocation_id }}' as resolution_id
from compared
where change is not null or everything
