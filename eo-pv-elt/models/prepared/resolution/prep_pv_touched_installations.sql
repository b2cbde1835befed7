{{ config(materialized="table") }}
-- Installations that may differ from the last build: those of resolved observations, before and after, whose id or members
-- changed, and the parts of such.
with scope as (
    select observation_key from {{ ref("prep_pv_nodes") }}
    union
    select observation_key from {{ ref("prep_pv_touched") }}
    union
    select observation_key
    from {{ ref("prep_pv_memberships") }}
    where greatest(valid_from_snapshot, valid_to_snapshot)
        >= (select max(greatest(valid_from_snapshot, valid_to_snapshot)) from {{ ref("prep_pv_memberships") }})
),

clusters as (
    select cluster_key from {{ ref("prep_pv_clusters") }} where observation_key in (select observation_key from scope)
),

observations as (
    select observation_key from scope
    union
    select observation_key from {{ ref("prep_pv_clusters") }} where parent_cluster_key in (select cluster_key from clusters)
)

select distinct installation_key
from {{ ref("prep_pv_memberships") }}
where observation_key in (select observation_key from observations) and installation_key is not null
