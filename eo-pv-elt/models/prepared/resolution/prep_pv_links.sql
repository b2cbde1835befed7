{{ config(materialized="view") }}
-- Every compared pair, what speaks for it and what became of it.
with clusters as (
    select clusters.observation_key, clusters.cluster_key, footprints.trust
    from {{ ref("prep_pv_clusters") }} as clusters
    inner join {{ ref("prep_pv_footprints") }} as footprints using (observation_key)
),

sources as (
    select cluster_key, list(distinct dataset || '|' || level) as listed
    from {{ ref("prep_pv_clusters") }}
    inner join {{ ref("prep_pv_footprints") }} using (observation_key)
    group by cluster_key
)

select
    evidence.*,
    {{ is_eligible() }} and a.cluster_key = b.cluster_key as accepted,
    case
        when not {{ is_eligible() }} then 'below_threshold'
        when a.cluster_key = b.cluster_key then null
        when a.trust = 'low' and b.trust = 'low' then 'low_trust'
        when list_has_any(sources_a.listed, sources_b.listed) then 'one_per_source'
        when a.trust = 'low' or b.trust = 'low' then 'low_trust'
        else 'extent'
    end as refusal
from {{ ref("prep_pv_evidence") }} as evidence
inner join clusters as a on evidence.key_a = a.observation_key
inner join clusters as b on evidence.key_b = b.observation_key
-- only where two clusters have to be told apart
left join sources as sources_a on a.cluster_key = sources_a.cluster_key and a.cluster_key != b.cluster_key and {{ is_eligible() }}
left join sources as sources_b on b.cluster_key = sources_b.cluster_key and a.cluster_key != b.cluster_key and {{ is_eligible() }}
