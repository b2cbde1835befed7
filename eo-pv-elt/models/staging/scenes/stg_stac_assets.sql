-- The files of the newest version of each item.
with items as (
    select catalog, collection, item_id, version from {{ ref("stg_stac_items") }}
)

select
    -- ids
    assets.catalog,
    assets.collection,
    assets.item_id,
    assets.version,
    assets.asset_key,
    -- where
    assets.href,
    assets.epsg,
    assets.proj_shape,
    assets.proj_transform,
    assets.gsd_m,
    -- what
    assets.title,
    assets.media_type,
    coalesce(starts_with(lower(assets.media_type), 'image/tiff'), false)
        or regexp_matches(lower(assets.href), '\.tiff?$') as is_geotiff,
    assets.roles,
    assets.bands,
    assets.data_type,
    assets.nodata,
    assets.scale,
    assets.value_offset,
    assets.checksum,
    try_cast(assets.extra ->> 'file:size' as bigint) as size_bytes,
    assets.extra
from {{ ref("raw_stac_assets") }} as assets
inner join items using (catalog, collection, item_id, version)
