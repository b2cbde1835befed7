-- Polygons of land cover around PV: several versions of the same place, each for the zooms from min_zoom on
with land_cover as (
    select
        id as land_cover_id,
        'overture' as source,
        context_release as release,
        subtype,
        cartography['min_zoom']::integer as min_zoom,
        {{ mended_polygon("geometry") }} as geometry
    from {{ ref("raw_overture_land_cover") }}
)

select * from land_cover
where geometry is not null
