-- No rows yet: the columns stand so that the layers above can be built
select
    null::varchar as installation_id,
    null::varchar as country_code,
    null::varchar as country_name,
    null::varchar as country_id,
    null::varchar as country_match,
    null::double as country_distance_m,
    null::varchar[] as claimed_by,
    null::varchar as region_code,
    null::varchar as region_name,
    null::varchar as region_id,
    null::varchar as region_match,
    null::varchar as county_name,
    null::varchar as county_id,
    null::varchar as county_match,
    null::varchar as admin_source,
    null::varchar as admin_release
where false
