{{ config(materialized="view") }}
select
    installation_id,
    observation_id,
    dataset,
    source_feature_id,
    rule_id,
    match_probability
from {{ ref("prep_pv_installation_observations") }}
