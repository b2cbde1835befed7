-- No rows yet: the columns stand so that the layers above can be built
select
    null::varchar as source,
    null::varchar as release,
    null::varchar as station_id,
    null::double as lon_deg,
    null::double as lat_deg,
    null::double as elevation_m,
    null::varchar as kind,
    null::timestamptz as time,
    null::double as ghi_w_m2,
    null::double as dni_w_m2,
    null::double as dhi_w_m2,
    null::double as temperature_c,
    null::double as wind_speed_m_s
where false
