{{ config(
    materialized="partial",
    history=true,
    full_refresh=false,
    post_hook="{{ close_memberships() }}",
) }}
-- depends_on: {{ ref("prep_pv_nodes") }}
-- depends_on: {{ ref("prep_pv_touched") }}
{#
  The history of which observation belonged to which installation: the one table of the resolution that is never rebuilt.
  Ids come from it. An id belongs to the cluster that has its most senior holder: the observation that founded it, or else
  the one that has held it longest. A cluster with several takes the oldest; one without takes the key of its least member.
#}
{% set snapshot = "(select max(snapshot_id) from " ~ this.database ~ ".snapshots())" -%}
{% set known = replaces_part() -%}
with resolved as (
    select
        clusters.observation_key,
        clusters.cluster_key,
        clusters.creates_installation,
        footprints.fingerprint
    from {{ ref("prep_pv_clusters") }} as clusters
    inner join {{ ref("prep_pv_footprints") }} as footprints using (observation_key)
    union all
    select
        duplicates.observation_key,
        clusters.cluster_key,
        clusters.creates_installation,
        duplicates.fingerprint
    from {{ ref("prep_pv_footprints") }} as duplicates
    inner join {{ ref("prep_pv_clusters") }} as clusters on duplicates.duplicate_key = clusters.observation_key
),

{% if known -%}
history as (
    select * from {{ this }}
),

-- Ids that may change hands: whatever an observation held that was resolved now, or that is gone
at_stake as (
    select distinct installation_key
    from history
    where installation_key is not null
        and observation_key in (
            select observation_key from {{ ref("prep_pv_nodes") }} union all select observation_key from {{ ref("prep_pv_touched") }}
        )
),

concerned as (
    select cluster_key from resolved where observation_key in (select observation_key from {{ ref("prep_pv_nodes") }})
    union
    select cluster_key
    from resolved
    where observation_key in (select observation_key from history where installation_key in (select installation_key from at_stake))
),

members as (
    select * from resolved where cluster_key in (select cluster_key from concerned)
),

held as (
    select installation_key, observation_key, min(valid_from_snapshot) as held_since
    from history
    where installation_key in (select installation_key from history where observation_key in (select observation_key from members))
    group by all
),

claims as (
    select
        installation_key,
        min(held_since) as known_since,
        arg_min(cluster_key, (observation_key != installation_key, held_since, observation_key)) as cluster_key
    from held
    inner join resolved using (observation_key)
    where creates_installation
    group by installation_key
),

inherited as (
    select cluster_key, arg_min(installation_key, (known_since, installation_key)) as installation_key
    from claims
    group by cluster_key
),
{%- else -%}
members as (
    select * from resolved
),

inherited as (
    select null::ubigint as cluster_key, null::ubigint as installation_key where false
),
{%- endif %}

assigned as (
    select
        members.observation_key,
        case when members.creates_installation then coalesce(inherited.installation_key, members.cluster_key) end as installation_key,
        members.fingerprint
    from members
    left join inherited using (cluster_key)
)

select
    assigned.observation_key,
    assigned.installation_key,
    assigned.fingerprint,
    {{ snapshot }} as valid_from_snapshot,
    null::bigint as valid_to_snapshot
from assigned
{%- if known %}
left join history as current on assigned.observation_key = current.observation_key and current.valid_to_snapshot is null
where current.observation_key is null
    or current.installation_key is distinct from assigned.installation_key
    or current.fingerprint != assigned.fingerprint
{%- endif %}
