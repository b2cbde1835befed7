-- No rows yet: the columns stand so that the layers above can be built
select
    null::varchar as building_id,
    null::varchar as source,
    null::varchar as release,
    null::varchar as subtype,
    null::varchar as class,
    null::double as height_m,
    null::integer as num_floors,
    null::boolean as is_underground,
    null::geometry as geometry
where false
