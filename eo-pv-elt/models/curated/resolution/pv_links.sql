{{ config(
    materialized="partial",
    pre_hook="{{ delete_rows(['left(observation_id_a, 16)', 'left(observation_id_b, 16)'], ['prep_pv_nodes', 'prep_pv_touched'], half_id('observation_key')) }}",
) }}
-- depends_on: {{ ref("prep_pv_nodes") }}
-- depends_on: {{ ref("prep_pv_clusters") }}
-- Not side by side with the other large table, for the sake of memory
-- depends_on: {{ ref("prep_pv_installations") }}
{% set part = replaces_part() -%}
with compared as {{ "materialized" if part else "not materialized" }} (
    select * from {{ ref("prep_pv_evidence") }}
    {%- if part %}
    where key_a in (select observation_key from {{ ref("prep_pv_nodes") }})
        or key_b in (select observation_key from {{ ref("prep_pv_nodes") }})
    {%- endif %}
),

{% set keys -%}
    select key_a from compared union all select key_b from compared union all select observation_key from {{ ref("prep_pv_nodes") }}
{%- endset -%}
sites as {{ rows_for(part, ref("prep_pv_footprints"), keys) }},

links as (
    {{ judged_links("compared", "sites") }}
)

select
    a.observation_id as observation_id_a,
    b.observation_id as observation_id_b,
    a.dataset as dataset_a,
    b.dataset as dataset_b,
    links.rule_id,
    links.match_weight,
    links.match_probability,
    links.accepted,
    links.refusal,
    case links.part_key when links.key_a then a.observation_id when links.key_b then b.observation_id end as part_observation_id,
    links.distance_m,
    links.scaled_distance,
    links.intersection_m2,
    links.overlap,
    links.iou,
    links.capacity_ratio,
    links.area_ratio,
    links.year_gap,
    links.name_similarity,
    links.operator_similarity,
    links.shared_ids,
    {%- for comparison in comparisons() %}
    links.{{ comparison }}_level{{ "," if not loop.last }}
    {%- endfor %}
from links
inner join sites as a on links.key_a = a.observation_key
inner join sites as b on links.key_b = b.observation_key
