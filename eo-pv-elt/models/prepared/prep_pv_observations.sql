-- Every observation of every dataset. Nothing is dropped: an exact copy of another row of the same dataset names it.
with observations as (
    {% for dataset in var("datasets") %}
    select * from {{ ref("stg_" ~ dataset) }}
    {%- if not loop.last %} union all by name {% endif %}
    {% endfor %}
),

-- Grouped on their own: a window over all columns would sort every geometry
originals as (
    select min(observation_id) as original_id, list(observation_id) as observation_ids
    from observations
    where geometry is not null
    group by dataset, md5(st_aswkb(geometry)), level, reported_area_m2, capacity_mw, capacity_mw_dc, installed_year, axis, tilt_deg,
        azimuth_deg, reported_mount, name, operator
    having count(*) > 1
),

copies as (
    select original_id, unnest(observation_ids) as observation_id from originals
)

select
    observations.*,
    nullif(copies.original_id, observations.observation_id) as duplicate_of
from observations
left join copies on observations.observation_id = copies.observation_id
