-- No rows yet: the columns stand so that the layers above can be built
select
    null::varchar as source,
    null::varchar as release,
    null::varchar as variable,
    null::double as value,
    null::double as lon_deg,
    null::double as lat_deg,
    null::double as pixel_width_deg,
    null::double as pixel_height_deg
where false
