-- Every observation of every dataset. Nothing is dropped: an exact copy of another row of the same dataset names it.
with observations as (
    {% for dataset in var("datasets") %}
    select * from {{ ref("stg_" ~ dataset) }}
    {%- if not loop.last %} union all by name {% endif %}
    {% endfor %}
)

select
    *,
    case
        when geometry is not null then nullif(
            first_value(observation_id) over (
                partition by
                    dataset, st_aswkb(geometry), level, reported_area_m2, capacity_mw, capacity_mw_dc, installed_year, name, operator
                order by observation_id
            ),
            observation_id
        )
    end as duplicate_of
from observations
