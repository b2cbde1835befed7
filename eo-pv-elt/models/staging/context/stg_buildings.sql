-- Buildings around PV
with buildings as (
    select
        id as building_id,
        'overture' as source,
        context_release as release,
        subtype,
        class,
        height::double as height_m,
        num_floors::integer as num_floors,
        coalesce(is_underground, false) as is_underground,
        {{ mended_polygon("geometry") }} as geometry
    from {{ ref("raw_overture_building") }}
)

select * from buildings
where geometry is not null
