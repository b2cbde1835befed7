-- No rows yet: the columns stand so that the layers above can be built
select
    null::varchar as area_id,
    null::varchar as source,
    null::varchar as release,
    null::varchar as level,
    null::varchar as name,
    null::varchar as country_iso2,
    null::varchar as country_iso3,
    null::varchar as region_code,
    null::boolean as is_disputed,
    null::geometry as geometry,
    null::varchar as geometry_status
where false
