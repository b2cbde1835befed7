{{ config(materialized="partial", pre_hook="{{ delete_rows(['key_a', 'key_b'], ['prep_pv_touched']) }}") }}
-- depends_on: {{ ref("prep_pv_touched") }}
{% set part = replaces_part() %}
with all_sites as (
    select * exclude (geometry) from {{ ref("prep_pv_footprints") }} where duplicate_key is null
),

some_sites as (
    select * from all_sites
    {%- if part %} where observation_key in (select observation_key from {{ ref("prep_pv_touched") }}) {%- endif %}
),

near as (
    {%- if part or var("candidate_method") == "spatial_join" %}
    {{ envelope_pairs_by_spatial_join("some_sites" if part else "all_sites", "all_sites") }}
    {%- else %}
    {{ envelope_pairs_by_h3("all_sites", "all_sites") }}
    {%- endif %}
),

called_alike as (
    {{ pairs_by_words("some_sites", "all_sites") }}
    union
    {{ pairs_by_name("some_sites", "all_sites") }}
),

sharing_an_id as (
    {{ pairs_by_id("some_sites", "all_sites") }}
)

select
    key_a,
    key_b,
    bool_or(found_by = 'near') as is_near,
    bool_or(found_by = 'name') as is_called_alike,
    bool_or(found_by = 'id') as shares_an_id
from (
    select *, 'near' as found_by from near
    union all
    select *, 'name' as found_by from called_alike
    union all
    select *, 'id' as found_by from sharing_an_id
)
group by key_a, key_b
