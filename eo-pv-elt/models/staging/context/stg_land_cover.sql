-- No rows yet: the columns stand so that the layers above can be built
select
    null::varchar as land_cover_id,
    null::varchar as source,
    null::varchar as release,
    null::varchar as subtype,
    null::integer as min_zoom,
    null::geometry as geometry
where false
