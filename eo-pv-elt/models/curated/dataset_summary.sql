with observed as (
    select
        dataset,
        count(*) as n_observations,
        count(*) filter (geometry_status = 'valid') as n_valid,
        count(*) filter (geometry_status = 'repaired') as n_repaired,
        count(*) filter (geometry_status not in ('valid', 'repaired')) as n_without_geometry,
        count(*) filter (duplicate_of is not null) as n_duplicates,
        count(*) filter (geometry_kind = 'point') as n_points,
        count(*) filter (geometry_kind = 'polygon') as n_polygons,
        -- ordered, because a floating-point sum depends on the order and a build should not
        sum(area_m2 order by observation_id) as total_area_m2,
        sum(capacity_mw order by observation_id) as total_capacity_mw,
        min(st_xmin(geometry)) as west_deg,
        min(st_ymin(geometry)) as south_deg,
        max(st_xmax(geometry)) as east_deg,
        max(st_ymax(geometry)) as north_deg
    from {{ ref("pv_observations") }}
    group by dataset
),

versions as (
    select * from {{ source("landing", "dataset_versions") }}
    qualify row_number() over (partition by dataset order by ingested_at desc) = 1
)

select
    versions.dataset,
    versions.title,
    versions.vintage,
    versions.doi,
    versions.url,
    versions.licence,
    versions.commercial_use,
    versions.trust,
    versions.distribution,
    versions.rows_landed,
    versions.rows_expected_min,
    versions.rows_expected_max,
    observed.n_observations,
    observed.n_valid,
    observed.n_repaired,
    observed.n_without_geometry,
    observed.n_duplicates,
    observed.n_points,
    observed.n_polygons,
    observed.total_area_m2,
    observed.total_capacity_mw,
    observed.west_deg,
    observed.south_deg,
    observed.east_deg,
    observed.north_deg,
    versions.citation,
    versions.ingested_at,
    versions.ingest_run_id
from versions
-- inner: a dataset without a staging model is landed, but not part of the curated layer
inner join observed on versions.dataset = observed.dataset
