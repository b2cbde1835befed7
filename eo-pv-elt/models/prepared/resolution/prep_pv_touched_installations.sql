{{ config(materialized="table") }}
{#
  Installations that may differ from the last build, for what is built in part: those of resolved observations, before and
  after; those that gave an id away or took one; and the parts of such.
#}
with scope as (
    select observation_key from {{ ref("prep_pv_nodes") }}
    union
    select observation_key from {{ ref("prep_pv_touched") }}
    {%- if execute and flags.INTROSPECT and load_relation(prepared("prep_pv_resolutions")) and not resolves_everything() %}
    union
    select observation_key
    from {{ ref("prep_pv_memberships") }}
    where greatest(valid_from_snapshot, valid_to_snapshot) > (select max(snapshot) from {{ prepared("prep_pv_resolutions") }})
    {%- endif %}
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
{%- if execute and flags.INTROSPECT and resolves_everything() %}
    and false -- nothing is built in part
{%- endif %}
