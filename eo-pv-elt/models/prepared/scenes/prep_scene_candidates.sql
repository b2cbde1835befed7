-- Every scene that shows something of an installation.
with sites as (
    select installation_id, {{ cut_at_antimeridian("geometry") }} as site from {{ ref("pv_installations") }}
),

scenes as (
    select * from {{ ref("stg_stac_items") }} where datetime is not null
),

met as (
    select sites.*, scenes.*
    from sites
    inner join scenes on st_intersects(sites.site, scenes.footprint)
    -- Without this barrier the condition below moves into the join, whose plan then is quadratic
    offset 0
),

covered as (
    select
        *,
        case
            when st_dimension(site) = 0 or st_coveredby(site, footprint) then 1
            else least(1, st_area_spheroid(st_intersection(site, footprint)) / st_area_spheroid(site))
        end::double as covered_share
    from met
)

select
    installation_id,
    catalog,
    collection,
    item_id,
    version,
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
from covered
-- what only touches shows nothing
where covered_share > 0
