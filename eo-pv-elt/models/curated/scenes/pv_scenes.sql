-- The policy is in vars (dbt_project.yml), its words in macros/scenes/policy.sql.
with allowed as (
    select
        *,
        {%- if var("scene_one_crs") %}
        count(*) over (partition by installation_id, collection, epsg) as n_in_crs,
        {%- endif %}
        date_trunc('{{ var("scene_period") }}', datetime at time zone 'UTC')::date as period
    from {{ ref("prep_scene_candidates") }}
    where {{ scene_may_be_selected() }}
),

eligible as (
    select * from allowed
    {%- if var("scene_one_crs") %}
    qualify dense_rank() over (partition by installation_id, collection order by n_in_crs desc, epsg) = 1
    {%- endif %}
),

ranked as (
    select
        *,
        row_number() over (
            partition by installation_id, collection, period
            order by {{ scene_order() | indent(12) }}
        )::integer as rank
    from eligible
)

select
    installation_id,
    catalog,
    collection,
    item_id,
    version,
    period,
    rank,
    datetime,
    covered_share,
    cloud_cover_pct,
    sun_elevation_deg,
    sun_azimuth_deg,
    view_off_nadir_deg,
    epsg,
    grid_code,
    platform,
    processing_baseline
from ranked
where rank <= {{ var("scenes_per_period") }}
