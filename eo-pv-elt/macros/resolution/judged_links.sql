{#-
  Compared pairs, what speaks for each and what became of it. Pairs of different components have nothing to do with each other,
  so that `evidence` may be a part that holds every relevant pair of the components it touches, and `sites` the observations of these.
-#}
{% macro judged_links(evidence, sites) -%}
with clusters as (
    select
        clusters.observation_key,
        clusters.cluster_key,
        footprints.trust,
        footprints.one_row_per_site,
        -- what a cluster has one place for
        footprints.dataset || '|' || case when footprints.one_row_per_site then footprints.level else '' end as listed
    from {{ ref("prep_pv_clusters") }} as clusters
    inner join {{ sites }} as footprints using (observation_key)
),

links as (
    select
        evidence.*,
        {{ is_eligible() }} as is_eligible,
        a.cluster_key as cluster_a,
        b.cluster_key as cluster_b,
        a.trust = 'low' as is_low_a,
        b.trust = 'low' as is_low_b
    from {{ evidence }} as evidence
    inner join clusters as a on evidence.key_a = a.observation_key
    inner join clusters as b on evidence.key_b = b.observation_key
),

contested as (
    select distinct cluster_a, cluster_b from links where is_eligible and cluster_a != cluster_b
),

sources as (
    select cluster_key, list(listed) as listed
    from clusters
    where cluster_key in (select cluster_a from contested union all select cluster_b from contested)
    group by cluster_key
),

-- Pairs of clusters that a link would have joined, but that share a source
rivals as (
    select contested.*, true as is_listed_twice
    from contested
    inner join sources as a on contested.cluster_a = a.cluster_key
    inner join sources as b on contested.cluster_b = b.cluster_key
    where list_has_any(a.listed, b.listed)
),

-- A whole and one of several parts that one source lists of it (dataflows.prepared.containment.is_phase)
phase_links as (
    select cluster_a, cluster_b
    from links
    inner join clusters as part on links.part_key = part.observation_key
    where iou > 0 and part.one_row_per_site
    qualify count(*) over (partition by case part_key when key_a then key_b else key_a end, part.listed) > 1
),

-- Pairs of clusters that hold such a pair, whichever of the two holds the whole
phases as (
    select cluster_a, cluster_b, true as is_phase from phase_links
    union
    select cluster_b, cluster_a, true from phase_links
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
left join phases using (cluster_a, cluster_b)
{%- endmacro %}
