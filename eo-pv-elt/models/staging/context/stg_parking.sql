-- Car parks around PV; Overture has points too, which cover nothing
with parking as (
    select
        id as parking_id,
        'overture' as source,
        context_release as release,
        class,
        -- the order of what lies above one another, negative below the ground
        coalesce(level, 0) < 0 as is_underground,
        {{ mended_polygon("geometry") }} as geometry
    from {{ ref("raw_overture_infrastructure") }}
    -- bicycles have theirs, which nobody roofs with panels
    where class in ('parking', 'parking_space')
)

select * from parking
where geometry is not null
