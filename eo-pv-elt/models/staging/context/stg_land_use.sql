-- Polygons of land use around PV; Overture has points and lines too, which cover nothing
with land_use as (
    select
        id as land_use_id,
        'overture' as source,
        context_release as release,
        subtype,
        class,
        names['primary'] as name,
        {{ mended_polygon("geometry") }} as geometry
    from {{ ref("raw_overture_land_use") }}
)

select * from land_use
where geometry is not null
