{{ config(materialized="view") }}
select
    key_a,
    key_b,
    match_probability,
    iou,
    distance_m,
    {{ is_eligible() }} as same_site,
    rule_id in ('shared_id', 'name_and_distance') as by_attribute,
    part_key
from {{ ref("prep_pv_evidence") }}
where {{ is_relevant() }}
    and key_a in (select observation_key from {{ ref("prep_pv_nodes") }})
    and key_b in (select observation_key from {{ ref("prep_pv_nodes") }})
