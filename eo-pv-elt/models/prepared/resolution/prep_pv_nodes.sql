{{ config(materialized="table") }}
-- depends_on: {{ ref("prep_pv_touched") }}
-- depends_on: {{ ref("prep_pv_evidence") }}
-- The observations whose clusters are to be found: all, or every member of a component that something touched belongs to,
-- did belong to, or is linked with now. Components are independent of one another.
with sites as (
    select * from {{ ref("prep_pv_footprints") }} where duplicate_key is null
)
{%- if execute and flags.INTROSPECT and load_relation(prepared("prep_pv_clusters")) and not resolves_everything() %},

touched as (
    select observation_key from {{ ref("prep_pv_touched") }}
    union
    select duplicate_key
    from {{ ref("prep_pv_footprints") }}
    where observation_key in (select observation_key from {{ ref("prep_pv_touched") }}) and duplicate_key is not null
),

linked as (
    select key_a, key_b from {{ ref("prep_pv_evidence") }} where {{ is_relevant() }}
),

seeds as (
    select observation_key from touched
    union
    select key_b from linked where key_a in (select observation_key from touched)
    union
    select key_a from linked where key_b in (select observation_key from touched)
),

components as (
    select distinct component_key
    from {{ prepared("prep_pv_clusters") }}
    where observation_key in (select observation_key from seeds)
),

scope as (
    select observation_key from seeds
    union
    select observation_key from {{ prepared("prep_pv_clusters") }} where component_key in (select component_key from components)
)
{%- else %},

scope as (
    select observation_key from sites
)
{%- endif %}

select
    observation_key,
    dataset,
    level,
    trust,
    one_row_per_site,
    centroid_lon_deg as lon_deg,
    centroid_lat_deg as lat_deg,
    extent_cap_m
from sites
where observation_key in (select observation_key from scope)
