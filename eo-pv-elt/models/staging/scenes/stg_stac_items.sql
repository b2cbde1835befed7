-- The newest version of each item, typed.
with source as (
    select * from {{ ref("raw_stac_items") }}
    qualify row_number() over (partition by catalog, collection, item_id order by version desc) = 1
),

-- Where the item itself states no CRS, that of its assets, if they share one
asset_crs as (
    select catalog, collection, item_id, version, min(epsg) as epsg
    from {{ ref("raw_stac_assets") }}
    group by all
    having min(epsg) = max(epsg)
),

cut as (
    select *, st_force2d({{ cut_at_antimeridian("geometry") }}) as outline from source
),

mended as (
    select
        *,
        case when st_isvalid(outline) then outline else st_collectionextract(st_makevalid(outline), 3) end as footprint
    from cut
)

select
    -- ids
    mended.catalog,
    mended.collection,
    mended.item_id,
    mended.version,
    -- when
    coalesce(mended.datetime, mended.start_datetime) as datetime,
    mended.start_datetime,
    mended.end_datetime,
    mended.updated,
    -- where
    case when not st_isempty(mended.footprint) then mended.footprint end as footprint,
    coalesce({{ epsg_property() }}, asset_crs.epsg) as epsg,
    {{ grid_code_property() }} as grid_code,
    -- what
    {{ property(["platform", "eo:platform"]) }} as platform,
    {{ property(["constellation", "eo:constellation"]) }} as constellation,
    {{ numeric_property(["gsd", "eo:gsd"], 0, 1e6) }} as gsd_m,
    {{ property(["s2:processing_baseline", "sentinel:processing_baseline"]) }} as processing_baseline,
    try_cast({{ property(["earthsearch:boa_offset_applied", "sentinel:boa_offset_applied"]) }} as boolean) as boa_offset_applied,
    -- how well
    {{ numeric_property(["eo:cloud_cover"], 0, 100) }} as cloud_cover_pct,
    coalesce(
        {{ numeric_property(["view:sun_elevation", "eo:sun_elevation"], -90, 90) }},
        90 - {{ numeric_property(["s2:mean_solar_zenith"], 0, 180) }}
    ) as sun_elevation_deg,
    {{ numeric_property(["view:sun_azimuth", "eo:sun_azimuth", "s2:mean_solar_azimuth"], 0, 360) }} as sun_azimuth_deg,
    {{ numeric_property(["view:off_nadir", "eo:off_nadir"], 0, 90) }} as view_off_nadir_deg,
    -- provenance
    mended.stac_version,
    mended.item_sha256,
    mended.source,
    mended.ingested_at,
    mended.ingest_run_id
from mended
left join asset_crs using (catalog, collection, item_id, version)
