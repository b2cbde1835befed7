-- No rows yet: the columns stand so that the layers above can be built
select
    null::varchar as land_use_id,
    null::varchar as source,
    null::varchar as release,
    null::varchar as subtype,
    null::varchar as class,
    null::varchar as name,
    null::geometry as geometry
where false
