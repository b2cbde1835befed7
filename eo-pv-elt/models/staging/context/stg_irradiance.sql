-- Time series of irradiance at stations near PV
with nsrdb as (
    select
        'nsrdb' as source,
        context_release as release,
        -- files have no ids of stations, and the grid is fixed
        printf('%.4f_%.4f', latitude::double, longitude::double) as station_id,
        longitude as lon_deg,
        latitude as lat_deg,
        elevation as elevation_m,
        time_index as time,
        air_temperature as temperature_c,
        wind_speed as wind_speed_m_s,
        series,
        ghi,
        dni,
        dhi,
        clearsky_ghi,
        clearsky_dni,
        clearsky_dhi
    from {{ ref("raw_nsrdb") }}
),

pvgis_tmy as (
    select
        'pvgis_tmy' as source,
        context_release as release,
        station as station_id,
        longitude as lon_deg,
        latitude as lat_deg,
        elevation as elevation_m,
        'tmy' as kind,
        time_index as time,
        ghi as ghi_w_m2,
        dni as dni_w_m2,
        dhi as dhi_w_m2,
        temp_air as temperature_c,
        wind_speed as wind_speed_m_s
    from {{ ref("raw_pvgis_tmy") }}
),

united as (
    select
        * exclude (series, ghi, dni, dhi, clearsky_ghi, clearsky_dni, clearsky_dhi),
        series as kind,
        ghi as ghi_w_m2,
        dni as dni_w_m2,
        dhi as dhi_w_m2
    from nsrdb
    where ghi is not null
    union all by name
    select
        * exclude (series, ghi, dni, dhi, clearsky_ghi, clearsky_dni, clearsky_dhi),
        'clear_sky' as kind,
        clearsky_ghi as ghi_w_m2,
        clearsky_dni as dni_w_m2,
        clearsky_dhi as dhi_w_m2
    from nsrdb
    where clearsky_ghi is not null
    union all by name
    select * from pvgis_tmy
)

select
    source,
    release,
    -- where
    station_id,
    lon_deg::double as lon_deg,
    lat_deg::double as lat_deg,
    elevation_m::double as elevation_m,
    -- what
    kind,
    time,
    ghi_w_m2::double as ghi_w_m2,
    dni_w_m2::double as dni_w_m2,
    dhi_w_m2::double as dhi_w_m2,
    temperature_c::double as temperature_c,
    wind_speed_m_s::double as wind_speed_m_s
from united
