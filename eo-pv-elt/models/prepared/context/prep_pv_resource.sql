-- No rows yet: the columns stand so that the layers above can be built
select
    null::varchar as installation_id,
    null::double as ghi_kwh_m2_year,
    null::double as pvout_kwh_kwp_year,
    null::double as temperature_c,
    null::varchar as resource_source,
    null::double as resource_distance_m,
    null::varchar as irradiance_source,
    null::varchar as irradiance_station_id,
    null::double as irradiance_distance_m
where false
