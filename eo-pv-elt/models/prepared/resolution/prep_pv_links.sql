{{ config(materialized="view") }}
-- Every compared pair, what speaks for it and what became of it.
with clusters as (
    select
        clusters.observation_key,
        clusters.cluster_key,
        footprints.trust,
        footprints.one_row_per_site,
        -- what a cluster has one place for
        footprints.dataset || '|' || case when footprints.one_row_per_site then footprints.level else '' end as listed
    from {{ ref("prep_pv_clusters") }} as clusters
    inner join {{ ref("prep_pv_footprints") }} as footprints using (observation_key)
),

links as (
    select
        evidence.*,
        {{ is_eligible() }} as is_eligible,
        a.cluster_key as cluster_a,
        b.cluster_key as cluster_b,
        a.trust = 'low' as is_low_a,
        b.trust = 'low' as is_low_b
    from {{ ref("prep_pv_evidence") }} as evidence
    inner join clusters as a on evidence.key_a = a.observation_key
    inner join clusters as b on evidence.key_b = b.observation_key
),

sources as (
    select cluster_key, list(listed) as listed from clusters group by cluster_key
),

-- Pairs of clusters that a link would have joined, but that share a source
rivals as (
    select distinct links.cluster_a, links.cluster_b, true as is_listed_twice
    from links
    inner join sources as a on links.cluster_a = a.cluster_key
    inner join sources as b on links.cluster_b = b.cluster_key
    where links.is_eligible and links.cluster_a != links.cluster_b and list_has_any(a.listed, b.listed)
),

-- A whole and one of several parts that one source lists of it (dataflows.prepared.containment.is_phase)
phases as (
    select key_a, key_b, true as is_phase
    from links
    inner join clusters as part on links.part_key = part.observation_key
    where iou > 0 and part.one_row_per_site
    qualify count(*) over (partition by case part_key when key_a then key_b else key_a end, part.listed) > 1
)

select
    links.* exclude (is_eligible, cluster_a, cluster_b, is_low_a, is_low_b),
    is_eligible and cluster_a = cluster_b as accepted,
    case
        when not is_eligible then 'below_threshold'
        when cluster_a = cluster_b then null
        when is_phase then 'phase'
        when is_low_a and is_low_b then 'low_trust'
        when is_listed_twice then 'one_per_source'
        when is_low_a or is_low_b then 'low_trust'
        else 'extent'
    end as refusal
from links
left join rivals using (cluster_a, cluster_b)
left join phases using (key_a, key_b)
