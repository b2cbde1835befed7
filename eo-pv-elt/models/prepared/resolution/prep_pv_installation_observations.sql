{{ config(
    materialized="partial",
    pre_hook="{{ delete_rows(['installation_id'], ['prep_pv_touched_installations'], installation_id('installation_key')) }}",
) }}
-- depends_on: {{ ref("prep_pv_touched_installations") }}
with members as (
    select observation_key, installation_key
    from {{ ref("prep_pv_memberships") }}
    where valid_to_snapshot is null
        and installation_key is not null
        {%- if replaces_part() %}
        and installation_key in (select installation_key from {{ ref("prep_pv_touched_installations") }})
        {%- endif %}
)

select
    {{ installation_id("members.installation_key") }} as installation_id,
    observations.observation_id,
    observations.dataset,
    observations.source_feature_id,
    case
        when observations.duplicate_of is not null then 'exact_duplicate'
        else coalesce(evidence.rule_id, 'only_source')
    end as rule_id,
    coalesce(evidence.match_probability, 1) as match_probability
from members
inner join {{ ref("prep_pv_observations") }} as observations
    on members.observation_key = {{ observation_key("observations.observation_id") }}
left join {{ ref("prep_pv_clusters") }} as clusters on members.observation_key = clusters.observation_key
left join {{ ref("prep_pv_evidence") }} as evidence
    on evidence.key_a = least(clusters.observation_key, clusters.link_key)
    and evidence.key_b = greatest(clusters.observation_key, clusters.link_key)
