{{ config(
    materialized="partial",
    pre_hook="{{ delete_rows(['installation_id'], ['prep_pv_touched_installations'], installation_id('installation_key')) }}",
) }}
-- depends_on: {{ ref("prep_pv_touched_installations") }}
{# Derived from the history alone: what each snapshot did to each installation that had, or has, observations. #}
with history as (
    select * from {{ ref("prep_pv_memberships") }} where installation_key is not null
),

concerned as (
    select * from history
    {%- if replaces_part() %}
    where installation_key in (select installation_key from {{ ref("prep_pv_touched_installations") }})
    {%- endif %}
),

-- arrivals and departures; a row that only has new content is both at once
moves as (
    select installation_key, observation_key, valid_from_snapshot as snapshot, 1 as joined, 0 as parted from concerned
    union all
    select installation_key, observation_key, valid_to_snapshot as snapshot, 0 as joined, 1 as parted
    from concerned
    where valid_to_snapshot is not null
),

per_observation as (
    select installation_key, snapshot, observation_key, sum(joined) as joined, sum(parted) as parted
    from moves
    group by all
),

steps as (
    select
        installation_key,
        snapshot,
        count(*) filter (joined > parted) as n_joined,
        count(*) filter (parted > joined) as n_left,
        count(*) filter (joined = parted) as n_revised
    from per_observation
    group by all
),

counted as (
    select
        *,
        sum(n_joined - n_left) over (partition by installation_key order by snapshot) as n_observations,
        row_number() over (partition by installation_key order by snapshot) = 1 as is_first
    from steps
),

transfers as (
    select departure.installation_key as from_key, arrival.installation_key as to_key, arrival.valid_from_snapshot as snapshot
    from history as arrival
    inner join history as departure
        on arrival.observation_key = departure.observation_key
        and arrival.valid_from_snapshot = departure.valid_to_snapshot
        and arrival.installation_key != departure.installation_key
),

-- where those that joined came from, and where those that left went to: the installation that most of them share
came_from as (
    select to_key as installation_key, snapshot, mode(from_key order by from_key) as other_key from transfers group by all
),

went_to as (
    select from_key as installation_key, snapshot, mode(to_key order by to_key) as other_key from transfers group by all
)

select
    {{ installation_id("counted.installation_key") }} as installation_id,
    snapshot,
    case
        when n_observations = 0 and went_to.other_key is not null then 'merged'
        when n_observations = 0 then 'retired'
        when is_first and came_from.other_key is not null then 'split_off'
        when is_first then 'created'
        when n_observations = n_joined and n_left = 0 then 'returned'
        when n_joined > 0 or n_left > 0 then 'members_changed'
        else 'revised'
    end as change,
    case
        when coalesce(went_to.other_key, came_from.other_key) is not null
        then {{ installation_id("coalesce(case when n_observations = 0 then went_to.other_key end, came_from.other_key, went_to.other_key)") }}
    end as other_installation_id,
    n_joined::integer as n_joined,
    n_left::integer as n_left,
    n_revised::integer as n_revised,
    n_observations::integer as n_observations
from counted
left join came_from using (installation_key, snapshot)
left join went_to using (installation_key, snapshot)
